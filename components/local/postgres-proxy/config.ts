import { PATRONI_PORT, POSTGRES_PORT } from "../postgres/patroni";

/** Port that leads to the primary. */
export const PRIMARY_PORT = 5000;

/** Port that leads to replicas that are not far behind, and to the primary when there is none. */
export const REPLICA_PORT = 5001;

/**
 * Directory with the sockets on which PgBouncer, on the same host, is served: a volume that both mount. Not by the proxy's name, because its address
 * changes when it is replaced, and PgBouncer goes to a former one for ten minutes: c-ares since 1.31 keeps answers for as long as their TTL says
 * (`qcache_max_ttl` in ares_options.c), of Docker's DNS 600 s, whatever PgBouncer's own `dns_max_ttl` is. And a socket that nobody listens on refuses at once,
 * while what is sent to a container that is just starting again is lost, and TCP repeats it after a second.
 */
export const PROXY_SOCKETS = "/run/postgres-proxy";

/** Sockets are called as Postgres' own, after a port: that of the first node; the others follow. */
const FIRST_NODE_PORT = 5101;

/** Port in the name of the socket that leads to one node, whatever that is now. @param index its place among the nodes, from 0 */
export function nodePort(index: number): number {
  return FIRST_NODE_PORT + index;
}

/** A replacement puts its own socket in the place of the former one's, which then serves those who are connected. */
function socket(port: number): string {
  return `    bind ${PROXY_SOCKETS}/.s.PGSQL.${port} mode 666`;
}

/** Port of health, `/primary` (who it leads to) and Prometheus metrics; inside the network only. */
export const PROXY_STATUS_PORT = 8404;

/** What the rendered configuration depends on. */
export interface PostgresProxySettings {
  /** Host names of the Patroni nodes. */
  readonly nodes: readonly string[];
  /** A replica further behind than this is not read from; MiB. @default 10 */
  readonly maxLagMb?: number | undefined;
  /** Connections held at once, of each port; twice as many of all, those to single nodes included. More wait. At most {@link MOST_CONNECTIONS}. @default 500 */
  readonly maxConnections?: number | undefined;
}

/** Two ports with two file descriptors a connection, and a container has 16,384 of them. */
export const MOST_CONNECTIONS = 4000;

/** What an unused and a used connection cost, and HAProxy itself: see {@link proxyMemoryMb}. */
const BASE_MB = 48;
const CONNECTION_KB = 40;

/** Memory limit that carries so many connections of each port: two buffers of 16 KiB for each, and as much again as HAProxy itself. */
export function proxyMemoryMb(maxConnections = 500): number {
  return BASE_MB + Math.ceil((2 * maxConnections * CONNECTION_KB) / 1024);
}

const HOST = /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * Renders haproxy.cfg (HAProxy 3.0) of the proxy between PgBouncer and the Postgres nodes. Patroni says who is what; the checks are those
 * of data-plane.md, so that a change of the primary is noticed within two of them, 500 ms apart.
 *
 * @throws RangeError when a name is no host name or a number not usable.
 */
export function renderPostgresProxyConfig({ nodes, maxLagMb = 10, maxConnections = 500 }: PostgresProxySettings): string {
  for (const node of nodes) {
    if (!HOST.test(node)) {
      throw new RangeError(`nodes: ${JSON.stringify(node)} is not allowed; use lower-case letters, digits and dashes, a letter first.`);
    }
  }
  if (nodes.length === 0 || new Set(nodes).size !== nodes.length) {
    throw new RangeError(`nodes: [${nodes.join(", ")}] is not allowed; give different host names, at least one.`);
  }
  if (!Number.isSafeInteger(maxLagMb) || maxLagMb < 1) {
    throw new RangeError(`maxLagMb: ${maxLagMb} is not allowed; use a positive integer.`);
  }
  if (!Number.isInteger(maxConnections) || maxConnections < 1 || maxConnections > MOST_CONNECTIONS) {
    throw new RangeError(`maxConnections: ${maxConnections} is not allowed; use an integer from 1 to ${MOST_CONNECTIONS}.`);
  }
  return [
    ...globalSection(maxConnections),
    ...defaultsSection(maxConnections),
    ...resolversSection(),
    ...primarySection(nodes),
    ...replicaSections(nodes, maxLagMb),
    ...nodeSections(nodes),
    ...statusFrontend(nodes),
  ]
    .join("\n")
    .concat("\n");
}

function globalSection(connections: number): string[] {
  return [
    "global",
    "    log stdout format raw local0 notice",
    `    maxconn ${2 * connections + 100}`,
    // Bytes are copied and health is asked: one thread is more than enough.
    "    nbthread 1",
    // After the stop signal it takes no connections, and those it has may go on for so long: until PgBouncer has moved to its successor.
    `    hard-stop-after ${PROXY_DRAIN_SECONDS}s`,
    "",
  ];
}

/** Seconds for which a proxy that is to stop keeps the connections it has. */
export const PROXY_DRAIN_SECONDS = 10;

