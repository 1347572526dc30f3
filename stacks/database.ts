import * as pulumi from "@pulumi/pulumi";
import type { Connection } from "../components/contract";
import { App } from "../components/local/app";
import { DataMove } from "../components/local/data-move";
import { Etcd } from "../components/local/etcd";
import { Image } from "../components/local/image";
import { Kafka } from "../components/local/kafka";
import type { ContextFile } from "../components/local/image/context-hash";
import { Migrate } from "../components/local/migrate";
import { Network } from "../components/local/network";
import { PgBouncer } from "../components/local/pgbouncer";
import { Postgres } from "../components/local/postgres";
import { PostgresOperator, postgresOperatorContext } from "../components/local/postgres-operator";
import { PostgresProxy } from "../components/local/postgres-proxy";
import { Redis } from "../components/local/redis";
import { Sqlite } from "../components/local/sqlite";
import { listed } from "../components/transform";
import type { StackConfig } from "./config";
import { backupPlace } from "./local/backup-place";
import { runningBrokers } from "./local/brokers";
import { appServices, type Backends, DIRECT_URL_FILE, phaseSecrets } from "./local/database-services";
import { OPERATOR_BUNDLES } from "./lib/early";
import { checkEtcdMembers, etcdMembers } from "./local/etcd-members";
import { grafanaImage } from "./local/grafana-image";
import { checkCapacity } from "./local/host";
import { appSettings, appSource, consoleUrl, contextDirectory, imageSource, loadBalancer } from "./local/parts";
import type { PhaseOutputs } from "./outputs";
import { migrateAttempt } from "./local/migrate-attempt";
import { carriesRows, moveAttempt, openAttempt, unlessReopened } from "./local/move-attempt";
import { dockerHost } from "./local/preflight";
import { checkPrimaryStays, currentCluster } from "./local/primary";
import { checkProtectedStay, nodesWithData } from "./local/protected-nodes";
import { sizing } from "./local/sizing/plan";
import { planTable } from "./local/sizing/table";
import type { AppPools, Limits } from "./local/sizing/types";
import { sqliteUse } from "./local/sqlite-use";

/** It was said of one switch of phase, and would hold for every later one. */
const STILL_LEAVING =
  "leaveDatabase is true: the next update to phase cluster deletes Postgres, its backups, Redis and Kafka without asking again. " +
  "Unless you are about to do that: pulumi config rm leaveDatabase";

/**
 * Phase `database`: one Docker host with Postgres that fails over by itself, PgBouncer, two Redis servers, three Kafka brokers where they are
 * wanted, and the app in several instances behind a load balancer. What phase `cluster` has too keeps its name, and so its identity and its data.
 * @throws RunError when Docker is unreachable, the plan does not fit, etcd was made of another number of members, or the primary or protected
 * data would be removed; before anything is registered.
 */
