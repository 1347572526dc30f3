import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { Client } from "pg";
import {
  PASSWORD_NAMES,
  PASSWORD_VARIABLES,
  type PasswordName,
  postgresContext,
  postgresSettings,
} from "../../../components/local/postgres";
import { dockerCommand, eventually, serviceImage, serviceName, startService, type ServiceContainer } from "./container";

/** How a database of a test is reached. */
export interface PostgresUrls {
  /** As the user `owner`, who owns it: for tests that make tables of their own. */
  readonly url: string;
  /** As the user `app`, who reads and writes rows, and creates nothing. */
  readonly appUrl: string;
  /** What the app is given: it migrates as the owner, and does everything else as `app`. */
  readonly environment: { readonly DATABASE_URL: string; readonly DATABASE_DIRECT_URL: string };
}

/** A Postgres server of a test; the URLs are those of its database `app`. */
export interface PostgresService extends ServiceContainer, PostgresUrls {
  /** The superuser, for looking into the server and for faults. */
  readonly adminUrl: string;
  /** Runs statements as superuser on a connection of its own; the rows of the last one. */
  admin<Row extends object>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /** A further empty database, with the privileges of the first one. */
  createDatabase(): Promise<PostgresUrls>;
  /** Name under which containers of {@link network} reach it. */
  readonly networkHost: string;
}

/** A primary, the replicas that follow it, and their private network. */
export interface PostgresGroup extends PostgresService {
  readonly replicas: readonly PostgresService[];
  readonly network: string;
  readonly appPassword: string;
  /** Of a role in a database of the primary. */
  readonly urlOf: (role: Role, database?: string) => string;
  /** Waits until every replica has replayed what the primary has written so far. */
  replicated(): Promise<void>;
}

export interface PostgresGroupOptions {
  /** Streaming replicas. @default 0 */
  readonly replicas?: number;
  /** Further settings of every server, as `name=value`. */
  readonly settings?: readonly string[];
}

/** Roles that log in to the database `app`. */
type Role = "owner" | "app" | "readonly" | "monitor";

/** What the image does to the database `app`. */
const PRIVILEGES = readFileSync(path.resolve(__dirname, "../../../components/local/postgres/privileges.sql"), "utf8");

/** Memory of one server, MiB; its settings follow from it, as in the stack. */
const MEMORY_MB = 384;

/** Starts Postgres from the project's own image, without Patroni: one primary and, if wanted, replicas of it. */
export async function startPostgres({ replicas = 0, settings = [] }: PostgresGroupOptions = {}): Promise<PostgresGroup> {
  const sizing = { memoryMb: MEMORY_MB, maxConnections: 100 };
  // The image's configuration of Patroni is not read here.
  const image = await serviceImage("postgres", postgresContext({ memoryMb: 512, maxConnections: 25, etcdHosts: ["etcd-1"] }));
  const network = serviceName("postgres-network");
  await dockerCommand(["network", "create", "--label", `phased-stack.stack=${network}`, network]);
  const passwords = Object.fromEntries(PASSWORD_NAMES.map((name) => [name, secret()])) as Record<PasswordName, string>;
  const started: PostgresService[] = [];
  const remove = async (): Promise<void> => {
    await Promise.all(started.map((service) => service.remove()));
    await dockerCommand(["network", "rm", network]);
  };
  const start = async (role: "primary" | "replica", alias: string): Promise<PostgresService> => {
    const variables = PASSWORD_NAMES.map((name) => [PASSWORD_VARIABLES[name], passwords[name]] as const);
    const environment = { ...Object.fromEntries(variables), PRIMARY_HOST: "primary" };
    const server = { ...postgresSettings(sizing), hot_standby_feedback: "on" };
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
      ready: ({ port }) => answers(urlOf("app", passwords.app, port)),
    });
    const made = withUrls(service, alias, passwords);
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
      appPassword: passwords.app,
      urlOf: (role, database) => urlOf(role, passwords[role], primary.port, database),
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

function urlsOf({ owner, app }: Readonly<Record<PasswordName, string>>, port: number, database = "app"): PostgresUrls {
  const [url, appUrl] = [urlOf("owner", owner, port, database), urlOf("app", app, port, database)];
  return { url, appUrl, environment: { DATABASE_URL: appUrl, DATABASE_DIRECT_URL: url } };
}

function withUrls(service: ServiceContainer, networkHost: string, passwords: Readonly<Record<PasswordName, string>>): PostgresService {
  const adminUrl = urlOf("postgres", passwords.superuser, service.port);
  const admin = <Row extends object>(sql: string, values: readonly unknown[] = []): Promise<Row[]> => rowsOf<Row>(adminUrl, sql, values);
  return {
    ...service,
    ...urlsOf(passwords, service.port),
    networkHost,
    adminUrl,
    admin,
    async createDatabase() {
      const name = `test_${randomBytes(6).toString("hex")}`;
      await admin(`CREATE DATABASE ${name} OWNER owner`);
      await rowsOf(urlOf("postgres", passwords.superuser, service.port, name), PRIVILEGES);
      return urlsOf(passwords, service.port, name);
    },
  };
}

/** Rows of a statement on a connection of its own. */
export async function rowsOf<Row extends object>(connectionString: string, sql: string, values: readonly unknown[] = []): Promise<Row[]> {
  const client = new Client({ connectionString, connectionTimeoutMillis: 5000 });
  await client.connect();
  try {
    // Without values several statements may come at once.
    return (await (values.length === 0 ? client.query<Row>(sql) : client.query<Row>(sql, [...values]))).rows;
  } finally {
    await client.end();
  }
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
