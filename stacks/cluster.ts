import * as pulumi from "@pulumi/pulumi";
import { App } from "../components/local/app";
import { DataMove } from "../components/local/data-move";
import { Image } from "../components/local/image";
import { Network } from "../components/local/network";
import { SecretFiles, SECRETS_PATH } from "../components/local/secret-files";
import { Sqlite } from "../components/local/sqlite";
import { listed } from "../components/transform";
import type { StackConfig } from "./config";
import { CLUSTER_APP_MEMORY_MB } from "./config/keys";
import { grafanaImage } from "./local/grafana-image";
import { DIRECT_URL_FILE, ownerSecrets } from "./local/database-services";
import { checkCapacity } from "./local/host";
import { appSettings, appSource, consoleUrl, imageSource, loadBalancer } from "./local/parts";
import type { PhaseOutputs } from "./outputs";
import { carriesRows, moveAttempt } from "./local/move-attempt";
import { dockerHost } from "./local/preflight";
import { currentCluster } from "./local/primary";
import { sqliteUse } from "./local/sqlite-use";
import { postgresVolumes } from "./local/volumes";

/** Where the container that moves rows back has the secrets of the owner of the tables, beside those of the app. */
const OWNER_PATH = "/run/owner-secrets";

/** What is given up, and how to say that it is meant. */
const LEAVING =
  "this stack has a Postgres, and phase cluster has none: Postgres, its standbys, its backups, Redis and Kafka with the events nobody has read yet " +
  "are deleted (protected ones only after protect false), and nothing fails over any more. Before that the rows are copied back into one SQLite file, and writes are refused meanwhile; " +
  "NOT with moveData false or an image of your own: then they are deleted with Postgres. If that is meant: pulumi config set leaveDatabase true, " +
  "and after the update pulumi config rm leaveDatabase";

/** After `npm run down -- --keep-data`, or when its containers were removed by hand. */
const AWAY =
  "this stack has volumes of a Postgres that does not run, so its rows cannot be copied back, and phase cluster would delete the volumes: first start it " +
  "(phase database). To leave its rows behind, also when they came back before: pulumi config set moveData false, and leaveDatabase true; a SQLite file " +
  "that phase database sealed has to be opened first (docs/runbooks/sealed-file.md)";

/** After an update to phase `database` that did not come to its end, most often. */
const SEALED =
  "the SQLite file of this stack is sealed, because its rows were moved to Postgres: an app on it could only read, and would never be ready. To bring " +
  "the rows back: pulumi config set moveData true, and leaveDatabase true, with Postgres running. Without Postgres, or to leave behind what it has: take " +
  "the seal off first, as docs/runbooks/sealed-file.md says";

/**
 * Phase `cluster`: one Docker host, the clustered app on an embedded database, behind a load balancer.
 * @throws RunError when Docker is unreachable or the host too small, before anything is registered.
 */
export async function cluster(config: StackConfig): Promise<PhaseOutputs> {
  // In parallel, and both before the first resource: a mistake must not leave half a stack.
  const [host, source, grafana, before, hasVolumes, use, attempt] = await Promise.all([
    ...([
      dockerHost(),
      appSource(config),
      config.monitoring ? grafanaImage() : undefined,
      currentCluster(),
      postgresVolumes(),
      sqliteUse(),
    ] as const),
    carriesRows(config) && config.leaveDatabase ? moveAttempt("to-sqlite") : undefined,
  ]);
  if ((!before.firstStart || hasVolumes) && !config.leaveDatabase) throw new pulumi.RunError(LEAVING);
  if (before.firstStart && hasVolumes && attempt?.isDone === false) throw new pulumi.RunError(AWAY);
  if (use === "sealed" && (attempt === undefined || before.firstStart)) throw new pulumi.RunError(SEALED);
  checkCapacity({ ...config, postgresCpus: undefined }, host);

  const network = new Network("network");
  const image = new Image("app-image", { source: imageSource(source, host) });
  const database = new Sqlite("database", { protect: config.protect });
  const secrets = new SecretFiles("secrets", { generate: ["session_secret", "admin_token"], image: image.reference });
  const memoryMb = config.appMemoryMb ?? CLUSTER_APP_MEMORY_MB;
  // Where phase `database` has the owner's address; older versions had it among the app's secrets.
  const owner = attempt && { ...ownerSecrets(image.reference).mount, containerPath: OWNER_PATH };
  const move =
    attempt !== undefined && owner !== undefined
      ? new DataMove("data-move-back", {
          ...{ direction: "to-sqlite", attempt, image: image.reference, networkName: network.networkName, sqlitePath: database.path },
          nothingToMove: before.firstStart,
          postgresUrlFiles: [OWNER_PATH, SECRETS_PATH].map((directory) => `${directory}/${DIRECT_URL_FILE}`),
          mounts: [database.mount, secrets.mount, owner],
        })
      : undefined;
  const runtime = {
    image: image.reference,
    ownImage: config.image !== undefined,
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
  };
  const app = new App("app", runtime, { dependsOn: listed(move) });
  const balancer = loadBalancer(config, host, network, app, secrets.values.admin_token);
  const apps = { [app.alias]: { instances: config.appInstances, memoryMb } };
  const watched = { config, host, networkName: network.networkName, apps, after: [app, balancer] };
  const monitored = grafana && (await import("./local/monitoring.js")).monitoring({ ...watched, grafana });

  return { appUrl: balancer.url, consoleUrl: consoleUrl(config, balancer.url), adminToken: secrets.values.admin_token, ...monitored };
}
