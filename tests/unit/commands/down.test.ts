import assert from "node:assert/strict";
import type Docker from "dockerode";
import { keptResources, refuseToKeep } from "../../../toolchain/commands/down";
import { UserError } from "../../../toolchain/lib/errors";
import { refuseOtherEngine } from "../../../toolchain/lib/right-engine";
import { remoteStores } from "../../../toolchain/lib/update-recovery";

describe("npm run down --keep-data", () => {
  const resource = (type: string, name: string, service?: string) => ({
    urn: `urn:pulumi:dev::phased-stack::${type}::${name}`,
    type,
    ...(service === undefined ? {} : { outputs: { labels: [{ label: "phased-stack.service", value: service }] } }),
  });
  const exported = {
    deployment: {
      resources: [
        resource("docker:index/volume:Volume", "postgres-pg-1-data", "postgres"),
        resource("docker:index/volume:Volume", "secrets-volume", "secrets"),
        resource("docker:index/container:Container", "postgres-pg-1", "postgres"),
        resource("random:index/randomPassword:RandomPassword", "postgres-secrets-app"),
      ],
    },
  };

  it("keeps volumes with data and the passwords that are in them", () => {
    const kept = keptResources(exported, true).map((urn) => urn.slice(urn.lastIndexOf("::") + 2));
    assert.deepEqual(kept, ["postgres-pg-1-data", "postgres-secrets-app"]);
    assert.deepEqual(keptResources(exported, false), []);
  });

  it("is refused where data are elsewhere than on a Docker host: they would be deleted all the same", () => {
    const cloud = {
      deployment: {
        resources: [
          ...exported.deployment.resources,
          resource("aws:rds/instance:Instance", "database"),
          resource("aws:rds/subnetGroup:SubnetGroup", "database-subnets"),
          resource("aws:s3/bucket:Bucket", "uploads"),
          resource("aws:s3/bucketObjectv2:BucketObjectv2", "page"),
          resource("kubernetes:core/v1:PersistentVolumeClaim", "documents"),
        ],
      },
    };
    assert.deepEqual(remoteStores(cloud), ["database", "uploads", "documents"]);
    assert.deepEqual(remoteStores(exported), []);
    const stack = { name: "prod", command: (name: string) => `npm run ${name} -- --stack prod` };
    const sentence = /stack prod has data in database, uploads, documents.*nothing was deleted/;
    assert.throws(() => refuseToKeep(stack, remoteStores(cloud)), sentence);
    refuseToKeep(stack, []);
  });
});

describe("a Docker Engine that has nothing of a stack", () => {
  const exported = {
    deployment: {
      resources: [
        { urn: "urn:pulumi:dev::p::docker:index/network:Network::net", type: "docker:index/network:Network", id: "n1" },
        { urn: "urn:pulumi:dev::p::docker:index/volume:Volume::data", type: "docker:index/volume:Volume", id: "dev-data" },
        { urn: "urn:pulumi:dev::p::docker:index/image:Image::app", type: "docker:index/image:Image", id: "localhost/p/app:1" },
      ],
    },
  };
  /** An engine with these volumes of the stack. */
  const engine = (...volumes: readonly string[]): Docker =>
    ({
      listContainers: () => Promise.resolve([]),
      listNetworks: () => Promise.resolve([]),
      listVolumes: () => Promise.resolve({ Volumes: volumes.map((Name) => ({ Name })) }),
    }) as unknown as Docker;
  const stack = { name: "dev", dockerHost: "ssh://deploy@other.example.com" };

  it("is not the one that the stack was made on: nothing is deleted or made anew there", async () => {
    await assert.rejects(refuseOtherEngine(engine(), stack, exported, "npm run up -- --refresh"), (error) => {
      assert.ok(error instanceof UserError);
      assert.match(error.message, /ssh:\/\/deploy@other\.example\.com \(the stack's docker:host or context\) has none of the 2 /);
      assert.match(error.hint ?? "", /removed there by hand: npm run up -- --refresh$/);
      return true;
    });
    await assert.rejects(refuseOtherEngine(engine("somebody-else's"), stack, exported, ""));
  });

  it("is the right one when anything is there, or when there should be nothing", async () => {
    await refuseOtherEngine(engine("dev-data"), stack, exported, "");
    await refuseOtherEngine(engine(), stack, { deployment: { resources: [] } }, "");
    await refuseOtherEngine(engine(), stack, {}, "");
  });
});
