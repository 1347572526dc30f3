import { randomBytes } from "node:crypto";
import { Client } from "pg";
import {
  nodeDatabase,
  PGBOUNCER_MONITOR,
  PGBOUNCER_OPERATOR,
  PGBOUNCER_PORT,
  PGBOUNCER_USERS_PATH,
  pgbouncerContext,
  type PgbouncerSettings,
  renderPgbouncerUsers,
} from "../../../components/local/pgbouncer";
import { serviceImage, startService, type ServiceContainer } from "./container";
import type { PostgresGroup } from "./postgres";

/** A PgBouncer of a test. */
export interface PgbouncerService extends ServiceContainer {
  /** What goes into DATABASE_URL: as the user `app`. */
  readonly url: string;
  /** The same as the owner of the database, who may change tables. */
  readonly ownerUrl: string;
  /** What goes into DATABASE_READ_REPLICAS: one for each node, as the user `app`. */
  readonly nodeUrls: readonly string[];
  /** Rows of one of its SHOW commands, as the monitor. */
  show<Row extends object>(what: "POOLS" | "STATS" | "SERVERS" | "DATABASES"): Promise<Row[]>;
  /** A command on its console, by default as the operator. */
  command(sql: string, user?: "operator" | "monitor" | "app"): Promise<void>;
}

/** Starts PgBouncer from the project's own image in front of a primary, and of all servers by themselves if they are named. */
export async function startPgbouncer(
  postgres: PostgresGroup,
  settings: Partial<Pick<PgbouncerSettings, "poolSize" | "nodePoolSize" | "nodes" | "serverHost">> = {},
): Promise<PgbouncerService> {
  const passwordIn = (url: string): string => new URL(url).password;
  const passwords = {
    app: passwordIn(postgres.appUrl),
    owner: passwordIn(postgres.url),
    [PGBOUNCER_MONITOR]: randomBytes(16).toString("hex"),
    [PGBOUNCER_OPERATOR]: randomBytes(16).toString("hex"),
  };
  const url = (port: number, user: keyof typeof passwords, database: string): string =>
    `postgres://${user}:${passwords[user]}@127.0.0.1:${port}/${database}`;
  const service = await startService({
    kind: "pgbouncer",
    image: await serviceImage("pgbouncer", pgbouncerContext({ serverHost: postgres.networkHost, ...settings })),
    internalPort: PGBOUNCER_PORT,
    create: [
      ...["--network", postgres.network, "--memory", "64m", "--read-only", "--tmpfs", "/tmp"],
      ...["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--ulimit", "nofile=16384"],
    ],
    volumes: ["/run/secrets"],
    files: [{ path: PGBOUNCER_USERS_PATH, content: renderPgbouncerUsers(passwords) }],
    ready: async ({ port }) => (await rows(url(port, "app", "app"), "SELECT 1 AS one")).length === 1,
  });
  const { port } = service;
  return {
    ...service,
    url: url(port, "app", "app"),
    ownerUrl: url(port, "owner", "app"),
    nodeUrls: (settings.nodes ?? []).map((node) => url(port, "app", nodeDatabase(node))),
    show: <Row extends object>(what: string) => rows(url(port, PGBOUNCER_MONITOR, "pgbouncer"), `SHOW ${what}`) as Promise<Row[]>,
    command: async (sql, user = PGBOUNCER_OPERATOR) => {
      await rows(url(port, user, "pgbouncer"), sql);
    },
  };
}

async function rows(url: string, sql: string): Promise<object[]> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2000 });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return (await client.query<object>(sql)).rows;
  } finally {
    await client.end();
  }
}
