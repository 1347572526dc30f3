import type { Database, Queries } from "./database";
import { MigrationError } from "./migrate";
import { scramVerifier } from "./scram";

/** The login the app works with once its tables are there: it reads and writes rows, and creates nothing. */
export interface AppLogin {
  /** A name that needs no quotes. */
  readonly user: string;
  /** Printable ASCII. */
  readonly password: string;
}

/** One owner at a time makes the login and migrates; see `migrate.ts`. Doing it again does no harm. */
const ALONE = { lock: "schema migrations", idempotent: true } as const;

/** Rights of a role beyond logging in, as `pg_roles` names them. */
const POWERS = {
  rolsuper: "SUPERUSER",
  rolcreaterole: "CREATEROLE",
  rolcreatedb: "CREATEDB",
  rolreplication: "REPLICATION",
  rolbypassrls: "BYPASSRLS",
} as const;

type Role = Readonly<Record<keyof typeof POWERS, 0 | 1>>;

const ROLE = `SELECT ${Object.keys(POWERS).join(", ")} FROM pg_roles WHERE rolname = ?`;

const OWNED = "(SELECT oid FROM pg_roles WHERE rolname = current_user)";

/** Schemas of the owner: what migrations made beside `public`. */
const SCHEMAS = `SELECT quote_ident(nspname) AS name FROM pg_namespace WHERE nspowner = ${OWNED} ORDER BY nspname`;

/** Tables, views and sequences of the owner; what extensions made belongs to others. */
const RELATIONS = `SELECT quote_ident(nspname) || '.' || quote_ident(relname) AS name, relkind = 'S' AS sequence
  FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
  WHERE relowner = ${OWNED} AND relkind IN ('r', 'p', 'v', 'm', 'S') AND nspname NOT LIKE 'pg\\_%' ORDER BY nspname, relname`;

const ROWS = "SELECT, INSERT, UPDATE, DELETE";
const SEQUENCES = "USAGE, SELECT";

/**
 * Makes the app's login where there is none, gives it its password and the rights of `components/local/postgres/privileges.sql`, for tables
 * that exist and for those that migrations will make. To be run as the owner of the tables, who needs CREATEROLE.
 *
 * The password is sent as what Postgres keeps of it, so that it is in no log of the server.
 * @throws MigrationError when there is a role of that name with more rights than it should have.
 */
export async function ensureLogin(database: Database, { user, password }: AppLogin): Promise<void> {
  const verifier = await scramVerifier(password);
  await database.transaction(async (transaction) => {
    const existing = await transaction.get<Role>(ROLE, [user]);
    if (existing !== undefined) refusePowers(user, existing);
    await transaction.script(`${existing === undefined ? "CREATE" : "ALTER"} ROLE "${user}" LOGIN PASSWORD '${verifier}'`);
    await transaction.script(await grants(transaction, user));
  }, ALONE);
}

function refusePowers(user: string, role: Role): void {
  const powers = (Object.keys(POWERS) as (keyof typeof POWERS)[]).filter((column) => role[column] === 1).map((column) => POWERS[column]);
  if (powers.length === 0) return;
  throw new MigrationError(
    `DATABASE_APP_USER: the role "${user}" exists and has ${powers.join(", ")}; the app's login may only log in. Use another name, or take these rights away.`,
  );
}

async function grants(queries: Queries, user: string): Promise<string> {
  const role = `"${user}"`;
  const database = await queries.get<{ name: string }>("SELECT quote_ident(current_database()) AS name");
  const schemas = await queries.all<{ name: string }>(SCHEMAS);
  const relations = await queries.all<{ name: string; sequence: 0 | 1 }>(RELATIONS);
  return [
    // Nobody gets in who is not named, and nobody but the owner creates anything, temporary tables included.
    `REVOKE ALL ON DATABASE ${database?.name ?? ""} FROM PUBLIC`,
    `GRANT CONNECT ON DATABASE ${database?.name ?? ""} TO ${role}`,
    "REVOKE ALL ON SCHEMA public FROM PUBLIC",
    ...["public", ...schemas.map(({ name }) => name)].map((name) => `GRANT USAGE ON SCHEMA ${name} TO ${role}`),
    ...relations.map(({ name, sequence }) =>
      sequence === 1 ? `GRANT ${SEQUENCES} ON SEQUENCE ${name} TO ${role}` : `GRANT ${ROWS} ON TABLE ${name} TO ${role}`,
    ),
    // For all that migrations will ever make, by whoever runs this.
    `ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO ${role}`,
    `ALTER DEFAULT PRIVILEGES GRANT ${ROWS} ON TABLES TO ${role}`,
    `ALTER DEFAULT PRIVILEGES GRANT ${SEQUENCES} ON SEQUENCES TO ${role}`,
  ].join(";\n");
}
