import type { MoveSession } from "./session";
import { type MovedTable, OUTBOX } from "./tables";

/** One row as JSON that only the servers read, so that no value is ever changed by this program; and its key. */
export interface MovedRow {
  readonly row: string;
  /** JSON, an array of texts. */
  readonly key: string;
}

const CURSOR = "moved_rows";

/** Rows of a first batch, and of changes read at once; and the text of one batch, characters: a row may hold a document's text. */
const FIRST_ROWS = 100;
const BATCH_CHARACTERS = 4_000_000;

/** The company's rows of a table, in the order of their key, batch by batch. Within a transaction. */
export async function* batchesOf(
  source: MoveSession,
  table: MovedTable,
  companyId: string,
  after: string | undefined,
  most: number,
): AsyncGenerator<MovedRow[]> {
  const { name, company, key } = table;
  const conditions = [`${company} = $1`];
  const parameters = [companyId, ...(after === undefined ? [] : (JSON.parse(after) as string[]))];
  if (after !== undefined && key.length > 0) {
    conditions.push(`(${key.join(", ")}) > (${key.map((_, index) => `$${index + 2}`).join(", ")})`);
  }
  const order = key.length === 0 ? company : key.join(", ");
  await source.run(
    `DECLARE ${CURSOR} CURSOR FOR SELECT ${selection(table)} FROM ${name} AS t WHERE ${conditions.join(" AND ")} ORDER BY ${order}`,
    parameters.slice(0, key.length === 0 ? 1 : undefined),
  );
  for (let count = Math.min(most, FIRST_ROWS); ;) {
    const rows = await source.all<MovedRow>(`FETCH ${count} FROM ${CURSOR}`);
    if (rows.length === 0) break;
    yield rows;
    const characters = rows.reduce((sum, { row }) => sum + row.length, 0);
    // At most ten times as many as before: the rows that come may be longer than those so far.
    count = Math.max(1, Math.min(Math.floor((BATCH_CHARACTERS * rows.length) / characters), most, count * 10));
  }
  await source.script(`CLOSE ${CURSOR}`);
}

/** The company's rows with these keys, as far as they are there, batch by batch. */
export async function* batchesWithKeys(
  source: MoveSession,
  table: MovedTable,
  companyId: string,
  keys: readonly string[],
): AsyncGenerator<MovedRow[]> {
  for (let from = 0; from < keys.length; from += FIRST_ROWS) {
    const where = keyed(table, companyId, keys.slice(from, from + FIRST_ROWS));
    yield source.all<MovedRow>(`SELECT ${selection(table)} FROM ${table.name} AS t WHERE ${where.sql}`, where.parameters);
  }
}

/** Makes rows with these keys be what they are given as. */
export async function putRows(target: MoveSession, table: MovedTable, rows: readonly MovedRow[]): Promise<void> {
  if (rows.length === 0) return;
  const columns = await columnsOf(target, table);
  const changes = columns.map((column) => `${column} = excluded.${column}`).join(", ");
  await target.run(
    `INSERT INTO ${table.name} (${columns.join(", ")})
     SELECT ${columns.join(", ")} FROM jsonb_populate_recordset(NULL::${table.name}, $1::jsonb)
     ON CONFLICT (${table.primaryKey.join(", ")}) DO UPDATE SET ${changes}`,
    [`[${rows.map(({ row }) => row).join(",")}]`],
  );
}

/**
 * Gives the target the company's events that are not published yet, in their order. The source may still publish them as well: whoever reads
 * events knows by their ids that they came before.
 */
export async function carryOutbox(source: MoveSession, target: MoveSession, companyId: string): Promise<void> {
  const rows = await source.all<MovedRow>(`SELECT ${selection(OUTBOX)} FROM ${OUTBOX.name} AS t WHERE company_id = $1 ORDER BY number`, [
    companyId,
  ]);
  await putRows(target, OUTBOX, rows);
}

