import { setTimeout as delay } from "node:timers/promises";
import { companyLock } from "../fence";
import { WATCH_LEASE_MS } from "../watch";
import { lockNumber } from "../../postgres-transaction";
import { captureChanges, endCapture, keysOf } from "./capture";
import { CompanyCopy, differs } from "./copy";
import { carryOutbox, countOf, deleteSome, sumOf } from "./rows";
import { isLockTimeout, MoveError, type MoveSession } from "./session";
import { MOVED_TABLES, OUTBOX } from "./tables";
import type { MoveOptions, MoveResult, MoveSessions } from "./types";

const defaults = {
  /** Longer than processes believe what they saw, by as much as a look may be under way. */
  leaseWaitMs: WATCH_LEASE_MS + 1000,
  /** Longest wait for the company's lock; writes that come meanwhile wait behind. */
  lockWaitMs: 2000,
  /** Writes are held for this at most, ms; then they go on, and it is tried again. Below what a request waits (DB_LOCK_TIMEOUT_MS). */
  holdMs: 3000,
  holdAttempts: 5,
  holdPauseMs: 1000,
  /** The old rows stay for this long after the company has its new place, ms: who asked for its place just before still reads them. */
  readMs: 5000,
  /** Events that are carried while writes are held, at most. */
  mostEvents: 5000,
} as const;

/**
 * Moves one company while it is used (feature A17): copies its rows in batches, follows what is changed meanwhile, and holds its writes for a
 * moment to carry the rest. Then the directory has its new place, and the old rows are deleted.
 *
 * The one decision is a row of the directory, changed only if it is what it was when the lock was taken. Whatever ends a run before, the
 * company is where it was; whatever ends it after, it is at its new place. The same call goes on either way.
 * @throws MoveError when it may not or cannot be done; MoveStopped after the signal.
 */
export async function moveCompany(sessions: MoveSessions, options: MoveOptions): Promise<MoveResult> {
  const started = performance.now();
  const run = new CompanyMove(sessions, options);
  const isThere = await run.isThere();
  const { rows, resumed, heldMs } = isThere ? { rows: 0, resumed: true, heldMs: 0 } : await run.carry();
  await run.finish();
  return { rows, resumed, heldMs, seconds: Math.round(performance.now() - started) / 1000 };
}

class CompanyMove {
  readonly #sessions: MoveSessions;
  readonly #companyId: string;
  readonly #options: MoveOptions;
  readonly #copy: CompanyCopy;

  constructor(sessions: MoveSessions, options: MoveOptions) {
    this.#sessions = sessions;
    this.#options = options;
    this.#companyId = options.companyId;
    this.#copy = new CompanyCopy(sessions, options);
  }

