import { randomBytes } from "node:crypto";
import path from "node:path";
import { Client } from "pg";
import {
  nodeDatabase,
  PGBOUNCER_OPERATOR,
  PGBOUNCER_PORT,
  PGBOUNCER_USERS_PATH,
  pgbouncerContext,
  type PgbouncerSettings,
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
import {
  nodePort,
  POSTGRES_PROXY_ALIAS,
  postgresProxyContext,
  PRIMARY_PORT,
  PROXY_SOCKETS,
} from "../../../components/local/postgres-proxy";
import { dockerCommand, type ServiceContainer, serviceImage, startService } from "./container";
import type { PatroniGroup } from "./patroni";

/** What stands between the app and the Patroni nodes, as the stack has it: PgBouncer → proxy → nodes, and the operator beside them. */
export interface PostgresPlane {
  readonly proxy: ServiceContainer;
  /** What `up` does with another image: another proxy beside it with another address, which has to be healthy; then the old one is stopped and removed. */
  replaceProxy(): Promise<void>;
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
  const started: { readonly remove: () => Promise<unknown> }[] = [];
  const start = async (options: Omit<Parameters<typeof startService>[0], "ready">): Promise<ServiceContainer> => {
    const create = ["--network", network, "--network-alias", options.kind, ...HARDENED, ...(options.create ?? [])];
    const service = await startService({ ...options, create, ready: ({ container }) => isHealthy(container) });
    started.push(service);
    return service;
  };
  const remove = async (): Promise<void> => {
    // The other way round: a volume goes with the last container that has it.
    for (const service of [...started].reverse()) await service.remove();
  };
  try {
    const image = await serviceImage(POSTGRES_PROXY_ALIAS, postgresProxyContext({ nodes }));
    const startProxy = (...create: string[]): Promise<ServiceContainer> =>
      start({ kind: POSTGRES_PROXY_ALIAS, image, internalPort: PRIMARY_PORT, create: ["--memory", "96m", ...create] });
    // The volume is that of a container which never runs, so that it outlives each of the proxies.
    const sockets = await dockerCommand(["create", "--label", `phased-stack.stack=${network}`, "--volume", PROXY_SOCKETS, image]);
    started.push({ remove: () => dockerCommand(["rm", "--volumes", sockets.trim()]) });
    let proxy = await startProxy("--volumes-from", sockets.trim());
    const users = { app: password("app"), monitor: password("monitor"), [PGBOUNCER_OPERATOR]: operatorPassword };
    const pgbouncer = await start({
      kind: "pgbouncer",
      image: await serviceImage("pgbouncer", pgbouncerContext(behindProxy(nodes))),
      internalPort: PGBOUNCER_PORT,
      create: ["--memory", "64m", "--ulimit", "nofile=16384", "--volumes-from", `${sockets.trim()}:ro`],
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
      get proxy() {
        return proxy;
      },
      replaceProxy: async () => {
        const old = proxy;
        proxy = await startProxy("--volumes-from", sockets.trim());
        await old.stop();
        await old.remove();
      },
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

/** As stacks/local/sizing/pools.ts has it. */
function behindProxy(nodes: readonly string[]): PgbouncerSettings {
  return { serverHost: PROXY_SOCKETS, serverPort: PRIMARY_PORT, nodes, nodePorts: nodes.map((_, index) => nodePort(index)) };
}

async function isHealthy(container: string): Promise<boolean> {
  return (await dockerCommand(["inspect", "--format", "{{.State.Health.Status}}", container])).trim() === "healthy";
}
