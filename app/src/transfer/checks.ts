import { assetDirectory } from "../assets";
import { type Migration, readMigrations } from "../db/migrate";
import { FIRST_SHARD } from "../db/shards/directory";
import { TargetFilledError, TransferError } from "./failure";
import type { Reader, Table, TableState } from "./store";
import { CARRIED_TABLES, LEFT_TABLES, OWN_TABLES } from "./tables";
import { columnKind } from "./values";

/** The two sides of a transfer, as sentences call them. */
export type Side = "source" | "target";

/**
 * Makes sure that a database has exactly the schema of this version of the app.
 * @returns `false` when it has none at all, which is allowed for a target.
 * @throws TransferError saying which migrations are missing, unknown or different.
 */
export async function checkMigrations(database: Reader, side: Side, known = migrationsOf(database)): Promise<boolean> {
  const applied = await database.migrations();
  if (applied.length === 0) {
    if (side === "target") return false;
    throw new TransferError(`the source ${database.name} has no tables of the app`, "Name the database the app runs on");
  }
  const unknown = applied.find(({ version }) => !known.some((migration) => migration.version === version));
  if (unknown !== undefined) {
    throw new TransferError(
      `the ${side} ${database.name} has migration ${unknown.name}, which this version of the app does not know`,
      "Use the version of the app that made it",
    );
  }
  const different = applied.find(({ version, checksum }) => known.some((one) => one.version === version && one.checksum !== checksum));
  if (different !== undefined) {
    throw new TransferError(
      `migration ${different.name} of the ${side} ${database.name} differs from this version's`,
      "Put the change into a migration of its own",
    );
  }
  const missing = known.filter(({ version }) => !applied.some((one) => one.version === version)).map(({ name }) => name);
  // A target is brought up to date; a source is somebody's running database.
  if (missing.length > 0 && side === "source") {
    throw new TransferError(
      `the source ${database.name} lacks ${missing.join(", ")}`,
      'Bring it up to date first: start this version of the app on it, or run "node main.js migrate"',
    );
  }
  return true;
}

function migrationsOf({ kind }: Reader): readonly Migration[] {
  return readMigrations(assetDirectory(`migrations/${kind}`));
}

/** @throws TransferError naming tables of the source that nobody decided about. @param leave tables that may stay behind, besides the app's */
export async function checkUnlisted(source: Reader, leave: readonly string[]): Promise<void> {
  const listed = new Set<string>([...CARRIED_TABLES, ...Object.keys(LEFT_TABLES), ...OWN_TABLES, ...leave]);
  const unlisted = [...(await source.tables())].filter((name) => !listed.has(name)).sort();
  if (unlisted.length === 0) return;
  throw new TransferError(
    `the source ${source.name} has tables that are not the app's and would stay behind: ${unlisted.join(", ")}`,
    `If that is meant, say so: ${unlisted.map((name) => `--leave ${name}`).join(" ")}`,
  );
}

/** What tells that a database is one of several with companies in others, and the column with their name. */
const SHARD_NAMES = { shard_name: "name", company_shards: "shard" } as const;

const SHARD_ROWS = 5000;

/** @throws TransferError when the source is one of several databases, and what is in the others would stay behind. */
export async function checkUndivided(source: Reader): Promise<void> {
  for (const [name, column] of Object.entries(SHARD_NAMES)) {
    const table = await source.describe(name);
    const indexOf = (wanted: string | undefined): number => table.columns.findIndex((each) => each.name === wanted);
    const [shard, key] = [indexOf(column), indexOf(table.key[0])];
    for (let rows = await source.read(table, undefined, SHARD_ROWS); rows.length > 0;) {
      const other = rows.find((row) => row[shard] !== FIRST_SHARD)?.[shard] ?? undefined;
      if (other !== undefined) {
        throw new TransferError(
          `the source ${source.name} is one of several databases (DATABASE_SHARDS), and companies are in "${other}" too, while a transfer carries one`,
          `Move every company to "${FIRST_SHARD}" with "node main.js move-company" first, and transfer the database of DATABASE_URL`,
        );
      }
      rows = await source.read(table, [rows.at(-1)?.[key] ?? null], SHARD_ROWS);
    }
  }
}

/** Tables that hold other rows than a transfer put there. @param copied what it put there; @default nothing */
export async function foreignRows(
  target: Reader,
  copied: readonly TableState[] = [],
): Promise<{ readonly table: string; readonly rows: number }[]> {
  const there = await target.tables();
  const foreign: { readonly table: string; readonly rows: number }[] = [];
  for (const table of CARRIED_TABLES.filter((name) => there.has(name))) {
    const rows = await target.count(table);
    if (rows !== (copied.find((one) => one.table === table)?.rows ?? 0)) foreign.push({ table, rows });
  }
  return foreign;
}

/** @throws TargetFilledError naming the tables of a target that have rows. @param copied rows of an unfinished transfer, which do not count */
export async function checkEmpty(target: Reader, copied: readonly TableState[] = []): Promise<void> {
  const filled = await foreignRows(target, copied);
  if (filled.length === 0) return;
  const list = filled.map(({ table, rows }) => `${table} (${rows.toLocaleString("en")})`).join(", ");
  throw new TargetFilledError(
    `the target ${target.name} has rows already: ${list}; nothing was changed`,
    "Rows are never mixed or replaced: use an empty database as target",
  );
}

/** A table with what both sides say of it. @throws TransferError when their columns are not the same. */
export async function commonTable(name: string, source: Reader, target: Reader): Promise<Table> {
  const [one, other] = [await source.describe(name), await target.describe(name)];
  const names = (table: Table): string => table.columns.map((column) => column.name).join(", ");
  if (names(one) !== names(other) || one.key.join() !== other.key.join()) {
    throw new TransferError(`table ${name} differs: the source has ${names(one)}, the target ${names(other)}`);
  }
  const columns = one.columns.map((column, index) => ({
    name: column.name,
    kind: columnKind(`${name}.${column.name}`, column.kind, other.columns[index]?.kind ?? column.kind),
  }));
  return { name, columns, key: one.key };
}