function defaultsSection(maxConnections: number): string[] {
  return [
    "defaults",
    "    mode tcp",
    "    log global",
    `    maxconn ${maxConnections}`,
    "    option dontlognull",
    "    option tcp-smart-connect",
    // A peer that vanished is noticed within 5 + 3 × 2 seconds, and not by a time-out of the next query.
    "    option clitcpka",
    "    option srvtcpka",
    ...["clitcpka", "srvtcpka"].flatMap((side) => [`    ${side}-idle 5s`, `    ${side}-intvl 2s`, `    ${side}-cnt 3`]),
    // Who has just died is still thought to be up, and answers nothing. PgBouncer opens one connection at a time while it has none: one that is
    // tried at a dead address for seconds is seconds without a server. Within the network connecting takes less than a millisecond.
    "    retries 2",
    "    option redispatch 1",
    "    timeout connect 300ms",
    // On a machine that is short of CPU Patroni takes a second or more to answer. Who is dead is refused or has no name, and that is noticed
    // at once; who is paused keeps its lease for 20 s anyway.
    "    timeout check 2s",
    "    timeout queue 5s",
    // Pools keep idle connections for as long as they like; what ends them is the pools' own lifetime.
    "    timeout client 24h",
    "    timeout server 24h",
    "",
  ];
}

function resolversSection(): string[] {
  return [
    "resolvers docker",
    "    nameserver embedded 127.0.0.11:53",
    "    accepted_payload_size 8192",
    "    resolve_retries 3",
    "    timeout resolve 500ms",
    "    timeout retry 500ms",
    "    hold valid 500ms",
    // A container that is gone has no name; its address may soon be another container's.
    "    hold nx 1s",
    "    hold obsolete 1s",
    "    hold timeout 30s",
    "    hold refused 30s",
    "    hold other 30s",
    "",
  ];
}

/** Checks that ask Patroni; connections to whoever is not that any more are ended, so that pools connect to who is now. */
const SERVER_DEFAULTS = [
  "    http-check expect status 200",
  "    default-server inter 500ms fastinter 250ms downinter 500ms fall 2 rise 1 on-marked-down shutdown-sessions",
];

function server(node: string, check: string): string {
  return `    server ${node} ${node}:${POSTGRES_PORT} ${check} resolvers docker init-addr last,libc,none`;
}

const OWN_CHECK = `check port ${PATRONI_PORT}`;

/** OPTIONS: Patroni's way of answering with a status only. To GET it tells its whole state, and complains when nobody reads it to the end. */
function asks(path: string): string {
  return `    option httpchk OPTIONS ${path}`;
}

function primarySection(nodes: readonly string[]): string[] {
  return [
    "listen primary",
    `    bind :${PRIMARY_PORT}`,
    socket(PRIMARY_PORT),
    // A proxy that has just started takes all nodes for primary until it has asked them, and one that was cut off takes itself for it until
    // it has asked etcd. Nobody is led anywhere meanwhile: PgBouncer tries again at once.
    "    tcp-request connection reject if { nbsrv(primary) gt 1 }",
    asks("/primary"),
    ...SERVER_DEFAULTS,
    ...nodes.map((node) => server(node, OWN_CHECK)),
    "",
  ];
}

function replicaSections(nodes: readonly string[], maxLagMb: number): string[] {
  return [
    "frontend replicas",
    `    bind :${REPLICA_PORT}`,
    "    use_backend primary_reads if { nbsrv(replicas_read) eq 0 }",
    "    default_backend replicas_read",
    "",
    "backend replicas_read",
    "    balance leastconn",
    asks(`/replica?lag=${maxLagMb}MB`),
    ...SERVER_DEFAULTS,
    ...nodes.map((node) => server(node, OWN_CHECK)),
    "",
    // Reads of a cluster without a usable replica go on. Who is primary is known already.
    "backend primary_reads",
    "    default-server on-marked-down shutdown-sessions",
    ...nodes.map((node) => server(node, `track primary/${node}`)),
    "",
  ];
}

/** Each node by itself, for reads: which of them may be asked is for the app to see. One that vanished is noticed by what it does not acknowledge. */
function nodeSections(nodes: readonly string[]): string[] {
  return nodes.flatMap((node, index) => [
    `listen node-${node}`,
    socket(nodePort(index)),
    `    server ${node} ${node}:${POSTGRES_PORT} tcp-ut 5s resolvers docker init-addr last,libc,none`,
    "",
  ]);
}

/** One proxy leads to one node at most, as long as Patroni does its work; should it be two, both are named. */
function statusFrontend(nodes: readonly string[]): string[] {
  return [
    "frontend status",
    "    mode http",
    `    bind :${PROXY_STATUS_PORT}`,
    "    timeout client 10s",
    "    http-request use-service prometheus-exporter if { path /metrics }",
    // Healthy as a proxy, also while there is nobody to lead to: restarting it would not help.
    '    http-request return status 200 content-type text/plain string "ok" if { path /health }',
    ...nodes.map((node) => `    http-request set-var-fmt(txn.primary) "%[var(txn.primary)]${node} " if { srv_is_up(primary/${node}) }`),
    '    http-request return status 200 content-type text/plain lf-string "%[var(txn.primary)]" if { path /primary } { nbsrv(primary) gt 0 }',
    '    http-request return status 503 content-type text/plain string "no primary" if { path /primary }',
    "    http-request return status 404",
    "",
  ];
}