/** Deletes the company's rows with these keys. @returns how many there were */
export function dropRows(target: MoveSession, table: MovedTable, companyId: string, keys: readonly string[]): Promise<number> {
  const where = keyed(table, companyId, keys);
  return target.run(`DELETE FROM ${table.name} WHERE ${where.sql}`, where.parameters);
}

/** Deletes some of the company's rows. @returns how many; 0 when there are none left */
export function deleteSome(session: MoveSession, { name, company }: MovedTable, companyId: string, most: number): Promise<number> {
  // A DELETE has no LIMIT.
  const some = `SELECT ctid FROM ${name} WHERE ${company} = $1 LIMIT ${most}`;
  return session.run(`DELETE FROM ${name} WHERE ctid = ANY(ARRAY(${some}))`, [companyId]);
}

/** Values that rows may exchange are made unlike any other, so that each can be given its own one after the other. */
export async function releaseExchangeable(
  target: MoveSession,
  table: MovedTable,
  companyId: string,
  keys: readonly string[],
): Promise<void> {
  if (table.exchangeable === undefined) return;
  const where = keyed(table, companyId, keys);
  await target.run(
    `UPDATE ${table.name} SET ${table.exchangeable} = '~' || ${table.key.join(" || ")} WHERE ${where.sql}`,
    where.parameters,
  );
}

/** How many rows the company has in a table, and a checksum of all their values, whatever their order. */
export interface TableSum {
  readonly rows: string;
  readonly checksum: string;
}

/** @param keys only of these. @default all */
export async function sumOf(session: MoveSession, table: MovedTable, companyId: string, keys?: readonly string[]): Promise<TableSum> {
  const where = keys === undefined ? { sql: `${table.company} = $1`, parameters: [companyId] } : keyed(table, companyId, keys);
  const found = await session.get<TableSum>(
    `SELECT count(*)::text AS rows, coalesce(sum(hashtextextended((${values(table)})::text, 0)::numeric), 0)::text AS checksum
     FROM ${table.name} AS t WHERE ${where.sql}`,
    where.parameters,
  );
  return found ?? { rows: "0", checksum: "0" };
}

export async function countOf(session: MoveSession, table: MovedTable, companyId: string): Promise<number> {
  const found = await session.get<{ rows: string }>(`SELECT count(*)::text AS rows FROM ${table.name} WHERE ${table.company} = $1`, [
    companyId,
  ]);
  return Number(found?.rows ?? 0);
}

/** The place in the outbox is each database's own; a place within an order or a conversation is a value as any other. */
function values(table: MovedTable): string {
  return table === OUTBOX ? "to_jsonb(t) - 'position'" : "to_jsonb(t)";
}

/** Columns that are given, not made by the database. */
async function columnsOf(session: MoveSession, { name }: MovedTable): Promise<string[]> {
  const rows = await session.all<{ column: string }>(
    `SELECT quote_ident(attname) AS column FROM pg_attribute
     WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attidentity = '' ORDER BY attnum`,
    [name],
  );
  return rows.map(({ column }) => column);
}

function selection({ key }: MovedTable): string {
  const parts = key.length === 0 ? "'[]'" : `jsonb_build_array(${key.map((column) => `t.${column}`).join(", ")})::text`;
  return `to_jsonb(t)::text AS row, ${parts} AS key`;
}

/** A condition for the company's rows with these keys. */
function keyed({ company, key }: MovedTable, companyId: string, keys: readonly string[]): { sql: string; parameters: unknown[] } {
  if (key.length === 0) return { sql: `${company} = $1 AND ${keys.length > 0}`, parameters: [companyId] };
  const parsed = keys.map((each) => JSON.parse(each) as string[]);
  const arrays = key.map((_, index) => parsed.map((parts) => parts[index]));
  const lists = key.map((_, index) => `$${index + 2}::text[]`).join(", ");
  return { sql: `${company} = $1 AND (${key.join(", ")}) IN (SELECT * FROM unnest(${lists}))`, parameters: [companyId, ...arrays] };
}
