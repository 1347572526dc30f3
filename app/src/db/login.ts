import { randomBytes } from "node:crypto";
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
    if (existing !== undefined) refusePowers("DATABASE_APP_USER", user, existing);
    await transaction.script(`${existing === undefined ? "CREATE" : "ALTER"} ROLE "${user}" LOGIN PASSWORD '${verifier}'`);
    await transaction.script(await grants(transaction, user));
  }, ALONE);
}

/** Group of those whom Amazon RDS lets in by tokens of IAM, and not by a password any more. */
const RDS_GROUP = "rds_iam";

/**
 * The same for a login that has no password: Amazon RDS lets it in by tokens (`iam.ts`). Another name than the one with a password, so that
 * instances of the former configuration go on while those of the new one start, and the way back is open.
 *
 * Who makes a role is a member of it from Postgres 16 on, and so of its groups; RDS would ask the owner for a token then, and its password would
 * be worth nothing. So the role is made by another one, which exists for that moment only.
 * @throws MigrationError when there is a role of that name with more rights than it should have, or the server is not one of RDS.
 */
export async function ensureIamLogin(database: Database, user: string): Promise<void> {
  await database.transaction(async (transaction) => {
    if ((await transaction.get(ROLE, [RDS_GROUP])) === undefined) {
      throw new MigrationError(
        `DATABASE_IAM_USER: the server has no role ${RDS_GROUP}; only Amazon RDS has it, with IAM authentication switched on. Switch it on, or remove the variable.`,
      );
    }
    const existing = await transaction.get<Role>(ROLE, [user]);
    if (existing === undefined) await transaction.script(madeByAnother(user));
    else refusePowers("DATABASE_IAM_USER", user, existing);
    await transaction.script(`GRANT ${RDS_GROUP} TO "${user}"`);
    await transaction.script(await grants(transaction, user));
  }, ALONE);
}

function madeByAnother(user: string): string {
  // Names have 63 characters at most; the user's may have as many.
  const maker = `"maker_${randomBytes(8).toString("hex")}"`;
  return [
    `CREATE ROLE ${maker} CREATEROLE`,
    `GRANT ${maker} TO CURRENT_USER`,
    `SET LOCAL ROLE ${maker}`,
    `CREATE ROLE "${user}" LOGIN`,
    "RESET ROLE",
    `DROP ROLE ${maker}`,
  ].join(";\n");
}

function refusePowers(variable: string, user: string, role: Role): void {
  const powers = (Object.keys(POWERS) as (keyof typeof POWERS)[]).filter((column) => role[column] === 1).map((column) => POWERS[column]);
  if (powers.length === 0) return;
  throw new MigrationError(
    `${variable}: the role "${user}" exists and has ${powers.join(", ")}; the app's login may only log in. Use another name, or take these rights away.`,
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
