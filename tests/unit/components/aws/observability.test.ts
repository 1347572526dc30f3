import assert from "node:assert/strict";
import { Alerts } from "../../../../components/aws/alerts";
import { Budget } from "../../../../components/aws/budget";
import { alarms, Observability, type Watched } from "../../../../components/aws/observability";
import { Recorder, settled } from "../../../support/pulumi-mocks";
import { assertWellMade, CONTEXT, statementsOf, withProvider } from "./support";

const ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm";
const WATCHED: Watched = {
  loadBalancer: { loadBalancerSuffix: "app/alb/1", targetGroupSuffix: "targetgroup/app/2" },
  clusterName: "cluster",
  services: { web: "web-service", jobs: "jobs-service" },
  database: { identifiers: ["database", "database-replica-1"], allocatedGb: 100, maxConnections: 400 },
  caches: [
    { role: "cache", nodeIds: ["cache-001"] },
    { role: "limits", nodeIds: ["limits-001"] },
  ],
  queue: { queue: "events", deadLetters: "dead" },
};

describe("operations of the cloud phase", () => {
  let recorder: Recorder;
  beforeEach(async () => {
    recorder = await Recorder.install();
  });

  it("A13 B8 watch everything that cloud.md names, and tell somebody when it begins and when it ends", async () => {
    new Observability("operations", { context: CONTEXT, watched: WATCHED, topicArn: "arn:topic" }, withProvider());
    await settled();
    const made = recorder.ofType(ALARM);
    const names = made.map(({ name }) => name.replace("operations-", ""));
    for (const wanted of [
      ...["balancer-5xx", "app-5xx", "p95", "unhealthy-hosts"],
      ...["web-cpu", "web-memory", "web-running", "jobs-cpu", "jobs-memory", "jobs-running"],
      ...["database-primary-cpu", "database-primary-storage", "database-primary-connections", "database-replica-1-lag"],
      ...["redis-cache-1-evictions", "redis-cache-1-memory", "redis-limits-1-cpu"],
      ...["queue-oldest", "queue-dead-letters"],
    ]) {
      assert.ok(names.includes(wanted), wanted);
    }
    assert.ok(!names.includes("database-primary-lag"), "a primary is behind nobody");
    for (const { inputs, name } of made) {
      assert.deepEqual([inputs["alarmActions"], inputs["okActions"]], [["arn:topic"], ["arn:topic"]], name);
      assert.ok(String(inputs["alarmDescription"]).length > 20, name);
      assert.ok((inputs["metricName"] === undefined) !== (inputs["metricQueries"] === undefined), `${name} has one source`);
    }
    assertWellMade(recorder);
  });

  it("E10 have the numbers of the features: 5 % errors, 2 s, 5 s of lag, 80 % of connections", () => {
    const limits = Object.fromEntries(alarms(WATCHED).map(({ name, above, below }) => [name, above ?? below]));
    assert.deepEqual(
      [
        "app-5xx",
        "p95",
        "database-replica-1-lag",
        "database-primary-connections",
        "database-primary-storage",
        "redis-limits-1-evictions",
      ].map((name) => limits[name]),
      [5, 2, 5, 320, 10 * 1024 ** 3, 0],
    );
    const all = alarms(WATCHED).map(({ name }) => name);
    assert.equal(new Set(all).size, all.length, "no name twice");
  });

  it("A14 A18 watch pods on EKS under the names that services on ECS have, by what the cluster's add-on measures", async () => {
    const pods = { namespace: "shop", deployments: { web: "app", jobs: "jobs" } };
    const watched = { ...WATCHED, services: {}, pods };
    assert.deepEqual([...alarms(watched)].map(({ name }) => name).sort(), [...alarms(WATCHED)].map(({ name }) => name).sort());
    new Observability("operations", { context: CONTEXT, watched, topicArn: "arn:topic" }, withProvider());
    await settled();
    const dimensions = { ClusterName: "cluster", Namespace: "shop", PodName: "app" };
    const mathOf = (name: string): unknown[] => {
      const [value, ...figures] = recorder.get(name).inputs["metricQueries"] as { expression: string; metric: Record<string, unknown> }[];
      for (const { metric } of figures) assert.deepEqual([metric["namespace"], metric["dimensions"]], ["ContainerInsights", dimensions]);
      return [value?.expression, ...figures.map(({ metric }) => metric["metricName"])];
    };
    assert.deepEqual(mathOf("operations-web-cpu"), ["100 * a / b", "pod_cpu_utilization", "pod_cpu_reserved_capacity"]);
    assert.deepEqual(mathOf("operations-web-running"), ["a - b", "replicas_ready", "replicas_desired"]);
    const { inputs } = recorder.get("operations-web-memory");
    assert.deepEqual(
      [inputs["metricName"], inputs["dimensions"], inputs["threshold"]],
      ["pod_memory_utilization_over_pod_limit", dimensions, 85],
    );
    assert.deepEqual((recorder.get("operations-jobs-memory").inputs["dimensions"] as typeof dimensions).PodName, "jobs");
    assert.match(String(recorder.get("operations-dashboard").inputs["dashboardBody"]), /replicas_ready/);
    assertWellMade(recorder);
  });

  it("compare two figures by metric math, and one by its percentile", async () => {
    new Observability("operations", { context: CONTEXT, watched: WATCHED, topicArn: "arn:topic" }, withProvider());
    await settled();
    const queries = recorder.get("operations-web-running").inputs["metricQueries"] as Record<string, unknown>[];
    assert.deepEqual(
      queries.map(({ id, expression, returnData }) => [id, expression, returnData]),
      [
        ["value", "a - b", true],
        ["a", undefined, undefined],
        ["b", undefined, undefined],
      ],
    );
    const { inputs } = recorder.get("operations-p95");
    assert.deepEqual([inputs["extendedStatistic"], inputs["statistic"]], ["p95", undefined]);
  });

  it("B9 have a dashboard with a graph for each alarm, none over another", async () => {
    new Observability("operations", { context: CONTEXT, watched: WATCHED, topicArn: "arn:topic" }, withProvider());
    await settled();
    const { dashboardBody, dashboardName } = recorder.get("operations-dashboard").inputs;
    assert.equal(dashboardName, "phased-stack-dev-operations");
    const { widgets } = JSON.parse(String(dashboardBody)) as {
      widgets: { type: string; x: number; y: number; width: number; height: number; properties: { title?: string; region?: string } }[];
    };
    const graphs = widgets.filter(({ type }) => type === "metric");
    assert.deepEqual(graphs.map(({ properties }) => properties.title).sort(), [...alarms(WATCHED)].map(({ name }) => name).sort());
    for (const one of widgets) {
      for (const other of widgets.filter((widget) => widget !== one)) {
        const apart =
          one.x + one.width <= other.x ||
          other.x + other.width <= one.x ||
          one.y + one.height <= other.y ||
          other.y + other.height <= one.y;
        assert.ok(apart, `${JSON.stringify(one.properties)} ${JSON.stringify(other.properties)}`);
      }
    }
  });

  it("send alerts encrypted, from alarms and the budget of this account only", async () => {
    new Alerts("alerts", { context: CONTEXT, kmsKeyArn: "arn:messages-key", email: "ops@example.com" }, withProvider());
    await settled();
    assert.equal(recorder.get("alerts-topic").inputs["kmsMasterKeyId"], "arn:messages-key", "CKV_AWS_26");
    assert.deepEqual(
      [recorder.get("alerts-email").inputs["protocol"], recorder.get("alerts-email").inputs["endpoint"]],
      ["email", "ops@example.com"],
    );
    const [written, tls] = statementsOf(recorder.get("alerts-policy"));
    assert.deepEqual(written?.["Condition"], { StringEquals: { "aws:SourceAccount": CONTEXT.accountId } });
    assert.equal(tls?.["Effect"], "Deny");
    assertWellMade(recorder);
  });

  it("tell of 50, 80 and 100 % of the budget, and when the month is expected to end above it", async () => {
    new Budget("budget", { context: CONTEXT, monthlyUsd: 2500, topicArn: "arn:topic" }, withProvider());
    await settled();
    const { inputs } = recorder.get("budget-monthly");
    const notices = inputs["notifications"] as Record<string, unknown>[];
    assert.deepEqual(
      notices.map(({ notificationType, threshold }) => [notificationType, threshold]),
      [
        ["ACTUAL", 50],
        ["ACTUAL", 80],
        ["ACTUAL", 100],
        ["FORECASTED", 100],
      ],
    );
    assert.deepEqual([inputs["limitAmount"], inputs["limitUnit"]], ["2500", "USD"]);
    assertWellMade(recorder);
  });
});
