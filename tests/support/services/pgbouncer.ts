import { Client } from "pg";
import { PGBOUNCER_PORT, PGBOUNCER_USERS_PATH, pgbouncerContext, renderPgbouncerUsers } from "../../../components/local/pgbouncer";
import { serviceImage, startService, type ServiceContainer } from "./container";
import type { PostgresGroup } from "./postgres";

/** A PgBouncer of a test. */
export interface PgbouncerService extends ServiceContainer {
  /** What goes into DATABASE_URL. */
  readonly url: string;
  /** Rows of one of its SHOW commands. */
  show<Row extends object>(what: "POOLS" | "STATS" | "SERVERS"): Promise<Row[]>;
}

/** Starts PgBouncer from the project's own image in front of a primary. */
export async function startPgbouncer(
  postgres: PostgresGroup,
  { poolSize = 20 }: { readonly poolSize?: number } = {},
): Promise<PgbouncerService> {
  const url = (port: number, database: string): string => `postgres://app:${postgres.appPassword}@127.0.0.1:${port}/${database}`;
  const service = await startService({
    kind: "pgbouncer",
    image: await serviceImage("pgbouncer", pgbouncerContext({ serverHost: postgres.networkHost, poolSize })),
    internalPort: PGBOUNCER_PORT,
    create: [
      ...["--network", postgres.network, "--memory", "64m", "--read-only", "--tmpfs", "/tmp"],
      ...["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--ulimit", "nofile=16384"],
    ],
    volumes: ["/run/secrets"],
    files: [{ path: PGBOUNCER_USERS_PATH, content: renderPgbouncerUsers({ app: postgres.appPassword }) }],
    ready: async ({ port }) => (await rows(url(port, "app"), "SELECT 1 AS one")).length === 1,
  });
  return {
    ...service,
    url: url(service.port, "app"),
    show: <Row extends object>(what: string) => rows(url(service.port, "pgbouncer"), `SHOW ${what}`) as Promise<Row[]>,
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
