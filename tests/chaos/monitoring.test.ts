import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Stack } from "@pulumi/pulumi/automation";
import { HEARTBEAT_SECONDS, WATCHDOG_ALERT } from "../../components/local/alertmanager";
import { panelQueries } from "../../components/local/grafana";
import { containmentViolations } from "../../toolchain/verify/checks/containment";
import { DatabaseStack } from "../support/database-stack";
import { containersOf, docker, leftovers } from "../support/docker";
import { hostAddress } from "../support/host-address";
import { copyProject, freePort, type ProjectCopy } from "../support/project";
import { PrometheusClient } from "../support/prometheus";
import { eventually } from "../support/services/container";
import { StackClient } from "../support/stack-client";

/** How many targets each job has on the stack below. */
const TARGETS: Readonly<Record<string, number>> = {
  prometheus: 1,
  alertmanager: 1,
  node: 1,
  "load-balancer": 1,
  app: 4,
  etcd: 1,
  patroni: 2,
  postgres: 2,
  "postgres-proxy": 1,
  "postgres-operator": 1,
  pgbouncer: 1,
  redis: 2,
};

/** Everything has to be looked at once or twice, 15 s apart, on a machine that is busy with starting it. */
const SEEN_MS = 120_000;

/** A rule's minute, two looks and an evaluation before it, Alertmanager's waits after it. */
const TOLD_MS = 300_000;

/** Calls of the heartbeat that are waited for: three intervals show a period, and that it is not twice as long. */
const CALLS = 4;

