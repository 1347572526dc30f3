import path from "node:path";
import { PGBOUNCER_PORT, renderPgbouncerUsers } from "../../../components/local/pgbouncer/config";
import { archiveOf } from "../../lib/archive";
import { bundleProgram } from "../../lib/bundle-program";
import { SERVICES } from "../../lib/docker-app";
import { SIDE_SERVICES } from "./cpu";
import { BENCH_DIRECTORY, PEER_PROGRAM, PEER_WAYS } from "./peer-contract";

/** Connections of pgbench, by name, in libpq's format; with passwords. */
export const SERVICE_FILE = `${BENCH_DIRECTORY}/pg_service.conf`;

/** Settings of the lone PgBouncer, and its users. */
export const LONE_CONFIG = `${BENCH_DIRECTORY}/pgbouncer.ini`;
const LONE_USERS = `${BENCH_DIRECTORY}/pgbouncer-users`;

/** The role that owns the app's tables, and the database they are in. */
const APP = "app";

export interface SideFilesOptions {
  /** Host name of the primary. */
  readonly primary: string;
  /** Password of the app's role. */
  readonly password: string;
  /** The `pgbouncer.ini` of the stack. */
  readonly pgbouncerConfig: string;
}

/** Archives for the three containers beside the stack. Files and not variables, which everybody can inspect; they end with the containers. */
export async function sideFiles({
  primary,
  password,
  pgbouncerConfig,
}: SideFilesOptions): Promise<Record<keyof typeof SIDE_SERVICES, Buffer>> {
  const url = (host: string, port: number): string => `postgres://${APP}:${encodeURIComponent(password)}@${host}:${port}/${APP}`;
  return {
    peer: await archiveOf(BENCH_DIRECTORY, {
      [PEER_PROGRAM]: await bundleProgram(path.join(__dirname, "peer.ts")),
      [PEER_WAYS.direct.urlFile]: url(primary, 5432),
      [PEER_WAYS.pooled.urlFile]: url(SERVICES.pgbouncer, PGBOUNCER_PORT),
    }),
    pgbench: await archiveOf(BENCH_DIRECTORY, { [SERVICE_FILE]: pgbenchServices(primary, password) }),
    lonePgbouncer: await archiveOf(BENCH_DIRECTORY, {
      [LONE_CONFIG]: loneConfig(pgbouncerConfig, primary),
      [LONE_USERS]: renderPgbouncerUsers({ [APP]: password }),
    }),
  };
}

/** What pgbench can be pointed at: the primary, with and without waiting for a standby, and either PgBouncer. */
export function pgbenchServices(primary: string, password: string): string {
  const service = (name: string, host: string, port: number, options = ""): string =>
    `[${name}]\nhost=${host}\nport=${port}\ndbname=${APP}\nuser=${APP}\npassword=${password}\n${options}`;
  return [
    service("direct", primary, 5432),
    service("async", primary, 5432, "options=-c synchronous_commit=local\n"),
    service("pooled", SERVICES.pgbouncer, PGBOUNCER_PORT),
    service("lone", SIDE_SERVICES.lonePgbouncer, PGBOUNCER_PORT),
  ].join("\n");
}

/**
 * The stack's own `pgbouncer.ini`, with the primary itself behind it instead of the proxy: every other setting is the same, so that what
 * differs between the two is the way to Postgres.
 * @throws Error when the file is not of the form that is expected.
 */
export function loneConfig(config: string, primary: string): string {
  const start = config.indexOf("[pgbouncer]");
  if (start < 0) throw new Error("The stack's pgbouncer.ini has no section [pgbouncer].");
  const settings = config.slice(start);
  if (!/^auth_file = .*$/m.test(settings)) throw new Error("The stack's pgbouncer.ini has no auth_file.");
  const databases = `[databases]\n${APP} = host=${primary} port=5432 dbname=${APP}\n\n`;
  return databases + settings.replace(/^auth_file = .*$/m, `auth_file = ${LONE_USERS}`);
}
