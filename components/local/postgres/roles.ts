/** Directory of the passwords' files in every node. */
const SECRETS_DIRECTORY = "/run/secrets";

/**
 * Who may log in, and the variable by which entrypoint.sh is told its password. Least privilege: everybody has a role of their own.
 * - `superuser` is `postgres`: Patroni and people in need.
 * - `replication` (`replicator`) and `rewind` (`rewinder`) are for the nodes among each other.
 * - `owner` owns the database `app` and its schema; migrations run as it.
 * - `app` reads and writes the rows of everything `owner` creates, and can create nothing.
 * - `readonly` reads the same. `monitor` sees the server's figures (`pg_monitor`), may ask for a checkpoint, and sees no data.
 * - `patroni` is no role of Postgres: the user of Patroni's REST API.
 */
export const PASSWORD_VARIABLES = {
  superuser: "POSTGRES_PASSWORD",
  replication: "REPLICATION_PASSWORD",
  rewind: "REWIND_PASSWORD",
  owner: "OWNER_PASSWORD",
  app: "APP_PASSWORD",
  readonly: "READONLY_PASSWORD",
  monitor: "MONITOR_PASSWORD",
  patroni: "PATRONI_PASSWORD",
} as const;

/** Name of a password, and of its file. */
export type PasswordName = keyof typeof PASSWORD_VARIABLES;

/** All of them. */
export const PASSWORD_NAMES = Object.keys(PASSWORD_VARIABLES) as PasswordName[];

/** Passwords that other services need; those of the nodes among each other stay with them. */
export type SharedPassword = Exclude<PasswordName, "replication" | "rewind">;

/** Variables that tell a node where its passwords are. */
export function passwordFiles(directory: string = SECRETS_DIRECTORY): Readonly<Record<string, string>> {
  return Object.fromEntries(PASSWORD_NAMES.map((name) => [`${PASSWORD_VARIABLES[name]}_FILE`, `${directory}/${name}`]));
}
