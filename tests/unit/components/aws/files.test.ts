import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { keyPolicy, Keys } from "../../../../components/aws/keys";
import { Registry } from "../../../../components/aws/registry";
import { Image } from "../../../../components/aws/registry/image";
import { contextTag } from "../../../../components/local/image/context-hash";
import { Storage, type StorageArgs } from "../../../../components/aws/storage";
import { PageFiles } from "../../../../components/aws/storage/page-files";
import { Recorder, settled, valueOf } from "../../../support/pulumi-mocks";
import { assertWellMade, CONTEXT, statementsOf, withProvider } from "./support";

const STORAGE: StorageArgs = {
  context: CONTEXT,
  kmsKeyArn: "arn:storage-key",
  logDays: 90,
  forceDestroy: false,
  protect: true,
};

describe("A14 Keys", () => {
  it("are the stack's own, renew themselves, and can be brought back for a month", async () => {
    const recorder = await Recorder.install();
    const purposes = ["data", "storage", "logs", "messages"] as const;
    const keys = new Keys("keys", { context: CONTEXT, purposes, deletionWindowDays: 30, protect: true }, withProvider());
    await settled();
    const made = recorder.ofType("aws:kms/key:Key");
    assert.deepEqual(made.map(({ name }) => name).sort(), ["keys-data", "keys-logs", "keys-messages", "keys-storage"]);
    for (const { inputs, protect } of made) {
      assert.deepEqual([inputs["enableKeyRotation"], inputs["deletionWindowInDays"], protect], [true, 30, true], "CKV_AWS_7");
    }
    assert.match(await valueOf(keys.arns.data), /:key\/keys-data$/);
    assertWellMade(recorder);
  });

  it("may be used by no account but this one", () => {
    for (const purpose of ["data", "storage", "logs", "messages"] as const) {
      for (const statement of keyPolicy(purpose, CONTEXT)) {
        assert.notEqual(statement.Principal, "*", "CKV_AWS_33");
        const scope = JSON.stringify([statement.Principal, statement.Condition]);
        assert.ok(scope.includes(CONTEXT.accountId), `${purpose} ${statement.Sid}: ${scope}`);
      }
    }
    const logs = JSON.stringify(keyPolicy("logs", CONTEXT));
    for (const group of [
      "/phased-stack/dev/*",
      "/aws/rds/*phased-stack-dev-*",
      "/aws/lambda/phased-stack-dev-*",
      "/aws/eks/phased-stack-dev-*",
      "/aws/containerinsights/phased-stack-dev-*",
      "aws-waf-logs-phased-stack-dev-*",
    ]) {
      assert.ok(logs.includes(`log-group:${group}`), group);
    }
  });
});

