import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { HEARTBEAT_RECEIVER, WATCHDOG_ALERT } from "../../../components/local/alertmanager";
import {
  prometheusContext,
  renderExpectedRules,
  renderPrometheusConfig,
  ruleFiles,
  type ScrapeTargets,
} from "../../../components/local/prometheus";
import { alertsOutcome } from "../../../toolchain/verify/checks/monitoring";

const ROOT = path.resolve(__dirname, "../../..");
const RULES = path.join(ROOT, "components/local/prometheus/rules");
const PROMTOOL = path.join(ROOT, "tests/services/prometheus");

const cluster: ScrapeTargets = {
  apps: { app: { instances: 2, memoryMb: 512 } },
  appPort: 3001,
  alertmanager: { host: "alertmanager", port: 9093 },
  loadBalancer: { host: "load-balancer", port: 8404 },
};
const database: ScrapeTargets = {
  ...cluster,
  apps: { app: { instances: 3, memoryMb: 320 }, jobs: { instances: 1, memoryMb: 480 } },
  database: {
    nodes: ["pg-1", "pg-2"],
    postgresPort: 5432,
    patroniPort: 8008,
    etcd: [{ host: "etcd-1", port: 2379 }],
    postgresProxy: { host: "postgres-proxy", port: 8404 },
    postgresOperator: { host: "postgres-operator", port: 9105 },
    redis: [{ host: "redis-cache", port: 6379 }],
    kafka: true,
  },
};

interface Job {
  readonly job_name: string;
  readonly metrics_path?: string;
  readonly params?: Readonly<Record<string, readonly string[]>>;
  readonly dns_sd_configs?: readonly { readonly names: readonly string[]; readonly type: string; readonly port: number }[];
  readonly static_configs?: readonly { readonly targets: readonly string[]; readonly labels: Readonly<Record<string, string>> }[];
  readonly relabel_configs: readonly Readonly<Record<string, unknown>>[];
}
const jobs = (targets: ScrapeTargets): Job[] => (parse(renderPrometheusConfig(targets)) as { scrape_configs: Job[] }).scrape_configs;

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}
const rulesOf = (text: string): Rule[] => (parse(text) as { groups: { rules: Rule[] }[] }).groups.flatMap(({ rules }) => rules);
const alerts = readdirSync(RULES).flatMap((file) =>
  rulesOf(readFileSync(path.join(RULES, file), "utf8")).map((rule) => ({ ...rule, file })),
);

describe("A13 configuration of Prometheus", () => {
  it("looks at everything a phase has, and at nothing that it has not", () => {
    const named = (targets: ScrapeTargets): string[] => jobs(targets).map(({ job_name: name }) => name);
    assert.deepEqual(named(cluster), ["prometheus", "alertmanager", "node", "load-balancer", "app"]);
    const data = ["etcd", "patroni", "postgres", "postgres-proxy", "postgres-operator", "pgbouncer", "redis"];
    assert.deepEqual(named(database), [...named(cluster), ...data]);
  });

  it("finds the app's containers by their common names, however many there are", () => {
    const [discovery] = jobs(database).find(({ job_name: name }) => name === "app")?.dns_sd_configs ?? [];
    assert.deepEqual([discovery?.names, discovery?.type, discovery?.port], [["app", "jobs"], "A", 3001]);
  });

  it("asks one exporter about each server, which keeps its own name", () => {
    const byName = Object.fromEntries(jobs(database).map((job) => [job.job_name, job]));
    const { postgres, redis } = byName;
    assert.deepEqual(postgres?.static_configs, [{ targets: ["pg-1:5432", "pg-2:5432"], labels: { service: "postgres" } }]);
    assert.deepEqual([postgres?.metrics_path, postgres?.params], ["/probe", { auth_module: ["monitor"] }]);
    for (const [job, exporter] of [
      [postgres, "postgres-exporter:9187"],
      [redis, "redis-exporter:9121"],
    ] as const) {
      assert.deepEqual(
        job?.relabel_configs.map(({ target_label: label }) => label),
        ["__param_target", "instance", "__address__"],
      );
      assert.equal(job?.relabel_configs.at(-1)?.["replacement"], exporter);
    }
  });

  it("knows how many containers of the app there should be, and their limit", () => {
    const rules = rulesOf(renderExpectedRules(database)).map((rule) => {
      const { record, expr, labels } = rule as unknown as Record<"record" | "expr", string> & { labels: { service: string } };
      return `${record}{${labels.service}} ${expr}`;
    });
    assert.deepEqual(rules, [
      "stack:app_instances:expected{app} vector(3)",
      `stack:app_memory_limit:bytes{app} vector(${320 * 1024 * 1024})`,
      "stack:app_instances:expected{jobs} vector(1)",
      `stack:app_memory_limit:bytes{jobs} vector(${480 * 1024 * 1024})`,
    ]);
    assert.throws(() => renderPrometheusConfig({ ...cluster, apps: {} }), /apps: \{\} is not allowed; name at least one/);
  });

  it("misses of an image of the user's own only what the load balancer does: it need not have metrics", () => {
    const rules = rulesOf(renderExpectedRules({ ...database, ownImage: true })) as unknown as { record: string; labels: object }[];
    assert.deepEqual(
      rules.map(({ record, labels }) => [record, labels]),
      [
        ["stack:app_ready:expected", { service: "app" }],
        ["stack:app_memory_limit:bytes", { service: "app" }],
        ["stack:app_memory_limit:bytes", { service: "jobs" }],
      ],
    );
    // Whatever else has to answer Prometheus is no container of the app.
    const counting = alerts.filter(({ expr }) => /\bup\{[^}]*job="app"/.test(expr));
    assert.ok(counting.length > 0 && counting.every(({ expr }) => expr.includes("< stack:app_instances:expected")));
  });

  it("has the rules of what there is: none that miss a primary where there is no Postgres", () => {
    assert.deepEqual(ruleFiles(cluster), ["app.yml", "host.yml"]);
    assert.deepEqual(ruleFiles(database), ["app.yml", "host.yml", "data.yml", "kafka.yml"]);
    const files = prometheusContext(cluster).map(({ path: name }) => name);
    assert.deepEqual(files, ["Dockerfile", "paced-check.sh", "prometheus.yml", "rules/expected.yml", "rules/app.yml", "rules/host.yml"]);
  });
});

