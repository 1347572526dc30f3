/** What PgBouncer listens on inside its container. */
export const PGBOUNCER_PORT = 6432;

/** Where its users and their passwords are; on the stack's secrets volume. */
export const PGBOUNCER_USERS_PATH = "/run/secrets/pgbouncer-users";

/** Who may pause, resume and reload it. */
export const PGBOUNCER_OPERATOR = "operator";

/** Who may look at its figures (SHOW POOLS): the exporter's user, who is one of Postgres, too. */
export const PGBOUNCER_MONITOR = "monitor";

/** How PgBouncer is set up. Durations are seconds. */
export interface PgbouncerSettings {
  /**
   * The one server behind it, Postgres or the HAProxy that knows the primary: its host name, or the directory with its sockets. Never a list:
   * PgBouncer would take them in turn. A name that comes to another address is gone after for up to ten minutes; see `PROXY_SOCKETS`.
   */
  readonly serverHost: string;
  /**
   * Host names of the servers themselves, at port 5432: each gets a database of its own, {@link nodeDatabase}. Replicas are read one by
   * one, because what one of them has replayed says nothing about another. @default none
   */
  readonly nodes?: readonly string[];
  /** Ports of `serverHost` that lead to each of {@link nodes}, in their order. @default none: the nodes are asked themselves, at 5432 */
  readonly nodePorts?: readonly number[];
  /** Connections to each of {@link nodes}. @default the same as poolSize */
  readonly nodePoolSize?: number;
  /** @default 5432 */
  readonly serverPort?: number;
  /** Name of the database, for clients and on the server. @default "app" */
  readonly database?: string;
  /** Connections to the server for each user and database. @default 20 */
  readonly poolSize?: number;
  /** Further connections once a client has waited for 2 s. @default 5, none for a pool below 10 */
  readonly reservePoolSize?: number;
  /** Connections it accepts. @default 2000 */
  readonly maxClients?: number;
}

const SETTING = /^[\w.-]{1,253}$/;

/** The address of a socket has 107 characters, of which `/.s.PGSQL.65535` takes 15. */
const DIRECTORY = /^\/[\w./-]{1,90}$/;

/** More than any server of this stack carries. */
const MOST_CONNECTIONS = 10_000;

/** Each client is a file descriptor, and containers get 16,384 of them. */
const MOST_CLIENTS = 12_000;

/** Name of PgBouncer's own console. */
const CONSOLE = "pgbouncer";

/** Connections PgBouncer may open: its pool, and its reserve. */
export interface PgbouncerPool {
  readonly poolSize: number;
  readonly reservePoolSize: number;
  /** To each node by itself; 0 without nodes. */
  readonly nodePoolSize: number;
}

/** The sizes that settings lead to. */
export function pgbouncerPool(settings: PgbouncerSettings): PgbouncerPool {
  const { poolSize = 20, reservePoolSize = poolSize < 10 ? 0 : 5, nodePoolSize = poolSize, nodes = [] } = settings;
  return { poolSize, reservePoolSize, nodePoolSize: nodes.length === 0 ? 0 : nodePoolSize };
}

/** Connections that one PgBouncer may have open at once: to the primary, and to every node by itself. */
export function pgbouncerConnections(settings: PgbouncerSettings): number {
  const { poolSize, reservePoolSize, nodePoolSize } = pgbouncerPool(settings);
  return poolSize + reservePoolSize + (settings.nodes ?? []).length * nodePoolSize;
}

/** What PgBouncer calls the database on one node, e.g. `app_pg-1`. */
export function nodeDatabase(node: string, database = "app"): string {
  return `${database}_${node}`;
}

/**
 * Connections of a server that are no pool's: the three Postgres keeps for superusers, Patroni and pg_rewind, migrations (which go past
 * PgBouncer, one for each instance that starts), exporters, backups and people. Replicas are not among them: Postgres counts those apart.
 */
export const RESERVED_CONNECTIONS = 30;

/**
 * `max_connections` for a server behind these PgBouncers, so that none of them is ever refused: all of their pools full, and the reserve.
 * After a failover every one of them may be at the same server, which has been read as a replica until then.
 */
export function postgresConnections(pgbouncers: readonly PgbouncerSettings[]): number {
  return pgbouncers
    .map(pgbouncerPool)
    .reduce((sum, pool) => sum + pool.poolSize + pool.reservePoolSize + pool.nodePoolSize, RESERVED_CONNECTIONS);
}

/**
 * `pgbouncer.ini` (manual of 1.24). What differs from its defaults, and why:
 * transaction mode, for many clients on few connections; prepared statements are known to it, as many as a process of the app names (`MOST_NAMES`);
 * `server_login_retry 0.1`, because by default it refuses everybody for 15 s after one failed login, and a failover takes less: with 1 s up
 * to a second was added to every one; with 0.25 s a restart of the proxy took 2.02 s (longest of ten 2.77), with 0.1 s 1.72 s (1.97);
 * `query_wait_timeout 25`: a client waits through a failover instead of being refused; dead servers are noticed in seconds.
 *
 * @throws RangeError for a setting that the file could not hold.
 */
