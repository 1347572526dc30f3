import { randomBytes } from "node:crypto";
import path from "node:path";
import { Client } from "pg";
import {
  nodeDatabase,
  PGBOUNCER_OPERATOR,
  PGBOUNCER_PORT,
  PGBOUNCER_USERS_PATH,
  pgbouncerContext,
  renderPgbouncerUsers,
} from "../../../components/local/pgbouncer";
import {
  OPERATOR_ALIAS,
  OPERATOR_PORT,
  operatorEnvironment,
  postgresOperatorContext,
  type PostgresStatus,
  SECRET_FILES,
} from "../../../components/local/postgres-operator";
import { POSTGRES_PROXY_ALIAS, postgresProxyContext, PRIMARY_PORT } from "../../../components/local/postgres-proxy";
import { dockerCommand, type ServiceContainer, serviceImage, startService } from "./container";
import type { PatroniGroup } from "./patroni";

/** What stands between the app and the Patroni nodes, as the stack has it: PgBouncer → proxy → nodes, and the operator beside them. */
export interface PostgresPlane {
  readonly proxy: ServiceContainer;
  readonly pgbouncer: ServiceContainer;
  readonly operator: ServiceContainer;
  /** A client of PgBouncer as the user `app`; by default of the database that leads to the primary. Not connected yet. */
  client(database?: string): Client;
  /** What a node of its own database is called there. */
  readonly nodeDatabase: (node: string) => string;
  /** Asks the operator over HTTP. */
  ask(where: string, init?: RequestInit): Promise<Response>;
  status(): Promise<PostgresStatus>;
  /** One of the operator's metrics. */
  metric(name: string): Promise<number>;
  /** A command on PgBouncer's console. */
  console(command: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  remove(): Promise<void>;
}

const SECRETS = path.posix.dirname(PGBOUNCER_USERS_PATH);

/** What the stack gives every container of its own (`hardened`). */
const HARDENED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--dns-opt", "ndots:1", "--dns-search", "."];

/** Starts it on the network of the nodes; ready when every part is healthy. */
export async function startPlane(group: PatroniGroup): Promise<PostgresPlane> {
  const { network, password } = group;
  const nodes = group.nodes.map(({ name }) => name);
  const operatorPassword = randomBytes(16).toString("hex");
  const started: ServiceContainer[] = [];
  const start = async (options: Omit<Parameters<typeof startService>[0], "ready">): Promise<ServiceContainer> => {
    const create = ["--network", network, "--network-alias", options.kind, ...HARDENED, ...(options.create ?? [])];
    const service = await startService({ ...options, create, ready: ({ container }) => isHealthy(container) });
    started.push(service);
    return service;
  };
  const remove = async (): Promise<void> => {
    await Promise.all(started.map((service) => service.remove()));
  };
  try {
    const proxy = await start({
      kind: POSTGRES_PROXY_ALIAS,
      image: await serviceImage(POSTGRES_PROXY_ALIAS, postgresProxyContext({ nodes })),
      internalPort: PRIMARY_PORT,
      create: ["--memory", "96m"],
    });
    const users = { app: password("app"), monitor: password("monitor"), [PGBOUNCER_OPERATOR]: operatorPassword };
    const pgbouncer = await start({
      kind: "pgbouncer",
      image: await serviceImage("pgbouncer", pgbouncerContext({ serverHost: POSTGRES_PROXY_ALIAS, serverPort: PRIMARY_PORT, nodes })),
      internalPort: PGBOUNCER_PORT,
      create: ["--memory", "64m", "--ulimit", "nofile=16384"],
      volumes: [SECRETS],
      files: [{ path: PGBOUNCER_USERS_PATH, content: renderPgbouncerUsers(users) }],
    });
    const environment = operatorEnvironment(
      { etcdHosts: group.settings.etcdHosts, nodes, pgbouncer: { host: "pgbouncer", port: PGBOUNCER_PORT } },
      SECRETS,
    );
    const operator = await start({
      kind: OPERATOR_ALIAS,
      image: await serviceImage(OPERATOR_ALIAS, await postgresOperatorContext()),
      internalPort: OPERATOR_PORT,
      create: ["--memory", "96m", ...Object.entries(environment).flatMap(([name, value]) => ["--env", `${name}=${value}`])],
      volumes: [SECRETS],
      files: [
        { path: `${SECRETS}/${SECRET_FILES.patroni}`, content: password("patroni") },
        { path: `${SECRETS}/${SECRET_FILES.monitor}`, content: password("monitor") },
        { path: `${SECRETS}/${SECRET_FILES.pgbouncer}`, content: operatorPassword },
      ],
    });
    const ask = (where: string, init?: RequestInit): Promise<Response> => fetch(`http://127.0.0.1:${operator.port}${where}`, init);
    const connect = (user: keyof typeof users, database: string): Client => {
      const client = new Client({
        host: "127.0.0.1",
        port: pgbouncer.port,
        user,
        password: users[user],
        database,
        connectionTimeoutMillis: 3000,
      });
      // A connection that is lost is noticed by the query under way.
      client.on("error", () => undefined);
      return client;
    };
    return {
      proxy,
      pgbouncer,
      operator,
      ask,
      remove,
      nodeDatabase,
      client: (database = "app") => connect("app", database),
      status: async () => (await (await ask("/status")).json()) as PostgresStatus,
      metric: async (name) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(await (await ask("/metrics")).text())?.[1]),
      console: async (command) => {
        const client = connect(PGBOUNCER_OPERATOR, "pgbouncer");
        await client.connect();
        try {
          return (await client.query<Record<string, unknown>>(command)).rows;
        } finally {
          await client.end();
        }
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function isHealthy(container: string): Promise<boolean> {
  return (await dockerCommand(["inspect", "--format", "{{.State.Health.Status}}", container])).trim() === "healthy";
}