describe("B8 alert rules", () => {
  it("cover memory, CPU, what is down, errors and slow answers, with the limits that were asked for", () => {
    const limits: Readonly<Record<string, string>> = {
      HostMemoryHigh: "> 0.85",
      AppMemoryHigh: "> 0.85",
      HostCpuHigh: "> 0.8",
      ServiceDown: "== 0",
      HighErrorRate: "> 0.05",
      SlowResponses: "> 5",
    };
    for (const [alert, limit] of Object.entries(limits))
      assert.ok(
        alerts.some((rule) => rule.alert === alert && rule.expr.includes(limit)),
        alert,
      );
  });

  it("each says how grave it is, what it is, and names a page that exists", () => {
    assert.ok(alerts.length > 30, `${alerts.length} alerts`);
    for (const { alert, labels, annotations, file } of alerts) {
      const severities = alert === WATCHDOG_ALERT ? ["none"] : ["critical", "warning"];
      assert.ok(severities.includes(labels["severity"] ?? ""), `${alert} in ${file}`);
      for (const part of ["summary", "description", "runbook"]) assert.ok(annotations[part], `${alert} in ${file} has no ${part}`);
      assert.ok(existsSync(path.join(ROOT, annotations["runbook"] ?? "")), `${alert} in ${file}: ${annotations["runbook"]}`);
    }
  });

  it("one always fires, in every phase, and is the one that Alertmanager calls the heartbeat of", () => {
    const always = alerts.filter(({ alert }) => alert === WATCHDOG_ALERT);
    assert.deepEqual(
      always.map(({ expr, file }) => [expr, ruleFiles(cluster).includes(file), ruleFiles(database).includes(file)]),
      [["vector(1)", true, true]],
    );
    const rules = always.map(({ alert: name, labels, annotations }) => ({
      ...{ name, health: "ok", lastError: "", labels },
      alerts: [{ state: "firing", annotations }],
    }));
    assert.equal(alertsOutcome(rules).verdict, "pass", "verify takes it for something that is wrong");
  });

  it("a heartbeat that is not taken is told from alerts that are lost, by the name of its receiver", () => {
    const delivery = alerts.filter(({ alert }) => alert.endsWith("NotDelivered")).map(({ alert, expr }) => [alert, expr] as const);
    assert.deepEqual(delivery.map(([alert]) => alert).sort(), ["AlertsNotDelivered", "HeartbeatNotDelivered"]);
    for (const [alert, expr] of delivery) {
      const sign = alert === "HeartbeatNotDelivered" ? "=" : "!=";
      assert.ok(expr.includes(`notifications_failed_total{receiver_name${sign}"${HEARTBEAT_RECEIVER}"}`), expr);
    }
  });

  it("each has a case in which it fires: promtool runs them in the suite services", () => {
    for (const file of readdirSync(RULES)) {
      const text = readFileSync(path.join(PROMTOOL, file.replace(".yml", ".test.yml")), "utf8");
      const { tests } = parse(text) as {
        tests: { alert_rule_test: { alertname: string; exp_alerts: { exp_annotations: { runbook: string } }[] }[] }[];
      };
      const fired = tests.flatMap((test) =>
        test.alert_rule_test.flatMap((one) => one.exp_alerts.map((alert) => `${one.alertname} ${alert.exp_annotations.runbook}`)),
      );
      const missing = alerts.filter((rule) => rule.file === file && !fired.includes(`${rule.alert} ${rule.annotations["runbook"]}`));
      assert.deepEqual(
        missing.map(({ alert }) => alert),
        [],
        file,
      );
    }
  });
});
