import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import fc from "fast-check";
import { overlap } from "../../../components/aws/network/cidr";
import { apartFrom } from "../../../stacks/cloud/regions";
import { cloudUsage } from "../../../stacks/cloud/sizing/usage";
import { regionUsage, standbyPlan } from "../../../stacks/cloud/standby-plan";
import { loadConfig } from "../../../stacks/config";
import { type Changes, configOf, EKS, IMAGE, TWO_REGIONS } from "../../support/cloud-program";
import { attempt, choices, plan, users } from "./cloud-sizing-support";

/** What the configuration of stack prod, or dev, is refused for with two regions and these changes; nothing when it is taken. */
function refused(changes: Changes, stack: "dev" | "prod" = "prod"): string {
  const values = Object.entries(configOf(stack, { ...TWO_REGIONS, ...changes })).map(([key, value]) => [`phased-stack:${key}`, value]);
  try {
    loadConfig({ project: "phased-stack", stack, values: Object.fromEntries(values) as Record<string, string>, isSecret: () => false });
  } catch (error) {
    assert.ok(pulumi.RunError.isInstance(error), String(error));
    return error.message;
  }
  return "";
}

describe("A16 configuration of two regions", () => {
  it("is taken as it is meant", () => {
    assert.equal(refused({}), "");
    assert.equal(refused({ writeRegion: "us-west-2" }), "");
    assert.equal(
      refused({ image: "registry.example.com/app@sha256:" + "a".repeat(64), secondImage: undefined }),
      "",
      "pulled from anywhere",
    );
    assert.equal(refused({ image: undefined, secondImage: undefined }), "", "built for both");
    assert.equal(refused({ vpcCidr: "10.8.0.0/16" }), "");
    assert.equal(refused(EKS), "");
  });

  const REFUSED: readonly (readonly [changes: Changes, expected: RegExp])[] = [
    [
      { secondRegion: undefined },
      /secondCdnPrefixListId is set, but secondRegion is not; .*\n.*secondImage is set, but secondRegion is not/,
    ],
    [
      { secondRegion: undefined, writeRegion: "eu-central-1" },
      /writeRegion is set, but secondRegion is not; .* Fix: pulumi config rm writeRegion/,
    ],
    [{ secondRegion: "eu-central-1" }, /secondRegion is eu-central-1, and awsRegion is the same; allowed: another region/],
    [{ secondRegion: "cn-north-1" }, /secondRegion is cn-north-1, and awsRegion is eu-central-1, which is of another group of regions/],
    [{ cdn: "false" }, /cdn is false, and with secondRegion CloudFront is what leads to the region that answers; allowed: true/],
    [
      {
        hostedZoneId: undefined,
        certificateArn: "arn:aws:acm:eu-central-1:123456789012:certificate/12345678-1234-1234-1234-123456789012",
        cdnCertificateArn: "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012",
      },
      /hostedZoneId is not set, and with secondRegion a record of Route 53 leads writes to the region that answers/,
    ],
    [
      { secondCdnPrefixListId: undefined },
      /secondCdnPrefixListId is not set, and without it the second load balancer could be reached past/,
    ],
    [
      { vpcCidr: "10.1.0.0/16" },
      /secondVpcCidr is 10\.1\.0\.0\/16, and vpcCidr is 10\.1\.0\.0\/16; allowed: ranges without a common address.* Fix: pulumi config set secondVpcCidr 10\.2\.0\.0\/16/,
    ],
    [{ secondVpcCidr: "10.0.128.0/20" }, /secondVpcCidr is 10\.0\.128\.0\/20, and vpcCidr is 10\.0\.0\.0\/16/],
    [
      { secondAvailabilityZones: "eu-west-1a,us-west-2a,us-west-2b" },
      /secondAvailabilityZones has eu-west-1a, and secondRegion is us-west-2/,
    ],
    [
      { secondAvailabilityZones: "us-west-2a,us-west-2b" },
      /secondAvailabilityZones names 2, and awsRegion has 3 zones; allowed: the same number/,
    ],
    [
      { secondImage: undefined },
      /secondImage is not set, and image is in a registry of eu-central-1.* Fix: pulumi config set secondImage 123456789012\.dkr\.ecr\.us-west-2\.amazonaws\.com\/app@sha256:a+/,
    ],
    [
      { secondImage: IMAGE.replace(/a{64}/, "b".repeat(64)) },
      /secondImage is .*b{64}, which is not the image sha256:a{64} of the first region/,
    ],
    [{ secondImage: "registry.example.com/app:1" }, /secondImage is registry\.example\.com\/app:1, which is not the image/],
    [{ image: undefined }, /secondImage is set, but image is not; allowed: both, or neither/],
    [{ writeRegion: "eu-west-1" }, /writeRegion is eu-west-1; allowed: eu-central-1, us-west-2, the regions of the stack/],
  ];
  for (const [changes, expected] of REFUSED) {
    it(`is refused in one sentence: ${JSON.stringify(changes, (_, value: unknown) => value ?? null).slice(0, 80)}`, () =>
      assert.match(refused(changes), expected));
  }

  it("needs a domain with profile dev, too, which has none otherwise", () => {
    const message = refused({ secondImage: undefined, secondCdnPrefixListId: undefined }, "dev");
    assert.match(message, /domainName is not set, and with secondRegion a record of Route 53 leads writes/);
    assert.match(message, /hostedZoneId is not set, and with secondRegion/);
  });

  it("is offered addresses that are apart from those of the first network, whichever these are", () => {
    const networks = fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 16, max: 20 }));
    fc.assert(
      fc.property(networks, networks, ([a, prefix], [b, other]) => {
        const [first, second] = [`10.${a}.0.0/${prefix}`, `10.${b}.0.0/${other}`];
        assert.equal(overlap(first, second), a === b);
        assert.equal(overlap(first, second), overlap(second, first));
        assert.ok(!overlap(first, apartFrom(first)));
      }),
    );
    assert.ok(overlap("10.0.0.0/16", "10.0.240.0/20") && !overlap("10.0.0.0/20", "10.0.16.0/20"));
  });
});

