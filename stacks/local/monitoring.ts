import * as pulumi from "@pulumi/pulumi";
import { APP_PORT } from "../../components/contract";
import { Alertmanager } from "../../components/local/alertmanager";
import { type Etcd, ETCD_PORT } from "../../components/local/etcd";
import { Exporters } from "../../components/local/exporters";
import { LOAD_BALANCER_ALIAS } from "../../components/local/load-balancer";
import { INTERNAL_PORT } from "../../components/local/load-balancer/haproxy-config";
import { PATRONI_PORT, POSTGRES_PORT } from "../../components/local/postgres";
import type { PostgresOperator } from "../../components/local/postgres-operator";
import { PROXY_STATUS_PORT } from "../../components/local/postgres-proxy";
import { Prometheus, type ScrapeTargets } from "../../components/local/prometheus";
import type { StackConfig } from "../config";
import { secretValues } from "../config/secrets";
import type { PhaseOutputs } from "../outputs";
import type { Backends } from "./database-services";
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
  /** Limits of phase `database`; without a plan each component's own. */
  readonly plan?: Pick<Plan, "prometheus" | "alertmanager" | "exporters">;
}

/**
 * Prometheus, Alertmanager and exporters (A13, B8). Nothing else waits for them.
 */
export function monitoring(args: MonitoringArgs): Pick<PhaseOutputs, "prometheusUrl"> {
  const { config, host, networkName, data, plan } = args;
  const common = (name: string) => ({ networkName, platform: host.platform, contextDirectory: contextDirectory(name) });
  const exporters = new Exporters("exporters", { ...common("exporters"), ...plan?.exporters, database: data });
  const webhookUrl = alertWebhook();
  const alertmanager = new Alertmanager("alertmanager", {
    ...{ ...common("alertmanager"), ...plan?.alertmanager },
    port: config.alertmanagerPort,
    webhookUrl,
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
  return { prometheusUrl: prometheus.url };
}

function alertWebhook(): pulumi.Output<string> | undefined {
  const { alertWebhookUrl } = secretValues({ project: pulumi.getProject(), values: pulumi.runtime.allConfig() });
  return alertWebhookUrl === undefined ? undefined : pulumi.secret(alertWebhookUrl);
}

function scrapeTargets({ apps, data }: MonitoringArgs, alertmanager: Alertmanager): ScrapeTargets {
  return {
    apps,
    appPort: APP_PORT,
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