/** An alert as Alertmanager tells it to a webhook. */
interface Alert {
  readonly status: "firing" | "resolved";
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

describe("A13 B8 phase database with monitoring", function () {
  this.timeout(900_000);
  const told: Alert[] = [];
  const calls: { readonly at: number; readonly alerts: readonly Alert[] }[] = [];
  let receiver: Server;
  let project: ProjectCopy;
  let stack: Stack;
  let behind: DatabaseStack;
  let prometheus: PrometheusClient;
  let client: StackClient;

  before(async () => {
    receiver = createServer((request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
      request.on("end", () => {
        const alerts = (): Alert[] => (JSON.parse(body) as { alerts: Alert[] }).alerts;
        if (request.url === "/hooks/canary-token") told.push(...alerts());
        if (request.url === "/heartbeats/canary-token") calls.push({ at: performance.now(), alerts: alerts() });
        response.end();
      });
    });
    await once(receiver.listen(0, "0.0.0.0"), "listening");
    const outside = `http://${hostAddress()}:${(receiver.address() as AddressInfo).port}`;
    project = copyProject();
    const ports = { port: String(await freePort()), prometheusPort: String(await freePort()), alertmanagerPort: String(await freePort()) };
    stack = await project.createStack({
      phase: "database",
      monitoring: "true",
      kafka: "true",
      postgresNodes: "2",
      appInstances: "2",
      workers: "2",
      ...ports,
    });
    await stack.setConfig("phased-stack:alertWebhookUrl", { value: `${outside}/hooks/canary-token`, secret: true });
    await stack.setConfig("phased-stack:alertHeartbeatUrl", { value: `${outside}/heartbeats/canary-token`, secret: true });
    behind = new DatabaseStack(stack.name);
    const { outputs } = await stack.up();
    const url = `http://127.0.0.1:${ports.prometheusPort}`;
    assert.equal(outputs["prometheusUrl"]?.value, url);
    prometheus = new PrometheusClient(url);
    client = new StackClient(String(outputs["appUrl"]?.value));
    await client.signUp();
    await client.order();
    const job = { taxYear: 2025, filingStatus: "single", grossIncomeCents: 8_000_000 };
    const { status, text } = await client.ask("POST", "/api/jobs/tax-computations", { json: job });
    assert.equal(status, 202, text);
  });

  after(async () => {
    client?.close();
    await stack?.destroy();
    await stack?.workspace.removeStack(stack.name);
    if (stack !== undefined) assert.deepEqual(await leftovers(stack.name), []);
    project?.remove();
    receiver?.closeAllConnections();
    receiver?.close();
  });

  it("A13 every server of the stack is looked at, and answers", async () => {
    await eventually(
      "all targets are up",
      async () => {
        const targets = await prometheus.targets();
        const counts = Object.fromEntries(
          Object.keys(TARGETS).map((job) => [job, targets.filter(({ labels }) => labels.job === job).length]),
        );
        assert.deepEqual(counts, TARGETS);
        const down = targets.filter(({ health }) => health !== "up");
        assert.deepEqual(
          down.map(({ labels, lastError }) => `${labels.job} ${labels.instance}: ${lastError}`),
          [],
        );
        return true;
      },
      SEEN_MS,
      1000,
    );
    const servers = async (metric: string): Promise<string[]> =>
      (await prometheus.query(`${metric} == 1`)).map((one) => one.metric["instance"] ?? "").sort();
    await eventually("exporters reach their servers", async () => (await servers("pg_up")).length === 2, SEEN_MS, 1000);
    assert.deepEqual(await servers("pg_up"), ["pg-1", "pg-2"]);
    assert.deepEqual(await servers('redis_up{job="redis"}'), ["redis-cache", "redis-limits"]);
    assert.deepEqual(await servers("pgbouncer_up"), ["pgbouncer-exporter"]);
  });

  it("B8 every rule is evaluated on figures that exist: a metric that got another name would never raise an alert", async () => {
    const rules = await prometheus.alertRules();
    assert.ok(rules.length > 25, `${rules.length} rules`);
    // Recorded where the image is the user's own, instead of what the app tells itself.
    const names = new Set(rules.flatMap(({ query }) => metricsIn(query)).filter((name) => name !== "stack:app_ready:expected"));
    assert.ok(names.size > 25, [...names].join(" "));
    await eventually(
      "every metric of a rule has a series",
      async () => {
        const absent: string[] = [];
        for (const name of names) if ((await prometheus.query(`count({__name__="${name}"})`)).length === 0) absent.push(name);
        assert.deepEqual(absent, []);
        const unwell = (await prometheus.alertRules()).filter(({ health }) => health !== "ok");
        assert.deepEqual(
          unwell.map(({ name }) => name),
          [],
        );
        return true;
      },
      SEEN_MS,
      1000,
    );
  });

  it("B9 every query of every panel returns figures", async () => {
    const queries = panelQueries({ database: true, kafka: true });
    assert.ok(queries.length > 80, `${queries.length} queries`);
    await eventually(
      "every panel has figures",
      async () => {
        // Rates and durations are of requests between two looks: what was asked before the first one shows in neither.
        await client.order();
        const { status, text } = await client.ask("GET", "/api/orders");
        assert.equal(status, 200, text);
        const empty: string[] = [];
        for (const { dashboard, panel, expression } of queries) {
          // Grafana takes four looks of Prometheus for the shortest window.
          const samples = await prometheus.query(expression.replaceAll("$__rate_interval", "1m"));
          if (!samples.some(({ value }) => Number.isFinite(value))) empty.push(`${dashboard}, ${panel}: ${expression}`);
        }
        assert.deepEqual(empty, []);
        return true;
      },
      SEEN_MS,
      5000,
    );
  });

  it("B8 F6 a server and an instance of the app that die are told to the webhook with a runbook, and so is that they are back", async () => {
    const redis = await behind.container("redis-cache");
    const app = await behind.container("app");
    await Promise.all([redis.kill(), app.kill()]);
    const last = (service: string): Alert | undefined =>
      told.filter(({ labels }) => labels["alertname"] === "ServiceDown" && labels["service"] === service).at(-1);
    await eventually("both are told", () => last("redis")?.status === "firing" && last("app")?.status === "firing", TOLD_MS, 1000);
    assert.equal(last("redis")?.labels["instance"], "redis-cache");
    assert.deepEqual(
      [last("redis"), last("app")].map((alert) => [alert?.labels["severity"], alert?.annotations["runbook"]]),
      [
        ["critical", "docs/runbooks/redis-down.md"],
        ["critical", "docs/runbooks/app-instance-down.md"],
      ],
    );
    await Promise.all([redis.start(), app.start()]);
    await eventually(
      "both are told to be over",
      () => last("redis")?.status === "resolved" && last("app")?.status === "resolved",
      TOLD_MS,
      1000,
    );
  });

  it("B8 the outside service is called each minute, of the alert that always fires alone, and people are never told of it", async () => {
    await eventually(`${CALLS} calls`, () => calls.length >= CALLS, (CALLS + 1) * HEARTBEAT_SECONDS * 1000, 1000);
    const names = (alerts: readonly Alert[]): (string | undefined)[] => alerts.map(({ labels }) => labels["alertname"]);
    for (const { alerts } of calls) {
      assert.deepEqual(names(alerts), [WATCHDOG_ALERT]);
      assert.equal(alerts[0]?.status, "firing");
    }
    assert.ok(!names(told).includes(WATCHDOG_ALERT), names(told).join(" "));
    const seconds = calls.slice(1).map(({ at }, index) => Math.round((at - (calls[index]?.at ?? 0)) / 1000));
    assert.ok(
      seconds.every((gap) => Math.abs(gap - HEARTBEAT_SECONDS) < HEARTBEAT_SECONDS / 3),
      `seconds between calls: ${seconds.join(" ")}`,
    );
    const failing = (await prometheus.alertRules()).filter(({ name, state }) => name === "HeartbeatNotDelivered" && state !== "inactive");
    assert.deepEqual(failing, []);
    const handed = await prometheus.query('sum(alertmanager_notifications_total{receiver_name="heartbeat"})');
    assert.ok((handed[0]?.value ?? 0) >= CALLS - 1, JSON.stringify(handed));
  });

  it("B13 what watches has least privilege and stays within its memory, and shows no secret", async () => {
    const services = ["prometheus", "alertmanager", "node-exporter", "postgres-exporter", "pgbouncer-exporter", "redis-exporter"];
    const infos = (await containersOf(stack.name)).filter(({ Labels }) => services.includes(Labels["phased-stack.service"] ?? ""));
    assert.equal(infos.length, services.length);
    for (const { Id, Labels } of infos) {
      const container = docker.getContainer(Id);
      const inspected = await container.inspect();
      const service = Labels["phased-stack.service"] ?? "";
      assert.deepEqual(containmentViolations(inspected), [], service);
      assert.equal(inspected.RestartCount, 0, `${service} ended by itself`);
      assert.ok(!JSON.stringify(inspected).includes("canary-token"), service);
      const { memory_stats: memory } = await container.stats({ stream: false });
      const used = memory.usage - (memory.stats?.["total_inactive_file"] ?? memory.stats?.["inactive_file"] ?? 0);
      console.log(`      ${service}: ${Math.round(used / 1024 / 1024)} of ${Math.round(memory.limit / 1024 / 1024)} MiB`);
      assert.ok(used < 0.8 * memory.limit, `${service} uses ${used} of ${memory.limit} bytes`);
    }
  });

  it("A11 a second up changes nothing", async () => {
    const { summary } = await stack.up();
    assert.deepEqual(Object.keys(summary.resourceChanges ?? {}), ["same"], JSON.stringify(summary.resourceChanges));
  });
});

/** Names of metrics in an expression: what is followed by a selector, or stands alone, and is no function, label or word of the language. */
function metricsIn(query: string): string[] {
  const bare = query
    .replace(/"[^"]*"/g, "")
    .replace(/\b(?:by|on|group_left|without)\s*\([^)]*\)/g, "")
    .replace(/\{[^}]*\}/g, "");
  const words = bare.match(/[a-z_][\w:]*(?![\w:]|\s*\()/g) ?? [];
  return words.filter((word) => word.includes("_") || word === "up" || word === "jobs");
}
