import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { isLockTimeout, MoveError, type MoveSession } from "./session";
import { type MovedTable, MOVED_TABLES } from "./tables";

/** Longest attempt to get hold of a table between others' statements, ms; each try waits for a second, others behind it as long. */
const PATIENCE_MS = 120_000;

const PAUSE_MS = 500;

/** What was changed: the keys, by table. */
export interface Changes {
  readonly keys: ReadonlyMap<string, readonly string[]>;
  /** Places in the log; these are over once their rows are written. */
  readonly positions: readonly string[];
}

/** Notes from now on which rows of the company are changed, for {@link readChanges}. Again does no harm. */
export async function captureChanges(source: MoveSession, companyId: string): Promise<void> {
  const literal = `'${companyId.replaceAll("'", "''")}'`;
  for (const { name, company, key } of MOVED_TABLES) {
    const call = `EXECUTE FUNCTION note_shard_change(${[literal, ...key.map((column) => `'${column}'`)].join(", ")})`;
    const [written, deleted] = triggersOf(companyId);
    await betweenOthers(name, () =>
      source.script(
        `CREATE OR REPLACE TRIGGER ${written} AFTER INSERT OR UPDATE ON ${name} FOR EACH ROW WHEN (NEW.${company} = ${literal}) ${call};
         CREATE OR REPLACE TRIGGER ${deleted} AFTER DELETE ON ${name} FOR EACH ROW WHEN (OLD.${company} = ${literal}) ${call};`,
      ),
    );
  }
}

/** Ends {@link captureChanges}. Again does no harm. */
export async function endCapture(source: MoveSession, companyId: string): Promise<void> {
  for (const { name } of MOVED_TABLES) {
    for (const trigger of triggersOf(companyId)) {
      await betweenOthers(name, () => source.script(`DROP TRIGGER IF EXISTS ${trigger} ON ${name}`));
    }
  }
  await source.run("DELETE FROM shard_changes WHERE company_id = $1", [companyId]);
}

/** All changes in the log. Within one state of the database, whose rows they are of. */
export async function readChanges(source: MoveSession, companyId: string): Promise<Changes> {
  const rows = await source.all<{ position: string; name: string; key: string }>(
    `SELECT position::text AS position, table_name AS name, row_key AS key FROM shard_changes
     WHERE company_id = $1`,
    [companyId],
  );
  const keys = new Map<string, Set<string>>();
  for (const { name, key } of rows) keys.set(name, (keys.get(name) ?? new Set()).add(key));
  return {
    keys: new Map([...keys].map(([name, set]) => [name, [...set]])),
    positions: rows.map(({ position }) => position),
  };
}

/** Takes changes out of the log whose rows were written. Those that others commit meanwhile stay, wherever they are in it. */
export async function forgetChanges(source: MoveSession, { positions }: Pick<Changes, "positions">): Promise<void> {
  if (positions.length > 0) await source.run("DELETE FROM shard_changes WHERE position = ANY($1::bigint[])", [positions]);
}

/** The keys of one table. */
export function keysOf({ keys }: Changes, { name }: MovedTable): readonly string[] {
  return keys.get(name) ?? [];
}

/** Of this company's move. Triggers fire in the order of their names, and no other one of the app is there. */
function triggersOf(companyId: string): [written: string, deleted: string] {
  const name = createHash("sha256").update(companyId).digest("hex").slice(0, 24);
  return [`shard_move_${name}_w`, `shard_move_${name}_d`];
}

/** Making a trigger needs the table alone for a moment. Whoever comes behind waits as long, so each try is short. */
async function betweenOthers(table: string, work: () => Promise<void>): Promise<void> {
  const start = performance.now();
  for (;;) {
    try {
      await work();
      return;
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      if (performance.now() - start > PATIENCE_MS) {
        throw new MoveError(`table ${table} was in use for ${PATIENCE_MS / 1000} s without a pause; try again when there is less to do`);
      }
      await delay(PAUSE_MS);
    }
  }
}