export function renderPgbouncerConfig(settings: PgbouncerSettings): string {
  const { serverHost, serverPort = 5432, nodes = [], nodePorts, database = "app", maxClients = 2000 } = settings;
  const { poolSize, reservePoolSize, nodePoolSize } = pgbouncerPool(settings);
  for (const [name, value] of [["serverHost", serverHost], ["database", database], ...nodes.map((node) => ["nodes", node] as const)]) {
    if (name === "serverHost" && DIRECTORY.test(value)) continue;
    if (!SETTING.test(value) || value === CONSOLE) {
      throw new RangeError(
        `${name}: ${JSON.stringify(value)} is not allowed; use letters, digits, dots, dashes and underscores, but not "${CONSOLE}".`,
      );
    }
  }
  const twice = nodes.find((node, index) => nodes.indexOf(node) !== index);
  if (twice !== undefined) throw new RangeError(`nodes: "${twice}" is there twice; name each server once.`);
  if (nodePorts !== undefined && nodePorts.length !== nodes.length) {
    throw new RangeError(`nodePorts: [${nodePorts.join(", ")}] is not allowed; give one for each of ${nodes.length} nodes.`);
  }
  for (const [name, value, least, most] of [
    ["serverPort", serverPort, 1, 65_535],
    ...(nodePorts ?? []).map((port) => ["nodePorts", port, 1, 65_535] as const),
    ["poolSize", poolSize, 1, MOST_CONNECTIONS],
    ["reservePoolSize", reservePoolSize, 0, MOST_CONNECTIONS],
    ["nodePoolSize", nodes.length === 0 ? 1 : nodePoolSize, 1, MOST_CONNECTIONS],
    ["maxClients", maxClients, 1, MOST_CLIENTS],
  ] as const) {
    if (!Number.isInteger(value) || value < least || value > most)
      throw new RangeError(`${name}: ${value} is not allowed; use a whole number from ${least} to ${most}.`);
  }
  const lines = {
    listen_addr: "0.0.0.0",
    listen_port: PGBOUNCER_PORT,
    unix_socket_dir: "",
    auth_type: "scram-sha-256",
    auth_file: PGBOUNCER_USERS_PATH,
    admin_users: PGBOUNCER_OPERATOR,
    stats_users: PGBOUNCER_MONITOR,
    pool_mode: "transaction",
    max_client_conn: maxClients,
    default_pool_size: poolSize,
    reserve_pool_size: reservePoolSize,
    // Pools are per user; this holds for all of them together, so that the server's connections can be reckoned with.
    max_db_connections: poolSize + reservePoolSize,
    reserve_pool_timeout: 2,
    max_prepared_statements: 50,
    server_login_retry: 0.1,
    server_connect_timeout: 2,
    server_lifetime: 600,
    server_idle_timeout: 60,
    query_wait_timeout: 25,
    tcp_keepalive: 1,
    tcp_keepidle: 5,
    tcp_keepintvl: 2,
    tcp_keepcnt: 3,
    // Milliseconds, unlike the others.
    tcp_user_timeout: 5000,
    // Some drivers send it at the start of a connection; it changes nothing since Postgres 12.
    ignore_startup_parameters: "extra_float_digits",
    log_connections: 0,
    log_disconnections: 0,
    stats_period: 60,
  };
  const nodePool = `pool_size=${nodePoolSize} reserve_pool_size=0 max_db_connections=${nodePoolSize}`;
  return [
    "[databases]",
    // Dashes and dots are as good as letters here; quotes, which the manual asks for, are a syntax error to 1.24.
    `${database} = host=${serverHost} port=${serverPort} dbname=${database}`,
    ...nodes.map((node, index) => {
      const server = nodePorts === undefined ? `host=${node} port=5432` : `host=${serverHost} port=${nodePorts[index]}`;
      return `${nodeDatabase(node, database)} = ${server} dbname=${database} ${nodePool}`;
    }),
    "",
    "[pgbouncer]",
    ...Object.entries(lines).map(([name, value]) => `${name} = ${value}`),
    "",
  ].join("\n");
}

/** The users' file: a name and a password a line, quotes doubled. The password in plain text, because PgBouncer logs in with it as well. */
export function renderPgbouncerUsers(users: Readonly<Record<string, string>>): string {
  const quoted = (text: string): string => {
    if (/[\r\n\0]/.test(text)) throw new RangeError("Names and passwords of database users must be of one line.");
    return `"${text.replaceAll('"', '""')}"`;
  };
  return Object.entries(users)
    .map(([name, password]) => `${quoted(name)} ${quoted(password)}\n`)
    .join("");
}
