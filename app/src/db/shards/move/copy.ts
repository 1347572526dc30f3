import { type Changes, forgetChanges, keysOf, readChanges } from "./capture";
import { batchesOf, batchesWithKeys, countOf, dropRows, putRows, releaseExchangeable, sumOf } from "./rows";
import { MoveError, type MoveSession } from "./session";
import { type MovedTable, MOVED_TABLES } from "./tables";
import { type MoveOptions, type MoveProgress, type MoveSessions, MoveStopped } from "./types";

const defaults = {
  batchRows: 1000,
  /** A round of catching up that finds no more than this is the last one. */
  fewChanges: 50,
  mostRounds: 100,
  /** Rows of a table that are counted while writes are held, at most: it takes longer with each, and a large company could never move. */
  mostCounted: 100_000,
} as const;

/** Carries a company's rows from one database to another while they change, until they are the same. */
export class CompanyCopy {
  /** Most rows of one batch. */
  readonly batchRows: number;
  readonly #source: MoveSession;
  readonly #target: MoveSession;
  readonly #companyId: string;
  readonly #options: MoveOptions;
  readonly #large = new Set<MovedTable>();

  constructor({ source, target }: Pick<MoveSessions, "source" | "target">, options: MoveOptions) {
    this.#source = source;
    this.#target = target;
    this.#options = options;
    this.#companyId = options.companyId;
    this.batchRows = options.batchRows ?? defaults.batchRows;
  }

  /** All tables in one state of the source; from where a former run ended. */
  async copy(): Promise<void> {
    const [source, target] = [this.#source, this.#target];
    const state = await target.get<{ done: number; last: string | null; copied: string }>(
      "SELECT tables_done AS done, last_key AS last, rows_copied::text AS copied FROM shard_moves WHERE company_id = $1",
      [this.#companyId],
    );
    let { done, last } = { done: state?.done ?? 0, last: state?.last ?? undefined };
    let copied = Number(state?.copied ?? 0);
    if (done >= MOVED_TABLES.length) return;
    const resumed = done > 0 || last !== undefined;
    await source.snapshot(async () => {
      // What is here already has to be of this state too, because rows that follow may refer to rows that are newer.
      if (resumed) await this.carryChanges(MOVED_TABLES.slice(0, done + 1));
      for (const table of MOVED_TABLES.slice(done)) {
        const of = await countOf(source, table, this.#companyId);
        let rows = 0;
        for await (const batch of batchesOf(source, table, this.#companyId, last, this.batchRows)) {
          this.stopIfAsked();
          rows += batch.length;
          copied += batch.length;
          const key = batch.at(-1)?.key;
          await target.transaction(async () => {
            await putRows(target, table, batch);
            await this.#reached(done, key, copied);
          });
          this.report({ step: "copying", table: table.name, rows, of });
        }
        last = undefined;
        done += 1;
        await this.#reached(done, undefined, copied);
      }
    });
  }

  async #reached(done: number, last: string | undefined, copied: number): Promise<void> {
    const sql = "UPDATE shard_moves SET tables_done = $2, last_key = $3, rows_copied = $4 WHERE company_id = $1";
    const changed = await this.#target.run(sql, [this.#companyId, done, last ?? null, copied]);
    if (changed !== 1) throw new MoveError("somebody else ended this move; look at where the company is, and begin again");
  }

  /** Until little is changed between two rounds. */
  async catchUp(): Promise<void> {
    for (let round = 0; round < defaults.mostRounds; round += 1) {
      this.stopIfAsked();
      const changes = await this.#round();
      this.report({ step: "catching up", rows: changes.positions.length });
      if (changes.positions.length <= defaults.fewChanges) return;
    }
    throw new MoveError("the company's rows are changed faster than they can be copied; try again when there is less to do");
  }

  /** Carries the oldest changes there are, from one state of the source. */
  async #round(): Promise<Changes> {
    const source = this.#source;
    const changes = await source.snapshot(() => this.carryChanges());
    await forgetChanges(source, changes);
    return changes;
  }

  async carryChanges(tables: readonly MovedTable[] = MOVED_TABLES): Promise<Changes> {
    const [source, target] = [this.#source, this.#target];
    const companyId = this.#companyId;
    const changes = await readChanges(source, companyId);
    const changed = tables.filter((table) => keysOf(changes, table).length > 0);
    const gone = new Map<MovedTable, string[]>();
    await target.transaction(async () => {
      for (const table of changed) {
        const keys = keysOf(changes, table);
        await releaseExchangeable(target, table, companyId, keys);
        const there = new Set<string>();
        for await (const rows of batchesWithKeys(source, table, companyId, keys)) {
          await putRows(target, table, rows);
          for (const { key } of rows) there.add(key);
        }
        gone.set(
          table,
          keys.filter((key) => !there.has(key)),
        );
      }
      // Children first, and after what refers to other rows now: nothing refers to a row when it goes.
      for (const table of [...changed].reverse()) await dropRows(target, table, companyId, gone.get(table) ?? []);
    });
    return changes;
  }

  /** Brings the target to one state of the source and compares every row. @returns how many there are */
  async compare(): Promise<number> {
    const [source, target] = [this.#source, this.#target];
    let all = 0;
    const changes = await source.snapshot(async () => {
      const carried = await this.carryChanges();
      for (const table of MOVED_TABLES) {
        this.stopIfAsked();
        this.report({ step: "comparing", table: table.name });
        const [wanted, found] = await Promise.all([source, target].map((session) => sumOf(session, table, this.#companyId)));
        if (wanted?.rows !== found?.rows || wanted?.checksum !== found?.checksum) throw differs(table, wanted?.rows, found?.rows);
        const rows = Number(wanted?.rows ?? 0);
        if (rows > defaults.mostCounted) this.#large.add(table);
        all += rows;
      }
      return carried;
    });
    await forgetChanges(source, changes);
    return all;
  }

  /** Whether the company has so many rows in it, by the comparison, that counting them takes too long while writes are held. */
  isLarge(table: MovedTable): boolean {
    return this.#large.has(table);
  }

  report(progress: MoveProgress): void {
    this.#options.onProgress?.(progress);
  }

  /** @throws MoveStopped */
  stopIfAsked(): void {
    if (this.#options.signal?.aborted === true) throw new MoveStopped();
  }
}

/** The two sides are not alike. */
export function differs(table: MovedTable, wanted: string | number | undefined, found: string | number | undefined): MoveError {
  const how = wanted === found ? "other values" : `${wanted ?? 0} rows against ${found ?? 0}`;
  return new MoveError(`the two sides differ in ${table.name} (${how}); the company is where it was: --abort, and begin anew`);
}
