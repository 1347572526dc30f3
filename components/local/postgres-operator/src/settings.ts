import { readFileSync } from "node:fs";

/** What the program was told by its environment; see ../settings.ts, which makes it. */
export interface Settings {
  readonly etcdUrls: readonly string[];
  readonly nodes: readonly string[];
  readonly scope: string;
  readonly postgres: { readonly port: number; readonly user: string; readonly password: string };
  readonly patroni: { readonly port: number; readonly user: string; readonly password: string };
  readonly proxy: { readonly host: string; readonly statusPort: number };
  readonly pgbouncer: PgbouncerAddress;
  /** Whether the nodes are to make backups. */
  readonly backups: boolean;
  /** Port to listen on. */
  readonly port: number;
}

/** How PgBouncer's console is reached, and the database that is paused. */
export interface PgbouncerAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

const NAME = /^[A-Za-z0-9_.-]+$/;

/** @throws Error with one sentence that names the variable, its value and what is allowed. */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const text = (name: string): string => {
    const value = env[name] ?? "";
    if (!NAME.test(value))
      throw new Error(`${name}: ${JSON.stringify(value)} is not allowed; use letters, digits, dots, dashes and underscores.`);
    return value;
  };
  const port = (name: string): number => {
    const value = Number(env[name]);
    if (!Number.isInteger(value) || value < 1 || value > 65_535) {
      throw new Error(`${name}: ${JSON.stringify(env[name] ?? "")} is not allowed; use a port from 1 to 65535.`);
    }
    return value;
  };
  const list = (name: string, what: string): string[] => {
    const values = (env[name] ?? "").split(",").filter((value) => value !== "");
    if (values.length === 0) throw new Error(`${name}: not set; give ${what}, separated by commas.`);
    return values;
  };
  const flag = (name: string): boolean => {
    const value = env[name];
    if (value !== "true" && value !== "false")
      throw new Error(`${name}: ${JSON.stringify(value ?? "")} is not allowed; use true or false.`);
    return value === "true";
  };
  const secret = (name: string): string => {
    const file = env[`${name}_FILE`] ?? "";
    try {
      // Without a line feed that an editor may have left; passwords are of one line.
      return readFileSync(file, "utf8").replace(/\n$/, "");
    } catch (error) {
      throw new Error(`${name}_FILE: ${JSON.stringify(file)} cannot be read; give the path of a readable file.`, { cause: error });
    }
  };
  return {
    etcdUrls: list("ETCD_URLS", "the addresses of etcd, such as http://etcd-1:2379"),
    nodes: list("NODES", "the names of the nodes"),
    scope: text("PATRONI_SCOPE"),
    postgres: { port: port("POSTGRES_PORT"), user: text("MONITOR_USER"), password: secret("MONITOR_PASSWORD") },
    patroni: { port: port("PATRONI_PORT"), user: text("PATRONI_USER"), password: secret("PATRONI_PASSWORD") },
    proxy: { host: text("PROXY_HOST"), statusPort: port("PROXY_STATUS_PORT") },
    pgbouncer: {
      host: text("PGBOUNCER_HOST"),
      port: port("PGBOUNCER_PORT"),
      user: text("PGBOUNCER_USER"),
      password: secret("PGBOUNCER_PASSWORD"),
      database: text("PGBOUNCER_DATABASE"),
    },
    backups: flag("BACKUPS_WANTED"),
    port: port("PORT"),
  };
}