describe("A14 Registry", () => {
  let recorder: Recorder;
  let directory: string;
  beforeEach(async () => {
    recorder = await Recorder.install();
    directory = mkdtempSync(path.join(tmpdir(), "phased-image-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it("keeps tags, scans images, encrypts them and deletes old ones", async () => {
    new Registry("registry", { context: CONTEXT, kmsKeyArn: "arn:data-key", forceDelete: false }, withProvider());
    await settled();
    const { inputs } = recorder.get("registry-app");
    assert.deepEqual(
      [inputs["imageTagMutability"], inputs["imageScanningConfiguration"], inputs["encryptionConfigurations"], inputs["forceDelete"]],
      ["IMMUTABLE", { scanOnPush: true }, [{ encryptionType: "KMS", kmsKey: "arn:data-key" }], false],
      "CKV_AWS_51, CKV_AWS_163, CKV_AWS_136",
    );
    const { rules } = JSON.parse(String(recorder.get("registry-lifecycle").inputs["policy"])) as { rules: { action: unknown }[] };
    assert.equal(rules.length, 2);
    assertWellMade(recorder);
  });

  it("is pushed to under the hash of the sources and a word of the push, and tasks are told the digest", async () => {
    const files = [{ path: "Dockerfile", content: Buffer.from("FROM scratch\n"), executable: false }];
    const source = {
      files,
      contextDirectory: directory,
      platform: "linux/arm64",
      repositoryUrl: "1.dkr.ecr.eu-central-1.amazonaws.com/app",
    };
    const image = new Image("image", { source });
    await settled();
    const { inputs, retainOnDelete } = recorder.get("image-build");
    assert.equal(inputs["imageName"], `1.dkr.ecr.eu-central-1.amazonaws.com/app:${image.version}-1a2b3c4d`);
    assert.match(image.version, /^[0-9a-f]{16}$/);
    assert.deepEqual(
      [inputs["registry"], inputs["skipPush"], retainOnDelete],
      [{ server: "1.dkr.ecr.eu-central-1.amazonaws.com" }, false, true],
    );
    assert.equal((inputs["build"] as { platform: string }).platform, "linux/arm64");
    assert.equal(await valueOf(image.reference), `1.dkr.ecr.eu-central-1.amazonaws.com/app@sha256:${"a".repeat(64)}`);
    assert.throws(() => new Image("other", { source: { ...source, files: [] } }), /no Dockerfile/);
  });

  it("gets no tag twice: a version that comes back, or is built for another platform, is pushed under one of its own", async () => {
    const updates = [
      ["one", "linux/arm64"],
      ["one", "linux/arm64"],
      ["two", "linux/arm64"],
      ["one", "linux/arm64"],
      ["one", "linux/amd64"],
    ] as const;
    const pushed: string[] = [];
    let words = 0;
    let [keepersBefore, inputsBefore] = ["", ""];
    for (const [content, platform] of updates) {
      recorder = await Recorder.install();
      const files = [{ path: "Dockerfile", content: Buffer.from(`FROM ${content}\n`), executable: false }];
      new Image("image", { source: { files, contextDirectory: directory, platform, repositoryUrl: "registry.example.com/app" } });
      await settled();
      // What the providers do: other keepers are another word, and other inputs are another push.
      const keepers = JSON.stringify(recorder.get("image-push").inputs["keepers"]);
      if (keepers !== keepersBefore) words += 1;
      const { imageName, build } = recorder.get("image-build").inputs;
      const tag = String(imageName).replace("1a2b3c4d", `word-${words}`);
      const inputs = JSON.stringify([tag, build]);
      if (inputs !== inputsBefore) pushed.push(tag);
      [keepersBefore, inputsBefore] = [keepers, inputs];
    }
    assert.equal(pushed.length, 4, pushed.join(" "));
    assert.equal(new Set(pushed).size, 4, pushed.join(" "));
  });

  it("B15 has the version of its files without imagesOf, and is built and pushed anew under another with it", async () => {
    const files = [{ path: "Dockerfile", content: Buffer.from("FROM scratch\n"), executable: false }];
    const make = (name: string, imagesOf?: string): Image => {
      const contextDirectory = path.join(directory, name);
      return new Image(name, {
        source: { files, contextDirectory, platform: "linux/amd64", repositoryUrl: "registry.example.com/app", imagesOf },
      });
    };
    const [unset, november] = [make("unset"), make("november", "2026-11")];
    await settled();
    assert.equal(unset.version, contextTag(files));
    assert.notEqual(november.version, unset.version);
    assert.equal(recorder.get("november-build").inputs["imageName"], `registry.example.com/app:${november.version}-1a2b3c4d`);
    assert.match(readFileSync(path.join(directory, "november/Dockerfile"), "utf8"), /^ARG IMAGES_OF=2026-11$/m);
  });

  it("an image of one's own is taken by digest only", async () => {
    const reference = `registry.example.com/team/app@sha256:${"b".repeat(64)}`;
    const image = new Image("image", { source: { reference } });
    assert.deepEqual([await valueOf(image.reference), image.version], [reference, `sha256:${"b".repeat(64)}`]);
    assert.throws(
      () => new Image("other", { source: { reference: "team/app:1.0" } }),
      /the image is team\/app:1\.0; allowed: one by digest/,
    );
  });
});

describe("A21 B6 PageFiles", () => {
  it("are put under names with their hash, for a year; what another content had stays", async () => {
    const recorder = await Recorder.install();
    const provider = withProvider();
    const { assets: bucket } = new Storage("storage", STORAGE, provider);
    const file = {
      source: "modules/cache.js",
      key: "modules/cache.0123456789ab.js",
      content: Buffer.from("ü"),
      contentType: "text/javascript",
    };
    const args = { context: CONTEXT, bucket, kmsKeyArn: "arn:storage-key", files: [{ ...file, cacheControl: "public, max-age=31536000" }] };
    const { objects } = new PageFiles("page-files", args, provider);
    await settled();
    assert.equal(objects.length, 1);
    const { inputs, retainOnDelete } = recorder.get("page-files-modules-cache.js");
    const expected = {
      bucket: "storage-assets-bucket-1a2b3c4",
      key: "modules/cache.0123456789ab.js",
      contentBase64: "w7w=",
      contentType: "text/javascript",
      cacheControl: "public, max-age=31536000",
      kmsKeyId: "arn:storage-key",
    };
    assert.deepEqual(Object.fromEntries(Object.keys(expected).map((key) => [key, inputs[key]])), expected, "CKV_AWS_186");
    assert.equal(retainOnDelete, true);
    assertWellMade(recorder);
  });
});

describe("A21 Storage", () => {
  let recorder: Recorder;
  beforeEach(async () => {
    recorder = await Recorder.install();
    const storage = new Storage("storage", STORAGE, withProvider());
    storage.uploads.allowForms(["https://shop.example.com"]);
    await settled();
  });
  const BUCKETS = ["storage-logs", "storage-assets", "storage-uploads"];

  it("is closed to the public, versioned, cleaned up and reached over TLS only", () => {
    assert.equal(recorder.ofType("aws:s3/bucket:Bucket").length, 3);
    for (const bucket of BUCKETS) {
      const { inputs } = recorder.get(`${bucket}-closed`);
      assert.deepEqual(
        ["blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"].map((key) => inputs[key]),
        [true, true, true, true],
      );
      assert.deepEqual(recorder.get(`${bucket}-ownership`).inputs["rule"], { objectOwnership: "BucketOwnerEnforced" });
      assert.deepEqual(recorder.get(`${bucket}-versioning`).inputs["versioningConfiguration"], { status: "Enabled" });
      const [rule] = recorder.get(`${bucket}-lifecycle`).inputs["rules"] as Record<string, unknown>[];
      assert.deepEqual(rule?.["abortIncompleteMultipartUpload"], { daysAfterInitiation: 7 });
      const days = bucket === "storage-logs" ? { days: 90 } : { expiredObjectDeleteMarker: true };
      assert.deepEqual(rule["expiration"], days, "markers of deleted files go, too");
      const tlsOnly = statementsOf(recorder.get(`${bucket}-policy`)).find(({ Sid }) => Sid === "TlsOnly");
      assert.deepEqual([tlsOnly?.["Effect"], tlsOnly?.["Condition"]], ["Deny", { Bool: { "aws:SecureTransport": "false" } }]);
      assert.equal(recorder.get(`${bucket}-bucket`).inputs["forceDestroy"], false);
    }
    assertWellMade(recorder);
  });

  it("encrypts files with the stack's key, and logs with S3's own, which the load balancer needs", () => {
    const algorithm = (bucket: string): unknown =>
      (recorder.get(`${bucket}-encryption`).inputs["rules"] as { applyServerSideEncryptionByDefault: unknown }[])[0]
        ?.applyServerSideEncryptionByDefault;
    const own = { sseAlgorithm: "aws:kms", kmsMasterKeyId: "arn:storage-key" };
    assert.deepEqual(BUCKETS.map(algorithm), [{ sseAlgorithm: "AES256" }, own, own]);
    assert.deepEqual(recorder.get("storage-uploads-logging").inputs["targetBucket"], "storage-logs-bucket-1a2b3c4");
  });

  it("is read by CloudFront of this account alone, and logs are written by AWS alone, below their prefixes", () => {
    for (const bucket of ["storage-assets", "storage-uploads"]) {
      const [, read, ...more] = statementsOf(recorder.get(`${bucket}-policy`));
      assert.deepEqual([read?.["Action"], more], ["s3:GetObject", []]);
      assert.ok(JSON.stringify(read?.["Condition"]).includes(`arn:aws:cloudfront::${CONTEXT.accountId}:distribution/*`), "CKV2_AWS_46");
    }
    const [, ...writers] = statementsOf(recorder.get("storage-logs-policy"));
    assert.deepEqual(
      writers.map(({ Action, Resource }) => [Action, String(Resource).split("1a2b3c4/")[1]]),
      [
        ["s3:PutObject", "s3/*"],
        ["s3:PutObject", `load-balancer/AWSLogs/${CONTEXT.accountId}/*`],
        ["s3:PutObject", "cdn/*"],
      ],
    );
  });

  it("takes uploads from the app's pages only, deletes those that are no document after a day, and keeps the bucket from being deleted", () => {
    const rules = recorder.get("storage-uploads-cors").inputs["corsRules"];
    assert.deepEqual(rules, [{ allowedMethods: ["POST"], allowedOrigins: ["https://shop.example.com"] }]);
    assert.equal(recorder.ofType("aws:s3/bucketCorsConfiguration:BucketCorsConfiguration").length, 1);
    const expired = (bucket: string) =>
      (recorder.get(`${bucket}-lifecycle`).inputs["rules"] as Record<string, unknown>[]).find(({ id }) => id === "expire");
    assert.deepEqual(BUCKETS.map(expired), [
      undefined,
      undefined,
      {
        ...{ id: "expire", status: "Enabled", filter: { prefix: "incoming/" } },
        ...{ expiration: { days: 1 }, noncurrentVersionExpiration: { noncurrentDays: 1 } },
      },
    ]);
    assert.deepEqual(
      BUCKETS.map((bucket) => recorder.get(`${bucket}-bucket`).protect),
      [false, false, true],
    );
  });
});
