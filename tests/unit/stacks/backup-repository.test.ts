import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { type ConfigSource, loadConfig } from "../../../stacks/config";
import { backupRepository, backupViolations } from "../../../stacks/local/backup-repository";
import { issue } from "../../support/certificates";

const DAY_MS = 86_400_000;
const of = (backupUrl: string) => backupRepository({ backupUrl });
const violations = (backupUrl?: string, backupCaFile?: string): string[] => backupViolations({ backupUrl, backupCaFile });

describe("F8 where backups are: backupUrl", () => {
  it("a bucket of Amazon's, by its region", () => {
    assert.deepEqual(of("s3://my-backups/shop/one?region=eu-central-1"), {
      ...{ bucket: "my-backups", path: "/shop/one", region: "eu-central-1" },
      ...{ endpoint: "s3.eu-central-1.amazonaws.com", uriStyle: "host" },
    });
    assert.equal(of("s3://my-backups/?region=cn-north-1")?.endpoint, "s3.cn-north-1.amazonaws.com.cn");
    for (const root of ["s3://my-backups?region=eu-west-1", "s3://my-backups/?region=eu-west-1"]) assert.equal(of(root)?.path, "/");
    assert.equal(of("s3://my-backups/shop/?region=eu-west-1")?.path, "/shop");
    assert.equal(backupRepository({ backupUrl: undefined }), undefined);
  });

  it("another server, whose bucket is in the path unless told otherwise", () => {
    const minio = of("s3://backups/shop?endpoint=minio.example.com:9000");
    assert.deepEqual([minio?.endpoint, minio?.region, minio?.uriStyle], ["minio.example.com:9000", "us-east-1", "path"]);
    const other = of("s3://backups/shop?endpoint=fra1.example.com&region=fra1&style=host");
    assert.deepEqual([other?.endpoint, other?.region, other?.uriStyle], ["fra1.example.com", "fra1", "host"]);
    assert.equal(of("s3://my.backups/a?endpoint=10.0.0.5")?.bucket, "my.backups");
  });

  const bad: Record<string, RegExp> = {
    "s3://backups/shop": /has no region; allowed: one of Amazon's, or an endpoint/,
    "s3://AKIA:hush-hush@backups/shop?region=x":
      /has keys in it, .*; allowed: keys as secrets\. Fix: pulumi config set --secret backupS3Key/,
    "s3://minio:9000/backups": /has a port after the bucket/,
    "s3://ab?region=x": /has no bucket's name after s3:\/\//,
    "s3://Backups?region=x": /has no bucket's name/,
    "s3:///shop?region=x": /has no bucket's name|cannot be read/,
    "s3://backups/a%20b?region=x": /has a path that is not usable/,
    "s3://backups//a?region=x": /has a path that is not usable/,
    "s3://backups/a?region=eu/1": /has a region that is not usable/,
    "s3://backups/a?endpoint=https://minio:9000":
      /has an endpoint that is not usable; allowed: HOST or HOST:PORT, which is spoken to by TLS only/,
    "s3://backups/a?endpoint=": /has an endpoint that is not usable/,
    "s3://backups/a?endpoint=minio&style=virtual": /has a style that is not known; allowed: host, path/,
    "s3://my.backups/a?region=eu-west-1": /has a bucket with a dot in its name/,
    "s3://backups/a?endpont=minio": /has endpont=; allowed: endpoint, region, style/,
    "s3://backups/a?region=a&region=b": /has region= twice/,
    "s3://backups/a?region=a#b": /has something after #/,
    "s3://[/a?region=a": /cannot be read/,
  };
  for (const [address, sentence] of Object.entries(bad)) {
    it(`refuses ${address} in one sentence, and shows no key`, () => {
      const [first = "", ...rest] = violations(address);
      assert.match(first, /^backupUrl .*; allowed: .*Fix: pulumi config set /);
      assert.match(first, sentence);
      assert.deepEqual([rest, /hush-hush/.test(first)], [[], false]);
      assert.throws(() => of(address), /^Error: backupUrl /);
    });
  }

  describe("with authorities of one's own", () => {
    let directory: string;
    const write = (name: string, content: string): string => {
      const file = path.join(directory, name);
      writeFileSync(file, content);
      return file;
    };
    before(() => (directory = mkdtempSync(path.join(tmpdir(), "phased-backup-ca-"))));
    after(() => rmSync(directory, { recursive: true, force: true }));

    it("they are certificates that are valid today, and there is a server they are for", () => {
      const url = "s3://backups/shop?endpoint=minio:9000";
      const own = issue({ name: "Storage CA" });
      assert.deepEqual(violations(url, write("own.pem", own.certificate)), []);
      assert.match(
        violations(url, write("key.pem", own.certificate + own.key)).join(),
        /^backupCaFile \S+ holds a private key, which every Postgres server/,
      );
      const expired = issue({ from: new Date(Date.now() - 9 * DAY_MS), to: new Date(Date.now() - DAY_MS) });
      assert.match(violations(url, write("old.pem", expired.certificate)).join(), /^backupCaFile \S+ expired on /);
      assert.match(violations(url, path.join(directory, "none")).join(), /^backupCaFile \S+ does not exist/);
      assert.match(
        violations(undefined, write("own.pem", own.certificate)).join(),
        /^backupCaFile is set, but backupUrl is not; .*Fix: pulumi config rm backupCaFile$/,
      );
    });
  });

  describe("and what opens it", () => {
    const url = "s3://backups/shop?endpoint=minio:9000";
    const secrets = { backupS3Key: "AKIATEST", backupS3KeySecret: "hush-hush" };
    const load = (values: Readonly<Record<string, string>>, plain: readonly string[] = []): string => {
      const source: ConfigSource = {
        ...{ project: "shop", stack: "dev" },
        values: Object.fromEntries(Object.entries({ phase: "database", ...values }).map(([key, value]) => [`shop:${key}`, value])),
        isSecret: (key) => (key.startsWith("shop:backupS3") || key === "shop:backupPassphrase" ? !plain.includes(key.slice(5)) : false),
      };
      try {
        assert.equal(loadConfig(source).backupUrl, values["backupUrl"]);
        return "";
      } catch (error) {
        assert.ok(pulumi.RunError.isInstance(error), String(error));
        return error.message;
      }
    };

    it("both keys are needed, as secrets; a passphrase may be given", () => {
      assert.equal(load({ backupUrl: url, ...secrets }), "");
      assert.equal(load({ backupUrl: url, ...secrets, backupPassphrase: "0123456789abcdefghij" }), "");
      const missing = load({ backupUrl: url });
      for (const key of Object.keys(secrets)) assert.match(missing, new RegExp(`${key} is not set, and backupUrl needs it; allowed: `));
      assert.match(load({ backupUrl: url, ...secrets }, ["backupS3KeySecret"]), /backupS3KeySecret is set in plain text/);
      const odd = load({ backupUrl: url, ...secrets, backupS3Key: "two words", backupPassphrase: "too-short" });
      assert.match(odd, /backupS3Key is not usable; allowed: the id of an access key/);
      assert.match(odd, /backupPassphrase is not usable; allowed: 20 or more letters/);
      assert.doesNotMatch(odd, /two words|too-short|hush-hush/);
    });

    it("they are kept, and not asked for, where the backups are on the volume or the phase has none", () => {
      assert.equal(load(secrets), "");
      assert.equal(load({ phase: "cluster", backupUrl: url }), "");
      assert.match(load({ phase: "cluster", backupUrl: "s3://backups" }), /backupUrl has no region/);
    });
  });
});
