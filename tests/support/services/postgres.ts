import { randomBytes } from "node:crypto";
import { Client } from "pg";
import { postgresContext, postgresSettings } from "../../../components/local/postgres";
import { dockerCommand, eventually, serviceImage, serviceName, startService, type ServiceContainer } from "./container";

/** A Postgres server of a test. */
export interface PostgresService extends ServiceContainer {
  /** The user `app`, who owns the database `app`: what goes into DATABASE_URL. */
  readonly url: string;
  /** The superuser, for looking into the server and for faults. */
  readonly adminUrl: string;
  /** Runs statements as superuser on a connection of its own; the rows of the last one. */
  admin<Row extends object>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /** A further empty database of the user `app`; its URL. */
  createDatabase(): Promise<string>;
  /** Name under which containers of {@link network} reach it. */
  readonly networkHost: string;
}

/** A primary, the replicas that follow it, and their private network. */
export interface PostgresGroup extends PostgresService {
  readonly replicas: readonly PostgresService[];
  readonly network: string;
  readonly appPassword: string;
  /** Waits until every replica has replayed what the primary has written so far. */
  replicated(): Promise<void>;
}

export interface PostgresGroupOptions {
  /** Streaming replicas. @default 0 */
  readonly replicas?: number;
  /** Further settings of every server, as `name=value`. */
  readonly settings?: readonly string[];
}

/** Memory of one server, MiB; its settings follow from it, as in the stack. */
const MEMORY_MB = 384;

/** Starts Postgres from the project's own image, without Patroni: one primary and, if wanted, replicas of it. */
export async function startPostgres({ replicas = 0, settings = [] }: PostgresGroupOptions = {}): Promise<PostgresGroup> {
  const image = await serviceImage("postgres", postgresContext());
  const network = serviceName("postgres-network");
  await dockerCommand(["network", "create", "--label", `phased-stack.stack=${network}`, network]);
  const passwords = { POSTGRES_PASSWORD: secret(), REPLICATION_PASSWORD: secret(), APP_PASSWORD: secret() };
  const started: PostgresService[] = [];
  const remove = async (): Promise<void> => {
    await Promise.all(started.map((service) => service.remove()));
    await dockerCommand(["network", "rm", network]);
  };
  const start = async (role: "primary" | "replica", alias: string): Promise<PostgresService> => {
    const environment = { ...passwords, PRIMARY_HOST: "primary" };
    const server = { ...postgresSettings({ memoryMb: MEMORY_MB, maxConnections: 100 }), hot_standby_feedback: "on" };
    const service = await startService({
      kind: `postgres-${role}`,
      image,
      internalPort: 5432,
      create: [
        ...["--network", network, "--network-alias", alias, "--memory", `${MEMORY_MB}m`, "--shm-size", "64m"],
        ...["--read-only", "--tmpfs", "/tmp", "--tmpfs", "/var/run/postgresql:uid=10002,gid=10002,mode=2775"],
        ...["--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
        ...Object.entries(environment).flatMap(([name, value]) => ["--env", `${name}=${value}`]),
      ],
      volumes: ["/var/lib/postgresql/data"],
      command: [
        role,
        ...[...Object.entries(server).map(([name, value]) => `${name}=${value}`), ...settings].flatMap((text) => ["-c", text]),
      ],
      ready: ({ port }) => answers(urlOf("app", passwords.APP_PASSWORD, port)),
    });
    const made = withUrls(service, alias, passwords.APP_PASSWORD, passwords.POSTGRES_PASSWORD);
    started.push(made);
    return made;
  };
  try {
    const primary = await start("primary", "primary");
    const followers = await Promise.all(Array.from({ length: replicas }, (_, index) => start("replica", `replica-${index + 1}`)));
    return {
      ...primary,
      replicas: followers,
      network,
      appPassword: passwords.APP_PASSWORD,
      remove,
      async replicated() {
        const [row] = await primary.admin<{ lsn: string }>("SELECT pg_current_wal_lsn()::text AS lsn");
        const caughtUp = "SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS done";
        await eventually("the replicas have replayed everything", async () => {
          const rows = await Promise.all(followers.map((replica) => replica.admin<{ done: boolean }>(caughtUp, [row?.lsn])));
          return rows.every(([found]) => found?.done === true);
        });
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

function secret(): string {
  return randomBytes(16).toString("hex");
}

function urlOf(user: string, password: string, port: number, database = "app"): string {
  return `postgres://${user}:${password}@127.0.0.1:${port}/${database}`;
}

function withUrls(service: ServiceContainer, networkHost: string, appPassword: string, adminPassword: string): PostgresService {
  const adminUrl = urlOf("postgres", adminPassword, service.port);
  const admin = async <Row extends object>(sql: string, values: readonly unknown[] = []): Promise<Row[]> => {
    const client = new Client({ connectionString: adminUrl, connectionTimeoutMillis: 5000 });
    await client.connect();
    try {
      return (await client.query<Row>(sql, [...values])).rows;
    } finally {
      await client.end();
    }
  };
  return {
    ...service,
    networkHost,
    url: urlOf("app", appPassword, service.port),
    adminUrl,
    admin,
    async createDatabase() {
      const name = `test_${randomBytes(6).toString("hex")}`;
      await admin(`CREATE DATABASE ${name} OWNER app`);
      return urlOf("app", appPassword, service.port, name);
    },
  };
}

async function answers(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 1000 });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return (await client.query("SELECT 1")).rowCount === 1;
  } finally {
    await client.end();
  }
}
