import * as pulumi from "@pulumi/pulumi";
import { APP_PORT } from "../../components/contract";
import { Alertmanager } from "../../components/local/alertmanager";
import { type Etcd, ETCD_PORT } from "../../components/local/etcd";
import { Exporters } from "../../components/local/exporters";
import { Grafana, GRAFANA_BASE_IMAGE } from "../../components/local/grafana";
import { LOAD_BALANCER_ALIAS } from "../../components/local/load-balancer";
import { INTERNAL_PORT } from "../../components/local/load-balancer/haproxy-config";
import { PATRONI_PORT, POSTGRES_PORT } from "../../components/local/postgres";
import type { PostgresOperator } from "../../components/local/postgres-operator";
import { PROXY_STATUS_PORT } from "../../components/local/postgres-proxy";
import { Prometheus, SCRAPE_INTERVAL_SECONDS, type ScrapeTargets } from "../../components/local/prometheus";
import type { StackConfig } from "../config";
import { asSecrets, secretValues } from "../config/secrets";
import type { PhaseOutputs } from "../outputs";
import type { Backends } from "./database-services";
import type { GrafanaImage } from "./grafana-image";
import { contextDirectory } from "./parts";
import type { DockerHost } from "./preflight";
import type { Plan } from "./sizing/types";

/** What is watched in phase `database`, beside the app. */
export interface WatchedData extends Backends {
  readonly etcd: Etcd;
  readonly operator: PostgresOperator;
  /** Of `monitor` in Postgres and PgBouncer. */
  readonly monitorPassword: pulumi.Output<string>;
}

export interface MonitoringArgs {
  readonly config: StackConfig;
  readonly host: DockerHost;
  readonly networkName: pulumi.Input<string>;
  /** Containers of the app by the name they share, how many there are, and what each may use. */
  readonly apps: ScrapeTargets["apps"];
  /** @default nothing but the app, its load balancer and the host */
  readonly data?: WatchedData;
  /** What has to be there before Prometheus looks: what is only being started would be an alert. */
  readonly after: readonly pulumi.Resource[];
  /** Whether the Docker host can have Grafana. */
  readonly grafana: GrafanaImage;
  /** Limits of phase `database`; without a plan each component's own. */
  readonly plan?: Pick<Plan, "prometheus" | "alertmanager" | "exporters" | "grafana">;
}

/**
 * Prometheus, Alertmanager and exporters (A13, B8), and Grafana (B9) where its official image can be had: nothing stands in for it. Nothing else
 * waits for them.
 */
export function monitoring(args: MonitoringArgs): Pick<PhaseOutputs, "prometheusUrl" | "grafanaUrl" | "grafanaPassword"> {
  const { config, data, plan } = args;
  const common = (name: string) => commonArgs(args, name);
  const database = data && { ...data, pgbouncerAfter: [data.pgbouncer] };
  const exporters = new Exporters("exporters", { ...common("exporters"), ...plan?.exporters, database });
  const { alertWebhookUrl: webhookUrl, alertHeartbeatUrl: heartbeatUrl } = addresses();
  const alertmanager = new Alertmanager("alertmanager", {
    ...{ ...common("alertmanager"), ...plan?.alertmanager },
    port: config.alertmanagerPort,
    webhookUrl,
    heartbeatUrl,
  });
  const prometheus = new Prometheus(
    "prometheus",
    {
      ...{ ...common("prometheus"), ...plan?.prometheus },
      targets: scrapeTargets(args, alertmanager),
      retentionDays: config.metricsRetentionDays,
      retentionMb: config.metricsRetentionMb,
      port: config.prometheusPort,
    },
    { dependsOn: [...args.after, exporters, alertmanager] },
  );
  if (webhookUrl === undefined) {
    void pulumi.log.info(
      `alerts are shown at ${alertmanager.url} and sent to nobody; somebody is told with: ` +
        "pulumi config set --secret alertWebhookUrl https://alerts.example.com/hooks/TOKEN",
    );
  }
  if (heartbeatUrl === undefined) {
    void pulumi.log.info(
      "nobody notices when the whole host, Prometheus or Alertmanager is gone; an outside service that expects a call every minute tells of it with: " +
        "pulumi config set --secret alertHeartbeatUrl https://heartbeats.example.com/TOKEN",
    );
  }
  if (config.image !== undefined && data?.kafka !== undefined) {
    void pulumi.log.info(
      "no alert tells that Kafka is away: its rules go by figures of the project's own app, which an image of your own need not have; " +
        "npm run status asks the brokers themselves",
    );
  }
  return { prometheusUrl: prometheus.url, ...dashboards(args, prometheus) };
}

/** What each component is told alike. */
function commonArgs({ config, host, networkName }: MonitoringArgs, name: string) {
  return { networkName, platform: host.platform, imagesOf: config.imagesOf, contextDirectory: contextDirectory(name) };
}

/** Grafana, or a sentence why there is none. */
function dashboards(args: MonitoringArgs, prometheus: Prometheus): Pick<PhaseOutputs, "grafanaUrl" | "grafanaPassword"> {
  const { config, data, plan, grafana: image } = args;
  if (!image.available) {
    void pulumi.log.info(
      `Grafana is left out: the Docker host has no image ${GRAFANA_BASE_IMAGE} and cannot pull it (${image.reason}). ` +
        "Prometheus shows the same figures; the dashboards are in components/local/grafana/dashboards/, and Grafana comes with the next up that can",
    );
    return {};
  }
  const grafana = new Grafana(
    "grafana",
    {
      ...{ ...commonArgs(args, "grafana"), ...plan?.grafana },
      dashboards: { database: data !== undefined, kafka: data?.kafka !== undefined },
      prometheus: { host: prometheus.host, port: prometheus.port, intervalSeconds: SCRAPE_INTERVAL_SECONDS },
      port: config.grafanaPort,
    },
    { dependsOn: [prometheus] },
  );
  return { grafanaUrl: grafana.url, grafanaPassword: grafana.adminPassword };
}

/** Where Alertmanager sends to, as far as it is given. */
function addresses(): Record<string, pulumi.Output<string>> {
  const { alertWebhookUrl, alertHeartbeatUrl } = secretValues({ project: pulumi.getProject(), values: pulumi.runtime.allConfig() });
  return asSecrets({ alertWebhookUrl, alertHeartbeatUrl });
}

function scrapeTargets({ apps, config, data }: MonitoringArgs, alertmanager: Alertmanager): ScrapeTargets {
  return {
    apps,
    appPort: APP_PORT,
    ownImage: config.image !== undefined,
    alertmanager: { host: alertmanager.host, port: alertmanager.port },
    loadBalancer: { host: LOAD_BALANCER_ALIAS, port: INTERNAL_PORT },
    database: data && {
      nodes: data.postgres.nodeNames,
      postgresPort: POSTGRES_PORT,
      patroniPort: PATRONI_PORT,
      etcd: data.etcd.hosts.map((host) => ({ host, port: ETCD_PORT })),
      postgresProxy: { host: data.postgresProxy.host, port: PROXY_STATUS_PORT },
      postgresOperator: { host: data.operator.host, port: data.operator.port },
      redis: [data.redisCache, data.redisLimits].map(({ host, port }) => ({ host, port })),
      kafka: data.kafka !== undefined,
    },
  };
}
