import assert from "node:assert/strict";
import { Graph, type Resource } from "../../../policy/graph";
import { cloudGraph, cloudRun, TWO_REGIONS } from "../../support/cloud-program";
import { decide, type Request } from "../../support/iam-simulation";
import type { Recorder } from "../../support/pulumi-mocks";

interface Origin {
  readonly originId: string;
  readonly domainName: string;
  readonly customHeaders?: unknown;
}
interface Behavior {
  readonly pathPattern?: string;
  readonly targetOriginId: string;
  readonly allowedMethods: readonly string[];
  readonly cachePolicyId: string;
}
interface Distribution {
  readonly origins: readonly Origin[];
  readonly originGroups: readonly { readonly originId: string; readonly members: readonly { readonly originId: string }[] }[];
  readonly defaultCacheBehavior: Behavior;
  readonly orderedCacheBehaviors: readonly Behavior[];
}
const distributionOf = (recorder: Recorder): Distribution => recorder.get("cdn-distribution").inputs as unknown as Distribution;

describe("A16 two regions: requests and files", function () {
  this.timeout(60_000);
  let recorder: Recorder;
  let graph: Resource[];
  before(async () => {
    ({ recorder } = await cloudRun("prod", TWO_REGIONS));
    graph = await cloudGraph("prod", TWO_REGIONS);
  });
  const get = (name: string): Recorder["resources"][number] => recorder.get(name);

  it("B6 CloudFront asks the second within a request that reads; what writes goes by a name that fails over, and what is kept is the same", async () => {
    const distribution = distributionOf(recorder);
    const { defaultCacheBehavior: standard, orderedCacheBehaviors: ordered } = distribution;
    const groups = Object.fromEntries(
      distribution.originGroups.map(({ originId, members }) => [originId, members.map((member) => member.originId)]),
    );
    assert.deepEqual(groups, { "assets-or-app": ["assets", "standby-app"], "uploads-or-standby": ["uploads", "standby-uploads"] });
    assert.equal(standard.targetOriginId, "app");
    for (const { pathPattern, targetOriginId, allowedMethods } of [standard, ...ordered]) {
      // aws/aws-cdk#32450: AWS refuses a group to what may write.
      if (targetOriginId in groups) assert.deepEqual(allowedMethods, ["GET", "HEAD", "OPTIONS"], pathPattern);
    }
    const before = distributionOf((await cloudRun("prod")).recorder);
    const kept = ({ defaultCacheBehavior, orderedCacheBehaviors }: Distribution): unknown[] =>
      [defaultCacheBehavior, ...orderedCacheBehaviors].map((behavior) => ({ ...behavior, targetOriginId: "" }));
    assert.deepEqual(kept(distribution), kept(before));
    const named = Object.fromEntries(distribution.origins.map((origin) => [origin.originId, origin]));
    assert.equal(named["app"]?.domainName, "origins.shop.example.com");
    assert.match(named["standby-app"]?.domainName ?? "", /^second-load-balancer-alb\.us-west-2\./);
    assert.deepEqual(named["standby-app"]?.customHeaders, named["app"].customHeaders, "one header opens both");
    assert.equal(
      recorder.ofType("random:index/randomPassword:RandomPassword").filter(({ name }) => name.endsWith("load-balancer-origin")).length,
      1,
    );
  });

  it("have certificates for the same names, proven by the same records", () => {
    for (const name of ["certificate-acm", "second-certificate-acm"]) {
      assert.deepEqual(
        [get(name).inputs["domainName"], get(name).inputs["subjectAlternativeNames"]],
        ["shop.example.com", ["origins.shop.example.com"]],
      );
    }
    assert.equal(recorder.ofType("aws:route53/record:Record").filter(({ name }) => name.includes("-proof-")).length, 2);
    assert.match(String(get("second-load-balancer-https").inputs["certificateArn"]), /us-west-2.*second-certificate/);
  });

  it("fail over by a record that asks the load balancers, and a switch that needs nothing of the first", () => {
    const [primary, secondary] = [get("origins-domain-primary").inputs, get("origins-domain-secondary").inputs];
    assert.deepEqual(
      [primary, secondary].map(({ name, type, failoverRoutingPolicies }) => [name, type, failoverRoutingPolicies]),
      [
        ["origins.shop.example.com", "A", [{ type: "PRIMARY" }]],
        ["origins.shop.example.com", "A", [{ type: "SECONDARY" }]],
      ],
    );
    for (const { aliases } of [primary, secondary]) assert.match(JSON.stringify(aliases), /"evaluateTargetHealth":true/);
    assert.deepEqual([primary["healthCheckId"], secondary["healthCheckId"]], ["second-takeover-check-id", undefined]);
    const check = get("second-takeover-check").inputs;
    assert.deepEqual(
      [check["type"], check["cloudwatchAlarmRegion"], check["insufficientDataHealthStatus"], check["cloudwatchAlarmName"]],
      ["CLOUDWATCH_METRIC", "us-west-2", "LastKnownStatus", get("second-takeover-alarm").inputs["name"]],
    );
    const alarm = get("second-takeover-alarm").inputs;
    assert.deepEqual([alarm["namespace"], alarm["metricName"], alarm["threshold"]], ["phased-stack/prod", "TakenOver", 0]);
  });

  it("A21 copy files both ways, deletions too, within 15 minutes, each as a role that can do nothing else", () => {
    const arn = (name: string): string => String(graph.find((resource) => resource.name === name)?.outputs["arn"]);
    for (const [from, to, region, other] of [
      ["", "second-", "eu-central-1", "us-west-2"],
      ["second-", "", "us-west-2", "eu-central-1"],
    ] as const) {
      const [rule] = get(`${from}copies-config`).inputs["rules"] as Record<string, Record<string, unknown>>[];
      assert.deepEqual(rule?.["filter"], { prefix: "uploads/" }, "what is no document yet stays where it was sent");
      assert.deepEqual(
        [rule?.["status"], rule?.["deleteMarkerReplication"], rule?.["destination"]?.["replicationTime"]],
        ["Enabled", { status: "Enabled" }, { status: "Enabled", time: { minutes: 15 } }],
      );
      assert.deepEqual(rule?.["destination"]?.["encryptionConfiguration"], { replicaKmsKeyId: arn(`${to}keys-storage`) });
      const role = graph.find(({ name }) => name === `${from}copies-role`);
      assert.ok(role);
      const may = (request: Request): boolean => decide(role, new Graph(graph), request) === "allowed";
      const file = (prefix: string): string => `${arn(`${prefix}storage-uploads-bucket`)}/uploads/1/a.pdf`;
      assert.ok(may({ action: "s3:GetObjectVersionForReplication", resource: file(from) }));
      assert.ok(may({ action: "s3:ReplicateObject", resource: file(to) }));
      const via = (service: string): NonNullable<Request["context"]> => ({ "kms:ViaService": `s3.${service}.amazonaws.com` });
      assert.ok(may({ action: "kms:Decrypt", resource: arn(`${from}keys-storage`), context: via(region) }));
      assert.ok(may({ action: "kms:Encrypt", resource: arn(`${to}keys-storage`), context: via(other) }));
      for (const request of [
        { action: "s3:ReplicateObject", resource: file(from) },
        { action: "s3:GetObject", resource: file(from) },
        { action: "s3:DeleteObject", resource: file(to) },
        { action: "s3:ReplicateObject", resource: `${arn("storage-assets-bucket")}/a` },
        { action: "kms:Decrypt", resource: arn(`${to}keys-storage`), context: via(other) },
        { action: "kms:Decrypt", resource: arn(`${from}keys-storage`) },
      ]) {
        assert.ok(!may(request), `${request.action} ${request.resource}`);
      }
    }
  });

  it("E10 are both watched, each by alarms of its own that tell somebody there: lag of the copy, and files that come late", () => {
    const alarm = (name: string): Record<string, unknown> => get(name).inputs;
    const lag = alarm("second-operations-database-standby-lag");
    assert.deepEqual([lag["metricName"], lag["threshold"]], ["ReplicaLag", 5]);
    assert.match(JSON.stringify(lag["alarmActions"]), /us-west-2.*second-alerts/);
    assert.deepEqual(lag["dimensions"], { DBInstanceIdentifier: "phased-stack-prod-second-database" });
    for (const [name, source] of [
      ["operations-copies-uploads", "second-storage-uploads-bucket"],
      ["second-operations-copies-uploads", "storage-uploads-bucket"],
    ] as const) {
      const { metricName, threshold, dimensions } = alarm(name);
      assert.deepEqual([metricName, threshold], ["ReplicationLatency", 900]);
      assert.ok((dimensions as Record<string, string>)["SourceBucket"]?.startsWith(source), name);
    }
    assert.match(String(alarm("second-operations-p95")["name"]), /^phased-stack-prod-second-operations-p95$/);
  });
});
