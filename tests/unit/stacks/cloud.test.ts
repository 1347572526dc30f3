import assert from "node:assert/strict";
import path from "node:path";
import { missingPageLibraries } from "../../../app/src/http/page-libraries";
import { StaticFiles } from "../../../app/src/http/static-files";
import { zoneNames } from "../../../stacks/cloud/target";
import { assertWellMade } from "../components/aws/support";
import { type Changes, cloudRun, EKS, freshCloudRun, TWO_REGIONS } from "../../support/cloud-program";
import { OUTPUT_KEYS } from "../../support/output-keys";
import { type Recorder, type Registered, valueOf } from "../../support/pulumi-mocks";

interface Pair {
  readonly name: string;
  readonly value: string;
}

const counts = (recorder: Recorder, ...types: string[]): number[] => types.map((type) => recorder.ofType(type).length);

describe("phase cloud", function () {
  // Three hundred resources each time; half a second where nobody else wants the CPU.
  this.timeout(60_000);

  it("A14 prod: everything of cloud.md, with the outputs of every phase", async () => {
    const { recorder, outputs } = await cloudRun("prod");
    assert.deepEqual(Object.keys(outputs).sort(), OUTPUT_KEYS);
    assert.equal(await valueOf(outputs["appUrl"]!), "https://shop.example.com");
    assert.equal(await valueOf(outputs["cdnUrl"]!), "https://d111111abcdef8.cloudfront.net");
    assert.equal(await valueOf(outputs["region"]!), "eu-central-1");
    assert.match(await valueOf(outputs["databaseHost"]!), /\.proxy\./);
    assert.deepEqual(
      counts(
        recorder,
        "aws:ec2/subnet:Subnet",
        "aws:ec2/natGateway:NatGateway",
        "aws:ec2/flowLog:FlowLog",
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        "aws:rds/proxy:Proxy",
        "aws:elasticache/replicationGroup:ReplicationGroup",
        "aws:ecs/service:Service",
        "aws:lb/loadBalancer:LoadBalancer",
        "aws:cloudfront/distribution:Distribution",
        "aws:wafv2/webAcl:WebAcl",
        "aws:acm/certificate:Certificate",
        "aws:budgets/budget:Budget",
        "aws:s3/bucket:Bucket",
      ),
      [9, 3, 1, 5, 1, 2, 2, 1, 1, 2, 2, 1, 3],
    );
    assert.ok(recorder.ofType("aws:rds/instance:Instance").length >= 2, "a replica");
    assertWellMade(recorder, "prod");
  });

  it("has one provider a region, and each resource the one of its region", async () => {
    const { recorder } = await cloudRun("prod");
    const providers = recorder.ofType("pulumi:providers:aws");
    assert.deepEqual(
      providers.map(({ name, inputs }) => [name, inputs["region"], inputs["allowedAccountIds"]]),
      [
        ["aws", "eu-central-1", '["123456789012"]'],
        ["aws-us-east-1", "us-east-1", '["123456789012"]'],
      ],
    );
    const atEdge = recorder.resources.filter(({ provider }) => provider.includes("::aws-us-east-1::")).map(({ type }) => type);
    assert.deepEqual(
      [...new Set(atEdge)].filter((type) => type.startsWith("aws:rds") || type.startsWith("aws:ecs")),
      [],
    );
    for (const { type, name, provider } of recorder.resources.filter((resource) => /^aws:\w/.test(resource.type))) {
      assert.match(provider, /::aws(-us-east-1)?::/, `${type} ${name} has the provider of nobody`);
      if (/^aws:(cloudfront|cloudwatch\/logDelivery)/.test(type)) assert.match(provider, /::aws-us-east-1::/, name);
    }
  });

  it("has one provider where the home region is CloudFront's", async () => {
    const { recorder } = await cloudRun("prod", { awsRegion: "us-east-1" });
    assert.equal(recorder.ofType("pulumi:providers:aws").length, 1);
    assert.equal(recorder.ofType("aws:acm/certificate:Certificate").length, 1);
  });

  it("protects what holds data, and only that survives", async () => {
    const { recorder } = await cloudRun("prod");
    const kept = (type: string): boolean[] => recorder.ofType(type).map(({ protect }) => protect);
    assert.deepEqual(kept("aws:elasticache/replicationGroup:ReplicationGroup"), [true, true]);
    assert.ok(
      recorder.get("database-primary").protect && recorder.get("storage-uploads-bucket").protect && recorder.get("keys-data").protect,
    );
    const { recorder: disposable } = await cloudRun("dev");
    assert.deepEqual(
      disposable.resources.filter(({ protect }) => protect).map(({ name }) => name),
      [],
    );
  });

  it("is deleted with what is in it only without protection, in both profiles and regions", async () => {
    const refused = async (stack: "dev" | "prod", changes: Changes): Promise<boolean[]> => {
      const { recorder } = await cloudRun(stack, { image: undefined, ...changes });
      const forced = [
        ...recorder.ofType("aws:s3/bucket:Bucket").map(({ inputs }) => inputs["forceDestroy"]),
        ...recorder.ofType("aws:ecr/repository:Repository").map(({ inputs }) => inputs["forceDelete"]),
      ];
      const kept = [
        ...["aws:rds/instance:Instance", "aws:eks/cluster:Cluster"].flatMap((type) =>
          recorder.ofType(type).map(({ inputs }) => inputs["deletionProtection"]),
        ),
        ...recorder.ofType("aws:lb/loadBalancer:LoadBalancer").map(({ inputs }) => inputs["enableDeletionProtection"]),
        ...recorder.resources.map(({ protect }) => protect).filter((protect) => protect),
      ];
      assert.ok(forced.length >= 4, String(forced.length));
      return [...new Set([...forced.map((force) => force !== true), ...kept.map((keep) => keep === true)])];
    };
    const both = { ...TWO_REGIONS, secondImage: undefined };
    for (const changes of [{}, EKS, both]) {
      assert.deepEqual(await refused("prod", changes), [true]);
      assert.deepEqual(await refused("prod", { ...changes, protect: "false" }), [false]);
    }
    assert.deepEqual(await refused("dev", {}), [false]);
    assert.deepEqual(await refused("dev", { protect: "true" }), [true]);
  });

  it("leaves the registry of the images it built when one's own is set, and lets tasks go back to them", async () => {
    for (const changes of [{}, TWO_REGIONS]) {
      const { recorder } = await cloudRun("prod", changes);
      const repositories = recorder.ofType("aws:ecr/repository:Repository").map(({ name }) => name);
      assert.deepEqual(repositories, "secondRegion" in changes ? ["registry-app", "second-registry-app"] : ["registry-app"]);
      const { Statement } = JSON.parse(String(recorder.get("app-roles-execution-policy").inputs["policy"])) as {
        Statement: { Sid: string; Resource: string[] }[];
      };
      const pulled = Statement.find(({ Sid }) => Sid === "PullImages")?.Resource ?? [];
      assert.deepEqual(
        pulled.map((arn) => arn.split("/").at(-1)),
        ["registry-app-1a2b3c4", "app"],
      );
    }
  });

  it("dev: one of everything, without a domain or a login for anybody to set up", async () => {
    const { recorder, outputs } = await cloudRun("dev");
    assert.deepEqual(
      counts(
        recorder,
        "aws:ec2/subnet:Subnet",
        "aws:ec2/natGateway:NatGateway",
        "aws:ec2/flowLog:FlowLog",
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        "aws:rds/instance:Instance",
        "aws:acm/certificate:Certificate",
      ),
      [6, 1, 0, 1, 1, 0],
    );
    assert.equal(await valueOf(outputs["appUrl"]!), "https://d111111abcdef8.cloudfront.net");
    assert.deepEqual(recorder.get("web-service").inputs["capacityProviderStrategies"], [{ capacityProvider: "FARGATE_SPOT", weight: 1 }]);
  });

  it("registers the same when it runs again, and no secret in plain", async () => {
    const [first, second] = [(await cloudRun("prod")).recorder, (await freshCloudRun("prod")).recorder];
    const inputsOf = ({ resources }: Recorder): Record<string, unknown> =>
      Object.fromEntries(resources.map(({ urn, inputs }) => [urn, inputs]));
    assert.deepEqual(inputsOf(second), inputsOf(first));
    for (const { name, plain } of first.resources) assert.doesNotMatch(plain, /canary-value-of-/, name);
  });

  for (const [events, members] of Object.entries({ none: 2, sqs: 3, msk: 3 })) {
    for (const cdn of ["true", "false"]) {
      for (const stack of ["dev", "prod"] as const) {
        it(`A15 A18 ${stack}, events ${events}, cdn ${cdn}: every service is scaled, and waits for the migration`, async () => {
          const { recorder } = await cloudRun(stack, {
            ...(events === "none" ? {} : { events }),
            ...(cdn === "true" ? {} : { cdn }),
            ...(stack === "dev" && events === "msk" ? { zones: "3" } : {}),
          });
          const services = recorder.ofType("aws:ecs/service:Service");
          assert.equal(services.length, members);
          assert.equal(recorder.ofType("aws:appautoscaling/target:Target").length, members);
          for (const { name, dependencies } of services) {
            for (const first of ["migrations-run", "app-roles-execution-policy", "network-private-1-out"]) {
              assert.ok(
                dependencies.some((urn) => urn.endsWith(`::${first}`)),
                `${name} waits for ${first}`,
              );
            }
          }
          const beforeMigration = recorder.get("migrations-run").dependencies;
          for (const first of ["database-primary", "migrations-roles-execution-policy"]) {
            assert.ok(
              beforeMigration.some((urn) => urn.endsWith(`::${first}`)),
              `the migration waits for ${first}`,
            );
          }
          assert.equal(recorder.ofType("aws:msk/cluster:Cluster").length, events === "msk" ? 1 : 0);
          assert.equal(recorder.ofType("aws:sqs/queue:Queue").length, events === "sqs" ? 2 : 0);
          assert.equal(recorder.ofType("aws:cloudfront/distribution:Distribution").length, cdn === "true" ? 1 : 0);
          unique(recorder.resources);
        });
      }
    }
  }

  it("gives the owner's password to the migration alone", async () => {
    const { recorder } = await cloudRun("prod");
    const secretsOf = (task: string): string => JSON.stringify(recorder.get(task).inputs["containerDefinitions"]);
    assert.match(secretsOf("migrations-task"), /database-owner/);
    for (const task of ["web-task", "jobs-task"]) assert.doesNotMatch(secretsOf(task), /database-owner/);
    assert.doesNotMatch(String(recorder.get("app-roles-execution-policy").inputs["policy"]), /database-owner/);
  });

  it("builds and pushes the app where no image is given", async () => {
    const { recorder } = await cloudRun("prod", { image: undefined });
    const { inputs } = recorder.get("app-image-build");
    assert.match(String(inputs["imageName"]), /^123456789012\.dkr\.ecr\.eu-central-1\.amazonaws\.com\/registry-app:[0-9a-f]{16}-1a2b3c4d$/);
    const anew = (await cloudRun("prod", { image: undefined, imagesOf: "2026-11" })).recorder.get("app-image-build").inputs;
    assert.notEqual(anew["imageName"], inputs["imageName"], "B15");
    assert.equal(recorder.ofType("aws:ecr/repository:Repository").length, 1);
    assert.match(String(recorder.get("web-task").inputs["containerDefinitions"]), /registry-app@sha256:/);
  });

  it("A21 uploads are on the CDN for who has a signed address, and the app is told what to sign with, and where", async () => {
    const { recorder } = await cloudRun("prod");
    assert.match(String(recorder.get("cdn-signer-1").inputs["encodedKey"]), /BEGIN PUBLIC KEY/);
    assert.deepEqual(recorder.get("storage-uploads-cors").inputs["corsRules"], [
      { allowedMethods: ["POST"], allowedOrigins: ["https://shop.example.com"] },
    ]);
    const definitions = String(recorder.get("web-task").inputs["containerDefinitions"]);
    const [web] = JSON.parse(definitions) as { environment: Pair[]; secrets: { name: string; valueFrom: string }[] }[];
    const variables = Object.fromEntries((web?.environment ?? []).map(({ name, value }) => [name, value]));
    assert.deepEqual(
      ["CDN_URL", "CDN_KEY_ID", "S3_DIRECT_UPLOADS"].map((name) => variables[name]),
      ["https://shop.example.com", "cdn-signer-1-id", "on"],
    );
    const key = web?.secrets.find(({ name }) => name === "CDN_PRIVATE_KEY");
    assert.match(key?.valueFrom ?? "", /uploads-key-odd/);
    assert.doesNotMatch(definitions, /BEGIN/);
    assert.match(String(recorder.get("app-roles-execution-policy").inputs["policy"]), /uploads-key-odd.*uploads-key-even/);
  });

  it("B6 files of pages are in their bucket, under the names the app gives them, before the app that refers to them", async () => {
    const { recorder } = await cloudRun("prod", { image: undefined });
    const objects = recorder.ofType("aws:s3/bucketObjectv2:BucketObjectv2");
    const pages = path.resolve("app/public");
    const served = new StaticFiles(pages, missingPageLibraries(pages));
    assert.ok(objects.length >= 6, String(objects.length));
    for (const { inputs } of objects) {
      const file = served.find(`/${String(inputs["key"])}`);
      assert.deepEqual([file?.immutable, file?.content.toString("base64")], [true, inputs["contentBase64"]], String(inputs["key"]));
      assert.equal(inputs["cacheControl"], "public, max-age=31536000, immutable");
    }
    const { dependencies } = recorder.get("web-service");
    for (const { name } of objects)
      assert.ok(
        dependencies.some((urn) => urn.endsWith(`::${name}`)),
        name,
      );
    const given = await cloudRun("prod");
    assert.equal(
      given.recorder.ofType("aws:s3/bucketObjectv2:BucketObjectv2").length,
      0,
      "nobody here knows the files of an image made elsewhere",
    );
  });

  it("A21 another generation signs, and the one before stays trusted while tasks are replaced", async () => {
    const { recorder } = await cloudRun("prod", { uploadsKeyGeneration: "2" });
    assert.deepEqual(recorder.get("cdn-signers").inputs["items"], ["cdn-signer-2-id", "cdn-signer-1-id"]);
    assert.match(String(recorder.get("web-task").inputs["containerDefinitions"]), /uploads-key-even/);
  });

  it("A21 without a CDN downloads go through the app, and there is no key", async () => {
    const { recorder } = await cloudRun("prod", { cdn: "false" });
    assert.equal(recorder.ofType("aws:cloudfront/publicKey:PublicKey").length, 0);
    assert.doesNotMatch(String(recorder.get("web-task").inputs["containerDefinitions"]), /CDN_|uploads-key/);
  });

  it("takes certificates of one's own where the domain is elsewhere", async () => {
    const arn = (region: string): string => `arn:aws:acm:${region}:123456789012:certificate/12345678-1234-1234-1234-123456789012`;
    const certificates = { certificateArn: arn("eu-central-1"), cdnCertificateArn: arn("us-east-1") };
    const { recorder } = await cloudRun("prod", { hostedZoneId: undefined, ...certificates });
    assert.equal(recorder.get("load-balancer-https").inputs["certificateArn"], arn("eu-central-1"));
    assert.deepEqual(counts(recorder, "aws:acm/certificate:Certificate", "aws:route53/record:Record"), [0, 0]);
  });

  it("gives the load balancer a name of its own, which its certificate is for, so that CloudFront may ask it for static files", async () => {
    const { recorder } = await cloudRun("prod");
    const names = (certificate: string): unknown => recorder.get(certificate).inputs["subjectAlternativeNames"];
    assert.deepEqual([names("certificate-acm"), names("cdn-certificate-acm")], [["origin.shop.example.com"], undefined]);
    const origins = recorder.get("cdn-distribution").inputs["origins"] as { originId: string; domainName: string }[];
    assert.equal(origins.find(({ originId }) => originId === "app")?.domainName, "origin.shop.example.com");
    assert.equal(recorder.get("origin-domain-a").inputs["name"], "origin.shop.example.com");
  });

  it("F3 looks, after each rollout, whether the service runs it", async () => {
    const { recorder } = await cloudRun("prod");
    for (const role of ["web", "jobs"]) {
      const { inputs, dependencies } = recorder.get(`rollout-${role}`);
      const { taskDefinition } = JSON.parse(String(inputs["input"])) as { taskDefinition: string };
      assert.deepEqual(
        [inputs["triggers"], taskDefinition],
        [{ taskDefinition }, recorder.get(`${role}-service`).inputs["taskDefinition"]],
      );
      assert.ok(dependencies.some((urn) => urn.endsWith(`::${role}-service`)));
    }
  });

  it("refuses a stack whose name is too long for names in AWS", async () => {
    await assert.rejects(
      freshCloudRun("prod", {}, { name: "a-branch-with-a-very-long-name" }),
      /43 characters with a dash; allowed in phase cloud: at most 36/,
    );
  });

  it("names the first zones of a region", () => {
    assert.deepEqual(zoneNames("eu-central-1", 3), ["eu-central-1a", "eu-central-1b", "eu-central-1c"]);
  });
});

/** Two resources of one type and name would be one. */
function unique(resources: readonly Registered[]): void {
  const urns = resources.map(({ urn }) => urn);
  assert.deepEqual(
    urns.filter((urn, index) => urns.indexOf(urn) !== index),
    [],
  );
}
