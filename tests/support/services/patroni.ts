import { randomBytes } from "node:crypto";
import { Client } from "pg";
import { ETCD_DATA_DIRECTORY, ETCD_PORT, etcdArguments, etcdContext } from "../../../components/local/etcd";
import {
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
} from "../../../components/local/postgres";
import { dockerCommand, eventually, type ServiceContainer, serviceImage, serviceName, startService } from "./container";

/** A Postgres server that Patroni runs, in a container. */
export interface PatroniNode extends ServiceContainer {
  /** Its name in the cluster, and its host name on the network. */
  readonly name: string;
  /** Runs statements as superuser in the database `postgres`, or as another user in the database `app`, on a connection of its own. */
  sql<Row extends object>(sql: string, values?: readonly unknown[], user?: SqlUser): Promise<Row[]>;
  /** Asks Patroni's REST API; status 0 while nothing answers. */
  api(
    method: "GET" | "POST",
    where: string,
    body?: object,
    as?: "patroni" | "nobody",
  ): Promise<{ readonly status: number; readonly body: unknown }>;
}

export type SqlUser = "postgres" | "owner" | "app" | "readonly" | "monitor";

/** One etcd and the nodes, on a private network. */
export interface PatroniGroup {
  readonly nodes: readonly PatroniNode[];
  /** Name of the network. */
  readonly network: string;
  readonly password: (name: PasswordName) => string;
  /** What all nodes were given. */
  readonly settings: PatroniSettings;
  /** Nodes that say of themselves that they are primary: never two. */
  readonly primaries: () => Promise<PatroniNode[]>;
  remove(): Promise<void>;
}

export const PATRONI_MEMORY_MB = 448;
export const PATRONI_MAX_CONNECTIONS = 60;

const SECRETS = "/run/secrets";
type Passwords = Readonly<Record<PasswordName, string>>;

/** Starts a cluster from the project's own images, configured as the stack does it; ready when every node has its role. */
export async function startPatroni(count = 2): Promise<PatroniGroup> {
  const settings = { etcdHosts: ["etcd-1"], memoryMb: PATRONI_MEMORY_MB, maxConnections: PATRONI_MAX_CONNECTIONS };
  const [image, etcdImage] = [await serviceImage("postgres", postgresContext(settings)), await serviceImage("etcd", etcdContext())];
  const network = serviceName("patroni-network");
  await dockerCommand(["network", "create", "--label", `phased-stack.stack=${network}`, network]);
  // Odd on purpose: passwords go through a shell, SQL, a connection string and a password file.
  const passwords = Object.fromEntries(PASSWORD_NAMES.map((name) => [name, `'"\\$:${randomBytes(12).toString("hex")} #`])) as Passwords;
  const names = Array.from({ length: count }, (_, index) => `pg-${index + 1}`);
  const started: ServiceContainer[] = [];
  const remove = async (): Promise<void> => {
    await Promise.all(started.map((service) => service.remove()));
    await dockerCommand(["network", "rm", network]);
  };
  try {
    started.push(await startEtcd(etcdImage, network));
    const outcomes = await Promise.allSettled(names.map((name) => startNode({ image, network, name, passwords })));
    const nodes = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
    started.push(...nodes);
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    const primaries = async (): Promise<PatroniNode[]> => {
      const answers = await Promise.all(nodes.map(async (node) => ({ node, status: (await node.api("GET", "/primary")).status })));
      return answers.filter(({ status }) => status === 200).map(({ node }) => node);
    };
    return { nodes, network, settings, password: (name) => passwords[name], primaries, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

function startEtcd(image: string, network: string): Promise<ServiceContainer> {
  return startService({
    kind: "etcd",
    image,
    internalPort: ETCD_PORT,
    create: [
      ...["--network", network, "--network-alias", "etcd-1", "--memory", "96m", "--read-only"],
      ...["--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
    ],
    volumes: [ETCD_DATA_DIRECTORY],
    command: etcdArguments({ member: 1, hosts: ["etcd-1"] }),
    ready: async ({ container }) =>
      (await dockerCommand(["inspect", "--format", "{{.State.Health.Status}}", container])).trim() === "healthy",
  });
}

interface NodeOptions {
  readonly image: string;
  readonly network: string;
  readonly name: string;
  readonly passwords: Passwords;
}

async function startNode({ image, network, name, passwords }: NodeOptions): Promise<PatroniNode> {
  const environment = { ...patroniEnvironment(name), ...passwordFiles(SECRETS) };
  const service = await startService({
    kind: `patroni-${name}`,
    image,
    internalPort: POSTGRES_PORT,
    create: [
      ...["--network", network, "--network-alias", name, "--hostname", name, "--publish", `127.0.0.1::${PATRONI_PORT}`],
      ...["--memory", `${PATRONI_MEMORY_MB}m`, "--shm-size", "64m", "--stop-signal", PATRONI_STOP_SIGNAL],
      ...["--read-only", "--tmpfs", "/tmp", "--tmpfs", "/var/run/postgresql:uid=10002,gid=10002,mode=2775"],
      ...["--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
      ...Object.entries(environment).flatMap(([key, value]) => ["--env", `${key}=${value}`]),
    ],
    volumes: [POSTGRES_DATA_DIRECTORY, SECRETS],
    command: ["patroni"],
    files: PASSWORD_NAMES.map((file) => ({ path: `${SECRETS}/${file}`, content: passwords[file] })),
    ready: async ({ container }) => (await ask(container, "GET", "/health")).status === 200,
  });
  return {
    ...service,
    name,
    api: (method: "GET" | "POST", where: string, body?: object, as = PATRONI_API_USER) =>
      ask(service.container, method, where, body, as === PATRONI_API_USER ? passwords.patroni : undefined),
    sql: async <Row extends object>(sql: string, values: readonly unknown[] = [], user: SqlUser = "postgres") => {
      const { host, port } = service;
      const [password, database] = user === "postgres" ? [passwords.superuser, "postgres"] : [passwords[user], "app"];
      const client = new Client({ host, port, user, password, database, connectionTimeoutMillis: 2000 });
      // A server that goes down says so to idle connections too; the query under way fails by itself.
      client.on("error", () => undefined);
      await client.connect();
      try {
        return (await client.query<Row>(sql, [...values])).rows;
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

/** Waits until there is one primary and every other node streams from it, confirming what it writes. */
export async function streaming({ nodes, primaries }: PatroniGroup): Promise<PatroniNode> {
  let primary: PatroniNode | undefined;
  await eventually("one primary, and every other node a synchronous standby", async () => {
    [primary] = await primaries();
    const standbys = await primary?.sql<{ state: string; sync_state: string }>("SELECT state, sync_state FROM pg_stat_replication");
    if (standbys?.length !== nodes.length - 1) return false;
    if (!standbys.every(({ state, sync_state: sync }) => state === "streaming" && sync === "quorum")) return false;
    // Patroni has to know as well: it hands over to nobody else.
    const others = await Promise.all(nodes.filter((node) => node !== primary).map((node) => node.api("GET", "/quorum")));
    return others.every(({ status }) => status === 200);
  });
  return primary!;
}
