import { Client } from "pg";
import {
  BACKUP_DIRECTORY,
  PASSWORD_NAMES,
  passwordFiles,
  type PasswordName,
  PATRONI_API_USER,
  PATRONI_PORT,
  PATRONI_STOP_SIGNAL,
  patroniEnvironment,
  type PatroniSettings,
  POSTGRES_DATA_DIRECTORY,
  POSTGRES_PORT,
  postgresContext,
  renderRepositoryKeys,
  REPOSITORY_KEYS_FILE,
  type S3RepositoryKeys,
} from "../../../components/local/postgres";
import { dockerCommand, type ServiceContainer, serviceImage, startService } from "./container";

/** A Postgres server that Patroni runs, in a container. */
export interface PatroniNode extends ServiceContainer {
  /** Its name in the cluster, and its host name on the network. */
  readonly name: string;
  /** Runs statements on a connection of its own. @param database by default `postgres` for the superuser, `app` for everybody else. */
  sql<Row extends object>(sql: string, values?: readonly unknown[], user?: SqlUser, database?: string): Promise<Row[]>;
  /** Asks Patroni's REST API; status 0 while nothing answers. */
  api(
    method: "GET" | "POST",
    where: string,
    body?: object,
    as?: "patroni" | "nobody",
  ): Promise<{ readonly status: number; readonly body: unknown }>;
}

export type SqlUser = "postgres" | "owner" | "app" | "readonly" | "monitor";

/** Passwords of all roles. */
export type Passwords = Readonly<Record<PasswordName, string>>;

const SECRETS = "/run/secrets";

export interface NodeOptions {
  readonly settings: PatroniSettings;
  readonly network: string;
  readonly name: string;
  /** Docker volume with its data: outlives the container. */
  readonly volume: string;
  /** Docker volume with the repository, which all nodes share. */
  readonly backupVolume: string;
  /** Docker volume with its secrets, which a container beside it may have as well. */
  readonly secretsVolume: string;
  readonly passwords: Passwords;
  /** With `settings.repository`: what opens it. */
  readonly repositoryKeys?: S3RepositoryKeys | undefined;
}

/** Starts a node as the stack does it; ready once it is healthy. */
export async function startNode(options: NodeOptions): Promise<PatroniNode> {
  const { settings, network, name, volume, backupVolume, secretsVolume, passwords, repositoryKeys: keys } = options;
  const opened = keys === undefined ? [] : [{ path: `${SECRETS}/${REPOSITORY_KEYS_FILE}`, content: renderRepositoryKeys(keys) }];
  const environment = { ...patroniEnvironment(name), ...passwordFiles(SECRETS) };
  const service = await startService({
    kind: `patroni-${name}`,
    image: await serviceImage("postgres", postgresContext(settings)),
    internalPort: POSTGRES_PORT,
    create: [
      ...["--network", network, "--network-alias", name, "--publish", `127.0.0.1::${PATRONI_PORT}`],
      ...["--volume", `${volume}:${POSTGRES_DATA_DIRECTORY}`, "--volume", `${backupVolume}:${BACKUP_DIRECTORY}`],
      ...["--volume", `${secretsVolume}:${SECRETS}`],
      ...["--memory", `${settings.memoryMb}m`, "--shm-size", "64m", "--stop-signal", PATRONI_STOP_SIGNAL],
      ...["--read-only", "--tmpfs", "/tmp", "--tmpfs", "/var/run/postgresql:uid=10002,gid=10002,mode=2775"],
      ...["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--dns-opt", "ndots:1", "--dns-search", "."],
      ...Object.entries(environment).flatMap(([key, value]) => ["--env", `${key}=${value}`]),
    ],
    command: ["patroni"],
    files: [...PASSWORD_NAMES.map((file) => ({ path: `${SECRETS}/${file}`, content: passwords[file] })), ...opened],
    // On a busy machine copying the primary, and starting on the copy, takes a minute.
    readyDeadlineMs: 180_000,
    ready: async ({ container }) =>
      (await dockerCommand(["inspect", "--format", "{{.State.Health.Status}}", container])).trim() === "healthy",
  });
  return {
    ...service,
    name,
    api: (method: "GET" | "POST", where: string, body?: object, as = PATRONI_API_USER) =>
      ask(service.container, method, where, body, as === PATRONI_API_USER ? passwords.patroni : undefined),
    sql: async <Row extends object>(
      sql: string,
      values: readonly unknown[] = [],
      user: SqlUser = "postgres",
      database = user === "postgres" ? "postgres" : "app",
    ) => {
      const { host, port } = service;
      const password = passwords[user === "postgres" ? "superuser" : user];
      const client = new Client({ host, port, user, password, database, connectionTimeoutMillis: 2000 });
      // A server that goes down says so to idle connections too; the query under way fails by itself.
      client.on("error", () => undefined);
      await client.connect();
      try {
        // Without values several statements may come at once.
        return (await (values.length === 0 ? client.query<Row>(sql) : client.query<Row>(sql, [...values]))).rows;
      } finally {
        await client.end();
      }
    },
  };
}

async function ask(
  container: string,
  method: string,
  where: string,
  body?: object,
  password?: string,
): Promise<{ readonly status: number; readonly body: unknown }> {
  // Docker chooses this port, and another one after a restart.
  const address = (await dockerCommand(["port", container, `${PATRONI_PORT}/tcp`])).trim().split("\n", 1)[0];
  const authorization = `Basic ${Buffer.from(`${PATRONI_API_USER}:${password}`).toString("base64")}`;
  const answer = await fetch(`http://${address}${where}`, {
    method,
    headers: { ...(password !== undefined && { authorization }), "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(60_000),
  }).catch((error: unknown) => {
    if (error instanceof TypeError) return undefined;
    throw error;
  });
  if (answer === undefined) return { status: 0, body: undefined };
  const text = await answer.text();
  return { status: answer.status, body: text.startsWith("{") ? (JSON.parse(text) as unknown) : text };
}