export async function database(config: StackConfig): Promise<PhaseOutputs> {
  const protectedNodes = config.protect ? nodesWithData() : undefined;
  const [host, source, program, cluster, members, attempt, use, migration, running, grafana] = await Promise.all([
    ...([dockerHost(), appSource(config), operatorProgram(), currentCluster(), etcdMembers()] as const),
    carriesRows(config) ? moveAttempt("to-postgres") : config.image === undefined ? openAttempt() : undefined,
    carriesRows(config) ? sqliteUse() : ("none" as const),
    config.image === undefined ? migrateAttempt() : undefined,
    config.kafka ? runningBrokers() : undefined,
    config.monitoring ? grafanaImage() : undefined,
  ]);
  checkCapacity(config, host);
  const plan = sizing({ ...config, grafana: grafana?.available === true }, host);
  checkEtcdMembers(plan.etcd.members, members);
  checkPrimaryStays(cluster.primary, plan.postgres.nodes);
  checkProtectedStay({ postgresNodes: plan.postgres.nodes, kafka: config.kafka }, (await protectedNodes) ?? []);
  await pulumi.log.info(planTable(plan, host));
  if (config.leaveDatabase) await pulumi.log.warn(STILL_LEAVING);

  const network = new Network("network");
  const image = new Image("app-image", { source: imageSource(source, host) });
  // Its SQLite file rests once its rows have moved; uploaded documents stay in use.
  const files = new Sqlite("database", { protect: config.protect });
  const { networkName } = network;
  const built = { platform: host.platform, imagesOf: config.imagesOf };
  const stateless = (name: string) => ({ networkName, ...built, contextDirectory: contextDirectory(name) });
  const stateful = (name: string) => ({ ...stateless(name), protect: config.protect });

  const etcd = new Etcd("etcd", { ...stateful("etcd"), ...plan.etcd });
  const { durability } = config;
  const place = backupPlace(config, plan.postgres.repository);
  const postgresArgs = { ...stateful("postgres"), ...plan.postgres, ...place, durability, etcdHosts: etcd.hosts, ...cluster };
  const postgres = new Postgres("postgres", postgresArgs, { dependsOn: [etcd] });
  const { nodeNames: nodes, passwords } = postgres;
  // At the first start beside the nodes. Later after them: a primary that is replaced needs all three to hand over without a failed request.
  const afterNodes = cluster.firstStart ? {} : { dependsOn: [postgres] };
  const postgresProxy = new PostgresProxy("postgres-proxy", { ...stateless("postgres-proxy"), ...plan.postgresProxy, nodes }, afterNodes);
  const { app: appPassword, readonly, monitor, patroni: patroniPassword } = passwords;
  const users = { app: appPassword, readonly, monitor };
  const server = { sockets: postgresProxy.sockets, container: postgresProxy.nodes.container };
  const pgbouncer = new PgBouncer("pgbouncer", { ...stateless("pgbouncer"), ...plan.pgbouncer, users, server }, afterNodes);
  const watched = { program, etcdHosts: etcd.hosts, nodes, patroniPassword, monitorPassword: monitor, pgbouncer, backups: config.backups };
  const operator = new PostgresOperator(
    "postgres-operator",
    { ...stateless("postgres-operator"), ...plan.postgresOperator, ...watched },
    afterNodes,
  );
  const redisCache = new Redis("redis-cache", { ...stateful("redis-cache"), ...plan.redisCache, role: "cache" });
  const redisLimits = new Redis("redis-limits", { ...stateful("redis-limits"), ...plan.redisLimits, role: "limits" });
  const retention = { retentionHours: config.kafkaRetentionHours, retentionMb: config.kafkaRetentionMb };
  const kafka = plan.kafka && new Kafka("kafka", { ...stateful("kafka"), ...plan.kafka, ...retention, running });

  const backends: Backends = { postgres, postgresProxy, pgbouncer, redisCache, redisLimits, kafka };
  const secrets = phaseSecrets(backends, image.reference, config.image !== undefined);
  const runtime = {
    image: image.reference,
    ownImage: config.image !== undefined,
    bootSeconds: config.appBootSeconds,
    networkName,
    services: appServices(backends, secrets),
    mounts: [files.mount, secrets.app.mount],
    secretsRevision: secrets.app.revision,
  };
  const settings = ({ poolMax: max, replicaPoolMax: replicaMax }: AppPools) => ({
    ...appSettings(config, image),
    documentsPath: `${files.mount.containerPath}/documents`,
    pools: { max, replicaMax },
  });
  const { owner } = secrets;
  const move =
    attempt !== undefined && owner !== undefined
      ? new DataMove(
          "data-move",
          {
            ...{
              direction: carriesRows(config) ? "to-postgres" : "open-postgres",
              attempt: unlessReopened(attempt, use),
              image: image.reference,
              networkName,
              sqlitePath: files.path,
            },
            ...{ postgresUrlFiles: [owner.files[DIRECT_URL_FILE].path], mounts: [files.mount, owner.mount] },
          },
          { dependsOn: [owner, postgres, postgresProxy, redisCache, redisLimits, pgbouncer] },
        )
      : undefined;
  // An image of the user's own makes its tables by itself.
  const migrate =
    migration !== undefined && owner !== undefined
      ? new Migrate(
          "migrate",
          {
            ...{ image: image.reference, version: image.version, appName: pulumi.getProject(), logLevel: config.logLevel, networkName },
            ...{ databaseUrl: owner.files[DIRECT_URL_FILE], mount: owner.mount, secretsRevision: owner.revision },
            ...{ queues: redisLimits, attempt: migration },
          },
          { dependsOn: [...listed(move), postgres, postgresProxy, pgbouncer] },
        )
      : undefined;
  const after = {
    dependsOn: [
      ...listed(move),
      ...listed(migrate?.succeeded),
      postgres,
      postgresProxy,
      pgbouncer,
      redisCache,
      redisLimits,
      ...listed(kafka),
    ],
  };
  const web = { ...settings(plan.app), role: "web", workers: plan.app.workers } as const;
  const app = new App("app", { ...runtime, ...plan.app, settings: web }, after);
  // Their memory is not planned for the heap that a web worker is given.
  const alone = { workers: 1, workerHeapMb: undefined } as const;
  const jobs = { ...settings(plan.jobs), ...alone, role: "jobs" } as const;
  new App("jobs", { ...runtime, ...plan.jobs, instances: 1, settings: jobs }, after);
  if (plan.consumer !== undefined) {
    const consumer = { ...settings(plan.consumer), ...alone, role: "consumer" } as const;
    new App("consumer", { ...runtime, ...plan.consumer, instances: 1, settings: consumer }, after);
  }
  const balancer = loadBalancer(config, host, network, app, secrets.adminToken, { dependsOn: [app] });
  const single = ({ memoryMb }: Limits) => ({ instances: 1, memoryMb });
  const apps = { app: plan.app, jobs: single(plan.jobs), ...(plan.consumer !== undefined && { consumer: single(plan.consumer) }) };
  const data = { ...backends, monitorPassword: monitor, etcd, operator };
  const monitored =
    grafana &&
    (await import("./local/monitoring.js")).monitoring({ ...{ config, host, networkName, apps, plan, data }, after: [balancer], grafana });

  return {
    appUrl: balancer.url,
    consoleUrl: consoleUrl(config, balancer.url),
    adminToken: secrets.adminToken,
    databaseHost: pgbouncer.host,
    databaseReaderHost: postgresProxy.host,
    databasePassword: appPassword,
    ...(postgres.backupPassphrase !== undefined && { backupPassphrase: postgres.backupPassphrase }),
    redisHost: redisCache.host,
    ...(kafka !== undefined && { kafkaBrokers: addresses(kafka.brokers) }),
    ...monitored,
  };
}

/** `host:port` of each, separated by commas. */
function addresses(connections: readonly Connection[]): pulumi.Output<string> {
  return pulumi.output(connections).apply((all) => all.map(({ host, port }) => `${host}:${port}`).join(","));
}

async function operatorProgram(): Promise<ContextFile[]> {
  return await postgresOperatorContext(OPERATOR_BUNDLES).catch((error: unknown) => {
    throw new pulumi.RunError(`the Postgres operator cannot be bundled: ${error instanceof Error ? error.message : String(error)}`);
  });
}
