import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { FREE_TYPES, monthlyCost, PRICED_REGIONS, PRICERS, type PricedResource, totalUsd } from "../../../components/aws/pricing";
import { plan, surroundings, users } from "../stacks/cloud-sizing-support";
import { graphOf } from "./graph";

const AWS_PACKAGE = path.dirname(require.resolve("@pulumi/aws/package.json"));

/** Types of the installed @pulumi/aws, by the names of its files; a few of them are functions or mixins and no types. */
function awsTypes(): string[] {
  const services = readdirSync(AWS_PACKAGE, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return services.flatMap(({ name: service }) =>
    readdirSync(path.join(AWS_PACKAGE, service))
      .filter((file) => file.endsWith(".js") && !/^(index|get[A-Z])/.test(file))
      .map((file) => path.basename(file, ".js"))
      .map((file) => `aws:${service}/${file}:${file.charAt(0).toUpperCase()}${file.slice(1)}`),
  );
}

/** Whether the provider has a type: its file says which one it is. */
function isType(type: string): boolean {
  const [, service = "", file = ""] = /^aws:(\w+)\/(\w+):\w+$/.exec(type) ?? [];
  const source = path.join(AWS_PACKAGE, service, `${file}.js`);
  return existsSync(source) && new RegExp(`__pulumiType = ['"]${type}['"]`).test(readFileSync(source, "utf8"));
}

const { usage } = plan(10_000);

function cost(resources: readonly PricedResource[], region = "us-east-1") {
  return monthlyCost(resources, region, usage);
}

/** Dollars of one resource among others, told by its lines. */
function linesOf(type: string, inputs: Readonly<Record<string, unknown>>, others: readonly PricedResource[] = []): Record<string, number> {
  const estimate = cost([{ type, name: "one", inputs }, ...others]);
  const found = estimate.types.find((each) => each.type === type);
  assert.ok(found, JSON.stringify(estimate.notPriced));
  return Object.fromEntries(found.lines.map(({ what, usd }) => [what, Math.round(usd * 100) / 100]));
}

function reasonOf(type: string, inputs: Readonly<Record<string, unknown>>): string | undefined {
  return cost([{ type, name: "one", inputs }]).notPriced[0]?.reason;
}

describe("A14 F5 the monthly cost of resources", () => {
  const types = awsTypes();

  it("every type it knows is one of the provider's, and none is both free and priced", () => {
    assert.ok(types.length > 1500, `${types.length} types were found`);
    for (const type of [...FREE_TYPES, ...Object.keys(PRICERS)]) assert.ok(isType(type), `${type} is no type of @pulumi/aws`);
    assert.deepEqual(
      Object.keys(PRICERS).filter((type) => FREE_TYPES.has(type)),
      [],
    );
  });

  it("every AWS resource is priced, free, or listed with a reason; none is left out or told twice (property)", () => {
    const strange = fc.constantFrom("aws:new/thing:Thing", "aws:x/constructor:Constructor", "aws-native:s3:Bucket", "awsx:ec2:Vpc");
    const resource = fc.record({
      type: fc.oneof(fc.constantFrom(...types), strange),
      name: fc.string({ minLength: 1 }),
      inputs: fc.dictionary(fc.string(), fc.anything()),
    });
    fc.assert(
      fc.property(fc.array(resource, { maxLength: 40 }), fc.constantFrom(...PRICED_REGIONS), (resources, region) => {
        const estimate = cost(resources, region);
        const told = [...estimate.types, ...estimate.free, ...estimate.notPriced];
        assert.equal(
          told.reduce((sum, { count }) => sum + count, 0),
          resources.length,
        );
        for (const type of new Set(resources.map((each) => each.type))) {
          const counted = told.filter((each) => each.type === type).reduce((sum, { count }) => sum + count, 0);
          assert.equal(counted, resources.filter((each) => each.type === type).length, type);
        }
        assert.ok(Number.isFinite(estimate.totalUsd) && estimate.totalUsd >= 0, `${estimate.totalUsd}`);
        for (const { reason } of estimate.notPriced) assert.ok(reason.length > 10);
      }),
      { numRuns: 300 },
    );
  });

  it("resources are counted by type, also free ones and those without a price", () => {
    const resources = ["aws:ec2/subnet:Subnet", "aws:ec2/eip:Eip", "aws:new/thing:Thing"].flatMap((type) =>
      [1, 2, 3].map((index) => ({ type, name: `one-${index}`, inputs: {} })),
    );
    const { types, free, notPriced } = cost(resources);
    assert.deepEqual(
      [types, free, notPriced].map((told) => told.map(({ type, count }) => [type, count])),
      [[["aws:ec2/eip:Eip", 3]], [["aws:ec2/subnet:Subnet", 3]], [["aws:new/thing:Thing", 3]]],
    );
  });

  it("components and other providers' resources are no part of it", () => {
    const others = [
      "phased-stack:aws:Database",
      "random:index/randomPassword:RandomPassword",
      "pulumi:providers:aws",
      "kubernetes:core/v1:Pod",
    ];
    const estimate = cost(others.map((type) => ({ type, name: "other", inputs: {} })));
    assert.deepEqual([estimate.totalUsd, estimate.types, estimate.free, estimate.notPriced], [0, [], [], []]);
  });

  it("the total is the sum of its lines, each a quantity times a price; regions add up (property)", () => {
    fc.assert(
      fc.property(users, surroundings, fc.constantFrom(...PRICED_REGIONS), (count, where, region) => {
        const made = plan(count, where);
        const estimate = monthlyCost(graphOf(made), region, made.usage);
        let total = 0;
        for (const { usd, lines } of estimate.types) {
          for (const line of lines) assert.ok(Math.abs(line.usd - line.quantity * line.price.usd) < 1e-6 && line.usd >= 0, line.what);
          assert.ok(Math.abs(usd - lines.reduce((sum, line) => sum + line.usd, 0)) < 1e-6);
          total += usd;
        }
        assert.ok(Math.abs(total - estimate.totalUsd) < 1e-6 && estimate.unconfirmedUsd <= estimate.totalUsd + 1e-6);
        assert.deepEqual(estimate.notPriced, []);
        assert.ok(Math.abs(totalUsd([estimate, estimate]) - 2 * total) < 1e-6);
      }),
    );
  });

  it("more users never cost less: from one to a million in small steps, and any two in any region (property)", () => {
    const costOf = (count: number, where: Parameters<typeof plan>[1], region: string): number => {
      const made = plan(count, where);
      return monthlyCost(graphOf(made), region, made.usage).totalUsd;
    };
    for (const cloudRuntime of ["ecs", "eks"] as const) {
      let before = 0;
      for (let step = 0; step <= 1400; step++) {
        const count = Math.min(1_000_000, Math.ceil(1.01 ** step));
        const after = costOf(count, { cloudRuntime }, "us-east-1");
        assert.ok(before <= after + 1e-6, `${before}, then ${after} for ${count} users`);
        before = after;
      }
    }
    fc.assert(
      fc.property(users, users, surroundings, fc.constantFrom(...PRICED_REGIONS), (one, other, where, region) => {
        const [less, more] = [Math.min(one, other), Math.max(one, other)].map((count) => costOf(count, where, region));
        assert.ok(less! <= more! + 1e-6, `${less} for fewer than ${more}`);
      }),
      { numRuns: 300 },
    );
  });

  it("RDS: class, storage, Multi-AZ twice, a replica has its source's storage, IOPS beyond what is free", () => {
    const primary = { instanceClass: "db.r6g.xlarge", allocatedStorage: 500, multiAz: true, iops: 14_000 };
    const lines = linesOf("aws:rds/instance:Instance", primary);
    assert.deepEqual(lines, {
      "db.r6g.xlarge, Multi-AZ": 657,
      storage: 115,
      "provisioned IOPS": 80,
      backups: Math.round(usage.backupGb * 9.5) / 100,
    });
    const source = { type: "aws:rds/instance:Instance", name: "two", inputs: primary };
    const replica = cost([source, { ...source, name: "replica", inputs: { instanceClass: "db.r6g.xlarge", replicateSourceDb: "two" } }]);
    assert.deepEqual(
      replica.types[0]!.lines.slice(-2).map(({ what, usd }) => [what, usd]),
      [
        ["db.r6g.xlarge", 328.5],
        ["storage", 57.5],
      ],
    );
    // A replica of another region's database.
    const far = linesOf("aws:rds/instance:Instance", {
      instanceClass: "db.r6g.xlarge",
      replicateSourceDb: "arn:aws:rds:eu-west-1:1:db:two",
    });
    assert.equal(far["storage"], Math.round(usage.databaseGb * 11.5) / 100);
    assert.deepEqual(linesOf("aws:rds/proxy:Proxy", {}, [source]), { "virtual CPUs of the database": 43.8 });
    assert.match(reasonOf("aws:rds/proxy:Proxy", {})!, /the size of the database behind it is not known/);
    assert.match(
      reasonOf("aws:rds/instance:Instance", { instanceClass: "db.x9.huge", allocatedStorage: 5 })!,
      /price of db\.x9\.huge is not/,
    );
    assert.match(reasonOf("aws:rds/instance:Instance", { instanceClass: "db.m6g.large" })!, /storage is not known/);
  });

  it("ECS: average tasks of the role times what its task definition has; without a role what is desired", () => {
    const definition = (name: string, inputs: object = {}): PricedResource => ({
      type: "aws:ecs/taskDefinition:TaskDefinition",
      name,
      inputs: { cpu: "1024", memory: "2048", ...inputs },
    });
    const service = (name: string, inputs: object = {}): PricedResource => ({
      type: "aws:ecs/service:Service",
      name,
      inputs: { ...inputs },
    });
    const sum = (...resources: PricedResource[]): number => Math.round(cost(resources).totalUsd * 100) / 100;
    const task = 730 * (0.04048 + 2 * 0.004445);
    assert.equal(sum(service("shop-web"), definition("shop-web-task")), Math.round(usage.averageTasks.web * task * 100) / 100);
    assert.equal(sum(service("own", { desiredCount: 5 }), definition("own-task")), Math.round(5 * task * 100) / 100);
    const arm = { runtimePlatform: { cpuArchitecture: "ARM64" } };
    assert.ok(sum(service("shop-web"), definition("shop-web-task", arm)) < sum(service("shop-web"), definition("shop-web-task")));
    assert.match(reasonOf("aws:ecs/service:Service", {})!, /CPU and memory of its tasks are not known/);
  });

  it("ElastiCache: nodes of all shards, Valkey at 0.8 of Redis; MSK: brokers and their storage", () => {
    const group = "aws:elasticache/replicationGroup:ReplicationGroup";
    const nodes = (inputs: object) => Object.values(linesOf(group, { nodeType: "cache.m7g.large", ...inputs }))[0];
    assert.equal(nodes({ numCacheClusters: 3, engine: "redis" }), 346.02);
    assert.equal(nodes({ numCacheClusters: 3, engine: "valkey" }), 276.82);
    assert.equal(nodes({ numNodeGroups: 2, replicasPerNodeGroup: 1 }), 461.36);
    const brokerNodeGroupInfo = { instanceType: "kafka.t3.small", storageInfo: { ebsStorageInfo: { volumeSize: 500 } } };
    assert.deepEqual(linesOf("aws:msk/cluster:Cluster", { numberOfBrokerNodes: 2, brokerNodeGroupInfo }), {
      "2 × kafka.t3.small": 66.58,
      storage: 100,
    });
  });

  it("what clients get is paid at CloudFront's tiers, without it at those of the region", () => {
    const balancer = { type: "aws:lb/loadBalancer:LoadBalancer", name: "lb", inputs: { internal: false, subnets: ["a", "b", "c"] } };
    const cdn = { type: "aws:cloudfront/distribution:Distribution", name: "cdn", inputs: {} };
    const large = { ...usage, appTransferGb: 40_000, edgeTransferGb: 11_200 };
    const data = (resources: PricedResource[], region = "us-east-1"): number =>
      monthlyCost(resources, region, large)
        .types.flatMap(({ lines }) => lines)
        .filter(({ what }) => what === "data to clients")
        .reduce((sum, { usd }) => sum + Math.round(usd * 100) / 100, 0);
    // As Infracost has them: 10,240 GB at 870.40 and 40,960 at 3,276.80; 921.60 and 3,481.60.
    assert.equal(data([balancer, cdn]), 4147.2);
    assert.equal(data([balancer]), 4403.2);
    assert.equal(data([balancer], "sa-east-1"), 7188.48);
  });

  it("health checks with their options, functions with a few runs, secrets with their copies, alarms with their metrics", () => {
    const total = (type: string, inputs: object): number => Object.values(linesOf(type, { ...inputs })).reduce((sum, usd) => sum + usd, 0);
    assert.equal(total("aws:route53/healthCheck:HealthCheck", { type: "HTTP" }), 0.75);
    assert.equal(total("aws:route53/healthCheck:HealthCheck", { type: "HTTPS_STR_MATCH", requestInterval: 10 }), 6.75);
    assert.equal(total("aws:lambda/function:Function", { memorySize: 1024 }), 0.03);
    assert.equal(total("aws:secretsmanager/secret:Secret", { replicas: [{ region: "eu-west-1" }] }), 0.8);
    assert.equal(
      total("aws:cloudwatch/metricAlarm:MetricAlarm", { metricQueries: [{ metric: {} }, { metric: {} }, { expression: "a/b" }] }),
      0.2,
    );
    assert.equal(total("aws:wafv2/webAcl:WebAcl", { rules: [{}, {}] }), Math.round((7 + usage.requests * 0.6e-6) * 100) / 100);
  });

  it("EKS: control plane, nodes of the groups or of Auto Mode with its fee", () => {
    const { usage: onEks } = plan(10_000, { cloudRuntime: "eks" });
    const cluster = { type: "aws:eks/cluster:Cluster", name: "cluster", inputs: {} };
    const groups = [1, 2].map((index) => ({
      type: "aws:eks/nodeGroup:NodeGroup",
      name: `n-${index}`,
      inputs: { instanceTypes: ["m6i.xlarge"] },
    }));
    const [plain, auto] = [[cluster, ...groups], [{ ...cluster, inputs: { computeConfig: { enabled: true } } }]].map((resources) =>
      monthlyCost(resources, "us-east-1", onEks),
    );
    const nodes = onEks.averageNodes * 730 * 0.192;
    assert.ok(Math.abs(plain!.totalUsd - (73 + nodes + onEks.averageNodes * 20 * 0.08)) < 1e-6);
    assert.ok(Math.abs(auto!.totalUsd - (73 + nodes * 1.12)) < 1e-6);
  });

  it("EKS: Container Insights by what it observes, with the add-on that sends it and no other", () => {
    const { usage: onEks } = plan(10_000, { cloudRuntime: "eks" });
    const of = (addonName: string, more: Partial<typeof onEks> = {}): number => {
      const addon = { type: "aws:eks/addon:Addon", name: "addon", inputs: { addonName } };
      return monthlyCost([addon], "us-east-1", { ...onEks, ...more }).totalUsd;
    };
    const insights = of("amazon-cloudwatch-observability");
    assert.ok(insights > 5 && insights < 100, `${insights} dollars`);
    assert.equal(of("metrics-server"), 0);
    // A node more: its own figures, and those of the five pods it has beside the app's; $ 0.21 for a million.
    const one = of("amazon-cloudwatch-observability", { averageNodes: onEks.averageNodes + 1 }) - insights;
    assert.ok(Math.abs(one - (((27 + 5 * 44) * 730 * 60) / 1e6) * 0.21) < 1e-6, `${one} dollars a node`);
  });
});
