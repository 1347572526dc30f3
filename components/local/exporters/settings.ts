import { stringify } from "yaml";
import { PGBOUNCER_MONITOR } from "../pgbouncer";
import { EXPORTER_PORTS, type Exporter } from "./ports";

/** How the exporter of Postgres logs in, see {@link renderPostgresExporterConfig}; Prometheus names it with every scrape. */
export const POSTGRES_AUTH_MODULE = "monitor";

/** Files with secrets, by name. */
export const EXPORTER_FILES = { postgres: "postgres-exporter.yml", pgbouncer: "pgpass" } as const;

/** What an exporter is started with. */
export interface ExporterCommand {
  readonly entrypoint: string;
  readonly arguments: readonly string[];
}

/** Collectors of the host that a container without privileges sees as the host has them: `/proc` has no namespace for these. */
const NODE_COLLECTORS = ["cpu", "diskstats", "filesystem", "loadavg", "meminfo", "stat", "uname", "vmstat"] as const;

/**
 * How each exporter is started. None of them is given a secret this way.
 *
 * - The host: no directory of it is mounted. The root of a container is an overlay on the disk that Docker keeps everything on, so its
 *   size and what is free of it are that disk's.
 * - Redis: as `health`, who has no secret and may do nothing but PING and INFO; which server is said with each scrape.
 *
 * @param secrets directory of the files named in {@link EXPORTER_FILES}
 * @param pgbouncer `host:port` of PgBouncer
 */
export function exporterCommand(exporter: Exporter, secrets: string, pgbouncer: string): ExporterCommand {
  const listen = `--web.listen-address=:${EXPORTER_PORTS[exporter]}`;
  switch (exporter) {
    case "node-exporter":
      return {
        entrypoint: "prometheus-node-exporter",
        arguments: [
          listen,
          "--collector.disable-defaults",
          ...NODE_COLLECTORS.map((name) => `--collector.${name}`),
          "--collector.filesystem.mount-points-exclude=^/.+",
          "--collector.filesystem.fs-types-exclude=^(proc|sysfs|tmpfs)$",
        ],
      };
    case "postgres-exporter":
      return {
        entrypoint: "prometheus-postgres-exporter",
        // It says at every scrape that it has connected.
        arguments: [listen, `--config.file=${secrets}/${EXPORTER_FILES.postgres}`, "--log.level=warn"],
      };
    case "pgbouncer-exporter":
      return {
        entrypoint: "pgbouncer-exporter.sh",
        arguments: [
          listen,
          "--log.level=warn",
          `--pgBouncer.connectionString=postgres://${PGBOUNCER_MONITOR}@${pgbouncer}/pgbouncer?sslmode=disable`,
        ],
      };
    case "redis-exporter":
      return {
        entrypoint: "prometheus-redis-exporter",
        // It asks nothing of a server of its own, and neither CONFIG nor CLIENT, which `health` may not use.
        arguments: [
          listen,
          "--redis.addr=",
          "--redis.user=health",
          "--redis.password=health",
          "--config-command=-",
          "--set-client-name=false",
        ],
      };
  }
}

/**
 * What one look at Postgres may wait for, below the 10 s after which Prometheus gives it up: figures of a table that somebody holds (an ALTER TABLE that
 * takes minutes) wait as well, and each look would leave two connections waiting, until there were none left for anybody.
 */
const POSTGRES_WAIT_SECONDS = 3;

/** Configuration of the exporter of Postgres: whom it logs in as. @param password of `monitor` */
export function renderPostgresExporterConfig(password: string): string {
  const userpass = { username: "monitor", password };
  // Without a name of a database it would be that of the user.
  const waits = { connect_timeout: String(POSTGRES_WAIT_SECONDS), statement_timeout: String(POSTGRES_WAIT_SECONDS * 1000) };
  const options = { sslmode: "disable", dbname: "app", ...waits };
  return stringify({ auth_modules: { [POSTGRES_AUTH_MODULE]: { type: "userpass", userpass, options } } });
}

/** Password file of libpq. @param password of `monitor` @throws RangeError when it does not fit on a line. */
export function renderPasswordFile(password: string): string {
  if (/[\r\n\0]/.test(password)) throw new RangeError("The password of monitor must be of one line.");
  return `*:*:*:${PGBOUNCER_MONITOR}:${password.replace(/[\\:]/g, "\\$&")}\n`;
}
