import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import program from "../../../stacks/index";
import { TWO_REGIONS } from "../../support/cloud-program";
import { NO_ENGINE, Recorder } from "../../support/pulumi-mocks";

const IMAGE = `123456789012.dkr.ecr.eu-central-1.amazonaws.com/app@sha256:${"a".repeat(64)}`;

/** The values of Pulumi.prod.yaml, without the project's name in front. */
const { config: inFile } = parse(readFileSync("Pulumi.prod.yaml", "utf8")) as { config: Record<string, string> };
const PROD = Object.fromEntries(
  Object.entries({ ...inFile, image: IMAGE }).map(([key, value]) => [key.replace("phased-stack:", ""), value]),
);

async function refusal(config: Record<string, string>, stack = "prod"): Promise<string> {
  const recorder = await Recorder.install("phased-stack", stack);
  pulumi.runtime.setAllConfig({
    ...NO_ENGINE,
    ...Object.fromEntries(Object.entries(config).map(([key, value]) => [`phased-stack:${key}`, value])),
  });
  const error: unknown = await program().then(
    () => assert.fail("accepted"),
    (reason: unknown) => reason,
  );
  assert.ok(pulumi.RunError.isInstance(error), String(error));
  assert.deepEqual(recorder.names(), [], "nothing is registered");
  return error.message;
}

describe("configuration of phase cloud", () => {
  it("F5 tells everything that is missing at once, each with an example", async () => {
    const message = await refusal({ phase: "cloud" });
    for (const key of ["awsRegion", "awsAccountId", "alertEmail", "monthlyBudgetUsd", "users", "domainName", "cdnPrefixListId"]) {
      assert.match(message, new RegExp(`- ${key} is not set.*Fix: pulumi config set ${key} \\S+`), key);
    }
    assert.match(message, /^the configuration of stack prod has 7 problems:/);
  });

  it("refuses what does not go together", async () => {
    const base = PROD;
    const withoutZone = Object.fromEntries(Object.entries(PROD).filter(([key]) => key !== "hostedZoneId"));
    const arn = (region: string): string => `arn:aws:acm:${region}:123456789012:certificate/12345678-1234-1234-1234-123456789012`;
    const refused: [Record<string, string>, RegExp][] = [
      [
        { ...base, image: "registry.example.com/app:1" },
        /image is registry\.example\.com\/app:1; allowed in phase cloud: a reference by digest/,
      ],
      [{ ...base, events: "msk", zones: "2" }, /events is msk, but there are 2 zones; allowed: at least 3/],
      [
        { ...base, availabilityZones: "us-east-1a,us-east-1b" },
        /availabilityZones has us-east-1a, us-east-1b, and awsRegion is eu-central-1/,
      ],
      [{ ...base, availabilityZones: "eu-central-1a,eu-central-1b", zones: "3" }, /zones is 3, but availabilityZones names 2/],
      [withoutZone, /neither hostedZoneId nor certificateArn is set.*\n.*nor cdnCertificateArn is set/],
      [
        { ...withoutZone, certificateArn: arn("us-east-1"), cdnCertificateArn: arn("us-east-1") },
        /certificateArn is of region us-east-1; allowed: one of eu-central-1/,
      ],
      [{ ...base, cloudRuntime: "eks" }, /eksAdministrators is not set, and nobody could get into the cluster/],
      [
        { ...base, workerHeapMb: "8192" },
        /workerHeapMb is 8192, with which a task of web needs \d+ MiB and has \d+; .* Fix: pulumi config rm workerHeapMb/,
      ],
      [
        { ...base, users: "1000000" },
        /users is 1000000, for which the plan has 10 shards of the cache; allowed in this version: what one carries\. Fix: set fewer users/,
      ],
      [
        { ...base, databases: "2", ...TWO_REGIONS },
        /secondRegion is us-west-2, and companies are divided among 2 databases, .*; allowed in this version.*: one of the two\. Fix: pulumi config rm secondRegion/,
      ],
      [
        { ...base, databases: "2", databaseShardsForNew: "first,s3" },
        /databaseShardsForNew has "s3", and there are 2 databases; allowed: first, s2\. Fix: pulumi config set databaseShardsForNew first,s2/,
      ],
      [
        { ...base, databaseShardsForNew: "s2" },
        /databaseShardsForNew has "s2", and there is one database; allowed: first\. Fix: pulumi config set databaseShardsForNew first/,
      ],
      [
        { ...base, databases: "20", databaseReplicas: "3", databaseLogin: "iam" },
        /databaseLogin is iam, and with 20 databases of 3 replicas the app's role would name 80 servers and pools, .*; allowed: at most 70, or password\. Fix: /,
      ],
      [
        { ...base, databases: "1", peakRequestsPerSecond: "30000" },
        /databases is 1, and requests write 15000 times a second, of which the storage of one takes 11200; allowed: at least 2\. Fix: pulumi config set databases 2/,
      ],
      [{ ...base, users: "0" }, /phased-stack:users is "0"; allowed: an integer from 1/],
    ];
    for (const [config, expected] of refused) assert.match(await refusal(config), expected);
  });

  it("A17 the names of further databases leave less for those of project and stack", async () => {
    const stack = "production-frankfurt";
    assert.match(
      await refusal({ ...PROD, databases: "2" }, stack),
      /phased-stack and production-frankfurt, 33 characters with a dash; allowed in phase cloud with several databases: at most 32, /,
    );
    assert.doesNotMatch(await refusal({ ...PROD, users: "1000000" }, stack), /characters with a dash/);
  });
});