describe("A16 sizes of the second region", () => {
  it("are those of the first, but for tasks that only wait; taken over, it has as many", () => {
    fc.assert(
      fc.property(users, choices, (count, given) => {
        const whole = attempt(count, { ...given, secondRegion: "us-west-2" });
        if (whole === undefined) return;
        const [waiting, taken] = [standbyPlan(whole, false), standbyPlan(whole, true)];
        for (const { web, database, cache, limits } of [waiting, taken]) {
          assert.ok(web.minTasks >= 1 && web.minTasks <= web.maxTasks);
          assert.equal(web.maxTasks, whole.web.maxTasks, "it can carry everything");
          assert.deepEqual([database, cache, limits], [whole.database, whole.cache, whole.limits]);
        }
        assert.ok(waiting.web.minTasks <= whole.web.minTasks && waiting.jobs.maxTasks === 0);
        assert.deepEqual([taken.web, taken.jobs, taken.consumer.maxTasks], [whole.web, whole.jobs, 0]);
      }),
    );
  });

  it("A14 on EKS it has nodes for the tasks that wait, and may have as many as the first", () => {
    fc.assert(
      fc.property(users, choices, (count, given) => {
        const whole = attempt(count, { ...given, cloudRuntime: "eks", secondRegion: "us-west-2" });
        if (whole?.nodes === undefined) return;
        const [waiting, taken] = [standbyPlan(whole, false), standbyPlan(whole, true)];
        for (const { nodes, web, jobs } of [waiting, taken]) {
          assert.ok(nodes);
          const { minNodes, peakNodes, maxNodes, vcpus, ...same } = nodes;
          const needed = (web.peakTasks * web.cpu + jobs.peakTasks * jobs.cpu) / 1024;
          assert.ok(peakNodes * vcpus >= needed && minNodes <= peakNodes);
          assert.equal(maxNodes, whole.nodes.maxNodes, "it can carry everything");
          assert.deepEqual(same, { instanceType: whole.nodes.instanceType, memoryMb: whole.nodes.memoryMb, podCpuShare: same.podCpuShare });
        }
        const averages = [waiting, taken].map((sizes) => cloudUsage(sizes).averageNodes);
        assert.ok(averages[0]! <= averages[1]! && averages[1]! <= cloudUsage(whole).averageNodes);
      }),
    );
  });

  it("C1 pools of both regions together fit the one primary", () => {
    fc.assert(
      fc.property(users, choices, (count, given) => {
        const both = attempt(count, { ...given, secondRegion: "us-west-2" });
        if (both === undefined) return;
        const { web, jobs, consumer, proxy, database } = both;
        const pools = 2 * web.maxTasks * web.poolMax + jobs.maxTasks * jobs.poolMax + consumer.maxTasks * consumer.poolMax;
        assert.equal(pools, proxy.pools);
        assert.ok(pools <= proxy.connections && proxy.connections < database.maxConnections);
        const replica = web.maxTasks * web.replicaPoolMax + jobs.maxTasks * jobs.replicaPoolMax;
        assert.ok(replica < database.maxConnections, "those of one region, on its standby");
      }),
    );
  });

  it("what is paid by use is paid where requests go; the other keeps its tasks, files and images", () => {
    for (const taken of [false, true]) {
      const whole = plan(50_000, { secondRegion: "us-west-2" });
      const [home, second] = [regionUsage(whole, "home", taken), regionUsage(whole, "second", taken)];
      const [busy, idle] = taken ? [second, home] : [home, second];
      assert.equal(busy.requests, whole.usage.requests);
      assert.ok((busy.regionTransferGb ?? 0) > 100, "the log of writes goes to the other region");
      assert.deepEqual([idle.requests, idle.logsGb, idle.regionTransferGb], [0, 0, 0]);
      assert.equal(idle.uploadsGb, busy.uploadsGb);
      assert.ok(idle.averageTasks.web >= 1);
    }
  });
});
