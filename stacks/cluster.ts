import { App } from "../components/local/app";
import { Image } from "../components/local/image";
import { Network } from "../components/local/network";
import { SecretFiles } from "../components/local/secret-files";
import { Sqlite } from "../components/local/sqlite";
import type { StackConfig } from "./config";
import { CLUSTER_APP_MEMORY_MB } from "./config/keys";
import { grafanaImage } from "./local/grafana-image";
import { checkCapacity } from "./local/host";
import { appSettings, appSource, consoleUrl, imageSource, loadBalancer } from "./local/parts";
import type { PhaseOutputs } from "./outputs";
import { dockerHost } from "./local/preflight";

/**
 * Phase `cluster`: one Docker host, the clustered app on an embedded database, behind a load balancer.
 * @throws RunError when Docker is unreachable or the host too small, before anything is registered.
 */
export async function cluster(config: StackConfig): Promise<PhaseOutputs> {
  // In parallel, and both before the first resource: a mistake must not leave half a stack.
  const [host, source, grafana] = await Promise.all([dockerHost(), appSource(config), config.monitoring ? grafanaImage() : undefined]);
  checkCapacity({ ...config, postgresCpus: undefined }, host);

  const network = new Network("network");
  const image = new Image("app-image", { source: imageSource(source, host) });
  const database = new Sqlite("database", { protect: config.protect });
  const secrets = new SecretFiles("secrets", { generate: ["session_secret", "admin_token"], image: image.reference });
  const memoryMb = config.appMemoryMb ?? CLUSTER_APP_MEMORY_MB;
  const app = new App("app", {
    image: image.reference,
    instances: config.appInstances,
    memoryMb,
    cpus: config.appCpus,
    bootSeconds: config.appBootSeconds,
    networkName: network.networkName,
    services: {
      database: database.connection,
      sessionSecret: secrets.files.session_secret,
      adminToken: secrets.files.admin_token,
    },
    mounts: [database.mount, secrets.mount],
    secretsRevision: secrets.revision,
    settings: appSettings(config, image),
  });
  const balancer = loadBalancer(config, host, network, app, secrets.values.admin_token);
  const apps = { [app.alias]: { instances: config.appInstances, memoryMb } };
  const watched = { config, host, networkName: network.networkName, apps, after: [app, balancer] };
  const monitored = grafana && (await import("./local/monitoring.js")).monitoring({ ...watched, grafana });

  return { appUrl: balancer.url, consoleUrl: consoleUrl(config, balancer.url), adminToken: secrets.values.admin_token, ...monitored };
}