  /** Whether the directory has the new place already. */
  async isThere(): Promise<boolean> {
    const { first, target } = this.#sessions;
    const row = await first.get<{ shard: string }>("SELECT shard FROM company_shards WHERE company_id = $1", [this.#companyId]);
    return row?.shard === target.shard;
  }

  /** Everything up to the new place in the directory. */
  async carry(): Promise<{ rows: number; resumed: boolean; heldMs: number }> {
    const { source, target } = this.#sessions;
    const companyId = this.#companyId;
    await this.#takeOver();
    const resumed = await this.#begin();
    await captureChanges(source, companyId);
    await this.#copy.copy();
    await this.#copy.catchUp();
    await this.#setFence(source, "leaving");
    try {
      this.#copy.report({ step: "waiting" });
      await delay(defaults.leaseWaitMs, undefined, { signal: this.#options.signal }).catch(() => this.#copy.stopIfAsked());
      const rows = await this.#copy.compare();
      const heldMs = await this.#switch();
      await target.run("UPDATE shard_moves SET rows_copied = $2 WHERE company_id = $1", [companyId, rows]);
      return { rows, resumed, heldMs };
    } catch (error) {
      // Only saves questions to the directory: the company is where it was, also if this cannot be done.
      if (!(await this.isThere().catch(() => true))) await this.#clearFence(source).catch(() => undefined);
      throw error;
    }
  }

  /** What is left once the company has its new place; again does no harm. */
  async finish(): Promise<void> {
    const { source, target } = this.#sessions;
    const companyId = this.#companyId;
    const begun = performance.now();
    await this.#setFence(source, "left");
    await endCapture(source, companyId);
    this.#copy.report({ step: "waiting for readers" });
    await delay(Math.max(0, defaults.readMs - (performance.now() - begun)));
    for (const table of [OUTBOX, ...[...MOVED_TABLES].reverse()]) {
      for (let deleted = 1, all = 0; deleted > 0; all += deleted) {
        deleted = await deleteSome(source, table, companyId, this.#copy.batchRows);
        if (deleted > 0) this.#copy.report({ step: "deleting", table: table.name, rows: all + deleted });
      }
    }
    // Until then its reads go to the primary: a replica may lack what has just been copied.
    const { replicaLagMs = 0 } = this.#options;
    if (replicaLagMs > 0) this.#copy.report({ step: "waiting for replicas" });
    await delay(Math.max(0, replicaLagMs - (performance.now() - begun)));
    await target.transaction(async () => {
      await target.run("DELETE FROM shard_moves WHERE company_id = $1", [companyId]);
      await this.#clearFence(target);
    });
  }

  /**
   * Another version in the directory: a former run that was suspended, and does not know that it is over, decides nothing any more. And a row
   * for a company from before there were several databases, which the decision needs.
   */
  async #takeOver(): Promise<void> {
    const { first, source } = this.#sessions;
    const arrival = await source.get<{ source: string }>("SELECT source FROM shard_moves WHERE company_id = $1", [this.#companyId]);
    if (arrival !== undefined) {
      throw new MoveError(
        `the company's move from "${arrival.source}" to "${source.shard}" is not finished; do that first, with --to=${source.shard}`,
      );
    }
    const changed = await first.run(
      `INSERT INTO company_shards (company_id, shard) VALUES ($1, $2)
       ON CONFLICT (company_id) DO UPDATE SET version = company_shards.version + 1 WHERE company_shards.shard = excluded.shard`,
      [this.#companyId, source.shard],
    );
    if (changed !== 1) throw new MoveError(`the company is not in "${source.shard}" any more; the same command looks again`);
  }

  /** @returns whether a former run had begun */
  async #begin(): Promise<boolean> {
    const { source, target } = this.#sessions;
    const companyId = this.#companyId;
    const known = await target.get<{ source: string }>("SELECT source FROM shard_moves WHERE company_id = $1", [companyId]);
    if (known !== undefined) {
      if (known.source === source.shard) return true;
      throw new MoveError(`"${target.shard}" has rows of an unfinished move from "${known.source}"; finish or --abort that one first`);
    }
    await this.#refuseRows();
    await target.transaction(async () => {
      await this.#setFence(target, "arriving");
      await target.run("INSERT INTO shard_moves (company_id, source, tables_done, rows_copied) VALUES ($1, $2, 0, 0)", [
        companyId,
        source.shard,
      ]);
    });
    return false;
  }

  /** Rows that no move of this company brought are nobody's to overwrite. */
  async #refuseRows(): Promise<void> {
    const { source, target } = this.#sessions;
    for (const table of [...MOVED_TABLES, OUTBOX]) {
      if ((await countOf(target, table, this.#companyId)) === 0) continue;
      throw new MoveError(`"${target.shard}" has rows of the company in ${table.name} already; is "${source.shard}" where it is?`);
    }
  }

  /** Holds the company's writes and gives it its new place. @returns for how long they were held, ms */
  async #switch(): Promise<number> {
    for (let attempt = 1; attempt <= defaults.holdAttempts; attempt += 1) {
      await this.#copy.catchUp();
      await this.#refuseLongOutbox();
      this.#copy.stopIfAsked();
      this.#copy.report({ step: "holding" });
      const heldMs = await this.#hold();
      if (heldMs !== undefined) return heldMs;
      await delay(defaults.holdPauseMs);
    }
    throw new MoveError("the company's writes could not be held for long enough; it is where it was, try again when there is less to do");
  }

  /** @returns `undefined` when it was not possible in time: nothing has changed then. */
  async #hold(): Promise<number | undefined> {
    const { first, source, holder } = this.#sessions;
    const companyId = this.#companyId;
    let heldMs: number | undefined;
    try {
      await holder.transaction(async () => {
        await holder.script(
          `SET LOCAL lock_timeout = ${defaults.lockWaitMs}; SET LOCAL idle_in_transaction_session_timeout = ${2 * defaults.holdMs}`,
        );
        await holder.run("SELECT pg_advisory_xact_lock($1)", [String(lockNumber(companyLock(companyId)))]);
        const held = performance.now();
        // Whoever writes although the lock was lost meanwhile makes this another one; see `fence.ts`.
        const place = await first.get<{ version: string }>("SELECT version::text AS version FROM company_shards WHERE company_id = $1", [
          companyId,
        ]);
        const emails = await source.snapshot(() => this.#carryRest());
        if (performance.now() - held > defaults.holdMs) return;
        if (!(await this.#decide(place?.version ?? "", emails))) return;
        await this.#setFence(holder, "left");
        heldMs = Math.round(performance.now() - held);
      });
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
    }
    return heldMs;
  }

  /** What changed since the comparison, and the outbox. @returns addresses that log in to the company */
  async #carryRest(): Promise<string[]> {
    const { source, target } = this.#sessions;
    const companyId = this.#companyId;
    const changes = await this.#copy.carryChanges();
    for (const table of MOVED_TABLES) {
      const keys = keysOf(changes, table);
      if (keys.length > 0) {
        const [wanted, found] = await Promise.all([source, target].map((session) => sumOf(session, table, companyId, keys)));
        if (wanted?.rows !== found?.rows || wanted?.checksum !== found?.checksum) throw differs(table, wanted?.rows, found?.rows);
      }
      if (this.#copy.isLarge(table)) continue;
      const [wanted, found] = await Promise.all([source, target].map((session) => countOf(session, table, companyId)));
      if (wanted !== found) throw differs(table, wanted, found);
    }
    await carryOutbox(source, target, companyId);
    const users = await source.all<{ email: string }>("SELECT email FROM users WHERE company_id = $1", [companyId]);
    return users.map(({ email }) => email);
  }

  /** The decision: from its commit on the company is at its new place. @returns `false` when somebody wrote since the version was read */
  async #decide(version: string, emails: readonly string[]): Promise<boolean> {
    const { first, source, target } = this.#sessions;
    return first.transaction(async () => {
      const changed = await first.run(
        "UPDATE company_shards SET shard = $2, version = version + 1 WHERE company_id = $1 AND shard = $3 AND version = $4::bigint",
        [this.#companyId, target.shard, source.shard, version],
      );
      if (changed !== 1) return false;
      // Users of when there was one database were found in it.
      await first.run(
        `INSERT INTO company_logins (email, company_id, claimed_at) SELECT email, $2, $3 FROM unnest($1::text[]) AS given (email)
         ON CONFLICT (email) DO UPDATE SET company_id = excluded.company_id`,
        [emails, this.#companyId, new Date().toISOString()],
      );
      return true;
    });
  }

  async #refuseLongOutbox(): Promise<void> {
    const waiting = await countOf(this.#sessions.source, OUTBOX, this.#companyId);
    if (waiting <= defaults.mostEvents) return;
    throw new MoveError(
      `${waiting} events of the company wait in the outbox, of at most ${defaults.mostEvents} that can be carried; see why they are not published`,
    );
  }

  async #setFence(session: MoveSession, state: "leaving" | "arriving" | "left"): Promise<void> {
    await session.run(
      "INSERT INTO shard_fences (company_id, state) VALUES ($1, $2) ON CONFLICT (company_id) DO UPDATE SET state = excluded.state",
      [this.#companyId, state],
    );
  }

  async #clearFence(session: MoveSession): Promise<void> {
    await session.run("DELETE FROM shard_fences WHERE company_id = $1", [this.#companyId]);
  }
}
