import { stringify } from "yaml";
import { EXPORTER_PORTS, POSTGRES_AUTH_MODULE } from "../exporters";

/** Port inside the container. */
export const PROMETHEUS_PORT = 9090;

/** Directory of what was measured: a volume. */
export const PROMETHEUS_DATA_DIRECTORY = "/prometheus";

/** Where the files with rules are. */
export const RULES_DIRECTORY = "/etc/prometheus/rules";

/** Seconds between two looks at a target, and between two evaluations of the rules. A rate needs four looks: one minute. */
export const SCRAPE_INTERVAL_SECONDS = 15;

const defaults = {
  timeoutSeconds: 10,
} as const;

/** A server in the network. */
export interface Target {
  readonly host: string;
  readonly port: number;
}

/** What there is to be looked at. */
export interface ScrapeTargets {
  /** The app's containers by the name they share in the network, which is their service's name: how many there are meant to be, and the limit of each. */
  readonly apps: Readonly<Record<string, { readonly instances: number; readonly memoryMb: number }>>;
  /** Port of the app, whose `/metrics` is the sum of its workers. */
  readonly appPort: number;
  /** The app's image is the user's own and may have no `/metrics`: what is missed is what the load balancer does not see ready. @default false */
  readonly ownImage?: boolean | undefined;
  readonly alertmanager: Target;
  /** HAProxy in front of the app: its internal port. */
  readonly loadBalancer: Target;
  /** Phase `database`. @default none */
  readonly database?:
    | {
        /** Host names of the Postgres nodes, and the ports of Postgres and Patroni on each. */
        readonly nodes: readonly string[];
        readonly postgresPort: number;
        readonly patroniPort: number;
        readonly etcd: readonly Target[];
        readonly postgresProxy: Target;
        readonly postgresOperator: Target;
        readonly redis: readonly Target[];
        readonly kafka: boolean;
      }
    | undefined;
}

/** Files with rules that go with the targets; `expected.yml` is rendered, the others are beside this file. */
export function ruleFiles({ database }: ScrapeTargets): string[] {
  return ["app.yml", "host.yml", ...(database === undefined ? [] : ["data.yml"]), ...(database?.kafka === true ? ["kafka.yml"] : [])];
}

/**
 * `prometheus.yml` (Prometheus 2.53). Every target keeps the name it has in the stack as `instance`; containers of the app, of which there are
 * several under one name, are found through Docker's DNS and have their address there and the name in `service`.
 *
 * @throws RangeError when there is no container of the app to look at.
 */
export function renderPrometheusConfig(targets: ScrapeTargets): string {
  const { apps, appPort, alertmanager, loadBalancer, database } = targets;
  if (Object.keys(apps).length === 0) throw new RangeError("apps: {} is not allowed; name at least one service of the app.");
  return stringify(
    {
      global: {
        scrape_interval: `${SCRAPE_INTERVAL_SECONDS}s`,
        scrape_timeout: `${defaults.timeoutSeconds}s`,
        evaluation_interval: `${SCRAPE_INTERVAL_SECONDS}s`,
      },
      rule_files: [`${RULES_DIRECTORY}/*.yml`],
      alerting: { alertmanagers: [{ static_configs: [{ targets: [address(alertmanager)] }] }] },
      scrape_configs: [
        fixed("prometheus", [{ host: "127.0.0.1", port: PROMETHEUS_PORT }], { service: "prometheus" }),
        fixed("alertmanager", [alertmanager]),
        fixed("node", [{ host: "node-exporter", port: EXPORTER_PORTS["node-exporter"] }]),
        fixed("load-balancer", [loadBalancer]),
        {
          job_name: "app",
          dns_sd_configs: [{ names: Object.keys(apps), type: "A", port: appPort, refresh_interval: "5s" }],
          relabel_configs: [{ source_labels: ["__meta_dns_name"], regex: "([^.]+)\\.?", target_label: "service" }],
        },
        ...(database === undefined ? [] : databaseJobs(database)),
      ],
    },
    { lineWidth: 0 },
  );
}

function databaseJobs(database: NonNullable<ScrapeTargets["database"]>): object[] {
  const { nodes, postgresPort, patroniPort, etcd, postgresProxy, postgresOperator, redis } = database;
  const patroni = nodes.map((host) => ({ host, port: patroniPort }));
  const servers = nodes.map((host) => ({ host, port: postgresPort }));
  const exporter = (name: keyof typeof EXPORTER_PORTS): Target => ({ host: name, port: EXPORTER_PORTS[name] });
  return [
    fixed("etcd", etcd),
    fixed("patroni", patroni, { service: "postgres" }),
    through("postgres", servers, exporter("postgres-exporter"), "/probe", { auth_module: [POSTGRES_AUTH_MODULE] }),
    fixed("postgres-proxy", [postgresProxy]),
    fixed("postgres-operator", [postgresOperator]),
    fixed("pgbouncer", [exporter("pgbouncer-exporter")]),
    through("redis", redis, exporter("redis-exporter"), "/scrape"),
  ];
}

/** Takes the port off an address: what is left is the name in the stack. */
const NAME = "([^:]+):.*";

/** Targets that say by themselves how they are. */
function fixed(job: string, targets: readonly Target[], labels: Readonly<Record<string, string>> = { service: job }): object {
  return {
    job_name: job,
    static_configs: [{ targets: targets.map(address), labels }],
    relabel_configs: [{ source_labels: ["__address__"], regex: NAME, target_label: "instance" }],
  };
}

/** Targets that one exporter is asked about. */
function through(
  job: string,
  targets: readonly Target[],
  exporter: Target,
  path: string,
  params?: Readonly<Record<string, readonly string[]>>,
): object {
  return {
    job_name: job,
    metrics_path: path,
    ...(params !== undefined && { params }),
    static_configs: [{ targets: targets.map(address), labels: { service: job } }],
    relabel_configs: [
      { source_labels: ["__address__"], target_label: "__param_target" },
      { source_labels: ["__address__"], regex: NAME, target_label: "instance" },
      { target_label: "__address__", replacement: address(exporter) },
    ],
  };
}

function address({ host, port }: Target): string {
  return `${host}:${port}`;
}

/**
 * `expected.yml`: how many containers of the app there should be, and how much memory each may use. One that is gone has no name in Docker's
 * DNS any more and so is no target that is down; only who knows the number can miss it. The limit is the container's, which the app inside
 * does not export. An image of the user's own need not answer Prometheus, so of those only the ones behind the load balancer are missed.
 */
export function renderExpectedRules({ apps, ownImage = false }: Pick<ScrapeTargets, "apps" | "ownImage">): string {
  const rules = Object.entries(apps).flatMap(([service, { instances, memoryMb }]) => [
    ...(ownImage && service !== "app"
      ? []
      : [
          {
            record: ownImage ? "stack:app_ready:expected" : "stack:app_instances:expected",
            expr: `vector(${instances})`,
            labels: { service },
          },
        ]),
    { record: "stack:app_memory_limit:bytes", expr: `vector(${memoryMb * 1024 * 1024})`, labels: { service } },
  ]);
  return stringify({ groups: [{ name: "expected", rules }] });
}
