import { ETCD_PORT } from "../etcd/settings";
import { PATRONI_API_USER, PATRONI_PORT, POSTGRES_PORT } from "../postgres/patroni";
import { PGBOUNCER_OPERATOR } from "../pgbouncer/config";
import { PROXY_STATUS_PORT } from "../postgres-proxy/config";

/** Name under which it answers in the network. */
export const OPERATOR_ALIAS = "postgres-operator";

/** Port of health, metrics, status and `POST /switchover`; inside the network only. */
export const OPERATOR_PORT = 9105;

/** Names of the files with its secrets. */
export const SECRET_FILES = {
  patroni: "patroni_password",
  monitor: "monitor_password",
  pgbouncer: "pgbouncer_operator_password",
} as const;

/** What the operator looks after; no secret is among it. */
export interface OperatorSettings {
  /** Host names of the etcd members. */
  readonly etcdHosts: readonly string[];
  /** Names of the Patroni nodes, which are their host names. */
  readonly nodes: readonly string[];
  /** Name of the Patroni cluster. @default "postgres" */
  readonly scope?: string | undefined;
  /** PgBouncer in front of the proxy. */
  readonly pgbouncer: {
    readonly host: string;
    readonly port: number;
    /** Database that leads to the primary, which is paused during a switchover. @default "app" */
    readonly database?: string | undefined;
  };
  /** Whether the nodes are to make backups: then it is a problem when nobody tells of any. @default false */
  readonly backups?: boolean | undefined;
  /** Host name of the proxy between PgBouncer and the nodes. @default "postgres-proxy" */
  readonly proxyHost?: string | undefined;
}

/** Environment of its container. @param secrets directory of the files named in {@link SECRET_FILES} */
export function operatorEnvironment(settings: OperatorSettings, secrets: string): Record<string, string> {
  const { etcdHosts, nodes, scope = "postgres", pgbouncer, proxyHost = "postgres-proxy", backups = false } = settings;
  if (etcdHosts.length === 0) throw new RangeError("etcdHosts: [] is not allowed; give the host name of at least one etcd member.");
  if (nodes.length === 0) throw new RangeError("nodes: [] is not allowed; give the name of at least one Patroni node.");
  return {
    ETCD_URLS: etcdHosts.map((host) => `http://${host}:${ETCD_PORT}`).join(","),
    NODES: nodes.join(","),
    PATRONI_SCOPE: scope,
    PATRONI_PORT: String(PATRONI_PORT),
    PATRONI_USER: PATRONI_API_USER,
    PATRONI_PASSWORD_FILE: `${secrets}/${SECRET_FILES.patroni}`,
    POSTGRES_PORT: String(POSTGRES_PORT),
    MONITOR_USER: "monitor",
    MONITOR_PASSWORD_FILE: `${secrets}/${SECRET_FILES.monitor}`,
    PROXY_HOST: proxyHost,
    PROXY_STATUS_PORT: String(PROXY_STATUS_PORT),
    PGBOUNCER_HOST: pgbouncer.host,
    PGBOUNCER_PORT: String(pgbouncer.port),
    PGBOUNCER_USER: PGBOUNCER_OPERATOR,
    PGBOUNCER_DATABASE: pgbouncer.database ?? "app",
    PGBOUNCER_PASSWORD_FILE: `${secrets}/${SECRET_FILES.pgbouncer}`,
    BACKUPS_WANTED: String(backups),
    PORT: String(OPERATOR_PORT),
  };
}
