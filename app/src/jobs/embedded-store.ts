import type { Database, Queries } from "../db/database";
import { createId } from "../db/id";
import { jobId, KEEP_DEAD_MS, KEEP_FINISHED_MS, MOST_DEAD, PRIORITY_NUMBERS } from "./definitions";
import { type JobOptions, type JobRecord, type JobState, type JsonObject, QUEUES, type QueueName, type QueueStats } from "./queue";

/** Rows one clean-up deletes at most, so that it never holds the write lock for long. */
const PURGE_ROWS = 500;

interface Row {
  readonly id: string;
  readonly queue: QueueName;
  readonly state: JobState;
  readonly payload: string;
  readonly progress: number;
  readonly attempts_started: number;
  readonly max_attempts: number;
  readonly created_at: string;
  readonly finished_at: string | null;
  readonly result: string | null;
  readonly error: string | null;
}

/** A job that this process took, and the token that proves it. */
export interface ClaimedJob {
  readonly id: string;
  readonly queue: QueueName;
  /** JSON. */
  readonly payload: string;
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly owner: string;
}

/** A lease whose owner went away, and what became of its job. */
export interface LostLease {
  readonly id: string;
  readonly queue: QueueName;
  readonly state: "waiting" | "failed" | "cancelled";
}

const COLUMNS = "id, queue, state, payload, progress, attempts_started, max_attempts, created_at, finished_at, result, error";

/** What a dead letter says whose last worker never came back. */
export const WORKER_LOST = "Its worker was lost while it ran.";

const at = (ms: number): string => new Date(ms).toISOString();

/** The statements of the embedded queue. Every change of an active job names the lease it was made under. */
export class EmbeddedStore {
  constructor(
    private readonly database: Database,
    private readonly leaseMs: number,
  ) {}

  async add(queue: QueueName, payload: JsonObject, attempts: number, options: JobOptions): Promise<string> {
    const id = jobId(queue, options);
    const now = Date.now();
    const delayMs = options.delayMs ?? 0;
    await this.database.run(
      `INSERT INTO queued_jobs (id, queue, state, priority, payload, run_at, max_attempts, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
      [
        id,
        queue,
        delayMs > 0 ? "delayed" : "waiting",
        PRIORITY_NUMBERS[options.priority ?? "normal"],
        JSON.stringify(payload),
        at(now + delayMs),
        attempts,
        at(now),
      ],
    );
    return id;
  }

  async get(id: string): Promise<JobRecord | undefined> {
    const row = await this.database.get<Row>(`SELECT ${COLUMNS} FROM queued_jobs WHERE id = ?`, [id]);
    return row === undefined ? undefined : toRecord(row);
  }

  async getAll(ids: readonly string[]): Promise<JobRecord[]> {
    if (ids.length === 0) return [];
    const sql = `SELECT ${COLUMNS} FROM queued_jobs WHERE id IN (${ids.map(() => "?").join(", ")})`;
    return (await this.database.all<Row>(sql, ids)).map(toRecord);
  }

  cancel(id: string): Promise<"removed" | "requested" | "finished" | "unknown"> {
    return this.database.transaction(async (inside) => {
      if ((await inside.run("DELETE FROM queued_jobs WHERE id = ? AND state IN ('waiting', 'delayed')", [id])) === 1) return "removed";
      if ((await inside.run("UPDATE queued_jobs SET cancel_requested = 1 WHERE id = ? AND state = 'active'", [id])) === 1)
        return "requested";
      const row = await inside.get<{ id: string }>("SELECT id FROM queued_jobs WHERE id = ?", [id]);
      return row === undefined ? "unknown" : "finished";
    });
  }

  async stats(): Promise<Record<QueueName, QueueStats>> {
    const counts = await this.database.all<{ queue: QueueName; state: JobState; count: number }>(
      "SELECT queue, state, count(*) AS count FROM queued_jobs GROUP BY queue, state",
    );
    const paused = await this.paused();
    const count = (queue: QueueName, state: JobState): number =>
      counts.find((row) => row.queue === queue && row.state === state)?.count ?? 0;
    const stats = QUEUES.map((queue) => [
      queue,
      {
        waiting: count(queue, "waiting"),
        active: count(queue, "active"),
        delayed: count(queue, "delayed"),
        completed: count(queue, "completed"),
        failed: count(queue, "failed"),
        paused: paused.has(queue),
      },
    ]);
    return Object.fromEntries(stats) as Record<QueueName, QueueStats>;
  }

  async backlog(): Promise<number> {
    const row = await this.database.get<{ count: number }>(
      `SELECT count(*) AS count FROM queued_jobs WHERE (state = 'waiting' OR (state = 'delayed' AND run_at <= ?))
       AND NOT EXISTS (SELECT 1 FROM paused_queues WHERE paused_queues.queue = queued_jobs.queue)`,
      [at(Date.now())],
    );
    return row?.count ?? 0;
  }

  async paused(): Promise<Set<string>> {
    return new Set((await this.database.all<{ queue: string }>("SELECT queue FROM paused_queues LIMIT 100")).map(({ queue }) => queue));
  }

  async pause(queue: QueueName): Promise<void> {
    const sql = "INSERT INTO paused_queues (queue, paused_at) VALUES (?, ?) ON CONFLICT (queue) DO NOTHING";
    await this.database.run(sql, [queue, at(Date.now())]);
  }

  async resume(queue: QueueName): Promise<void> {
    await this.database.run("DELETE FROM paused_queues WHERE queue = ?", [queue]);
  }

  async deadLetters(queue: QueueName, limit: number, offset: number): Promise<JobRecord[]> {
    const sql = `SELECT ${COLUMNS} FROM queued_jobs WHERE queue = ? AND state = 'failed' ORDER BY finished_at DESC, id DESC LIMIT ? OFFSET ?`;
    return (await this.database.all<Row>(sql, [queue, limit, offset])).map(toRecord);
  }

  async retry(id: string): Promise<boolean> {
    const sql = `UPDATE queued_jobs SET state = 'waiting', attempts_started = 0, progress = 0, error = NULL, finished_at = NULL, run_at = ?
      WHERE id = ? AND state = 'failed'`;
    return (await this.database.run(sql, [at(Date.now()), id])) === 1;
  }

  async discard(id: string): Promise<boolean> {
    return (await this.database.run("DELETE FROM queued_jobs WHERE id = ? AND state = 'failed'", [id])) === 1;
  }

  /** Queues with something to take now; a read, so that waiting for work takes no lock. */
  async ready(): Promise<QueueName[]> {
    await this.promote();
    const rows = await this.database.all<{ queue: QueueName }>(
      `SELECT queue FROM queued_jobs AS candidate WHERE state = 'waiting'
       AND NOT EXISTS (SELECT 1 FROM paused_queues WHERE paused_queues.queue = candidate.queue) GROUP BY queue`,
    );
    return rows.map(({ queue }) => queue);
  }

  /** Delayed jobs whose time has come wait from now on. */
  private async promote(): Promise<void> {
    const now = at(Date.now());
    const due = await this.database.get<{ id: string }>("SELECT id FROM queued_jobs WHERE state = 'delayed' AND run_at <= ? LIMIT 1", [
      now,
    ]);
    if (due !== undefined)
      await this.database.run("UPDATE queued_jobs SET state = 'waiting' WHERE state = 'delayed' AND run_at <= ?", [now]);
  }

  /** Takes the next job of a queue, or none. The pause is looked at in the same transaction: nothing starts after it. */
  claim(queue: QueueName): Promise<ClaimedJob | undefined> {
    const owner = createId();
    const now = Date.now();
    return this.database.transaction(async (inside) => {
      const row = await inside.get<Row>(
        `UPDATE queued_jobs SET state = 'active', attempts_started = attempts_started + 1, progress = 0, lease_owner = ?,
           lease_expires_at = ?, started_at = ?
         WHERE id = (SELECT id FROM queued_jobs WHERE queue = ? AND state = 'waiting'
             AND NOT EXISTS (SELECT 1 FROM paused_queues WHERE paused_queues.queue = queued_jobs.queue)
           ORDER BY priority, run_at, id LIMIT 1)
         RETURNING ${COLUMNS}`,
        [owner, at(now + this.leaseMs), at(now), queue],
      );
      if (row === undefined) return undefined;
      const { id, payload, attempts_started: attempt, max_attempts: maxAttempts } = row;
      return { id, queue, payload, attempt, maxAttempts, owner };
    });
  }

  /** Extends leases. What became of each: still ours, to be cancelled, or lost. */
  renew(jobs: readonly ClaimedJob[]): Promise<ReadonlyMap<string, "held" | "cancel" | "lost">> {
    const until = at(Date.now() + this.leaseMs);
    return this.database.transaction(async (inside) => {
      const found = new Map<string, "held" | "cancel" | "lost">();
      for (const { id, owner } of jobs) {
        const row = await inside.get<{ cancel: number }>(
          `UPDATE queued_jobs SET lease_expires_at = ? WHERE id = ? AND lease_owner = ? AND state = 'active' RETURNING cancel_requested AS cancel`,
          [until, id, owner],
        );
        found.set(owner, row === undefined ? "lost" : row.cancel === 1 ? "cancel" : "held");
      }
      return found;
    });
  }

  async progress({ id, owner }: ClaimedJob, percent: number): Promise<void> {
    await this.database.run("UPDATE queued_jobs SET progress = ? WHERE id = ? AND lease_owner = ?", [percent, id, owner]);
  }

  /** @returns `false` when the lease was lost meanwhile: somebody else decides. */
  async finish(
    { id, owner }: ClaimedJob,
    state: "completed" | "failed" | "cancelled",
    result: JsonObject | null,
    error: string | null,
  ): Promise<boolean> {
    const sql = `UPDATE queued_jobs SET state = ?, result = ?, error = ?, finished_at = ?, lease_owner = NULL, lease_expires_at = NULL,
      progress = CASE WHEN ? = 'completed' THEN 100 ELSE progress END WHERE id = ? AND lease_owner = ? AND state = 'active'`;
    const values = [state, result === null ? null : JSON.stringify(result), error, at(Date.now()), state, id, owner];
    return (await this.database.run(sql, values)) === 1;
  }

  async retryLater({ id, owner }: ClaimedJob, delayMs: number, error: string): Promise<void> {
    await this.database.run(
      `UPDATE queued_jobs SET state = 'delayed', run_at = ?, error = ?, lease_owner = NULL, lease_expires_at = NULL
       WHERE id = ? AND lease_owner = ? AND state = 'active'`,
      [at(Date.now() + delayMs), error, id, owner],
    );
  }

  /** The attempt does not count: the worker leaves, the job is not to blame. */
  async handBack({ id, owner }: ClaimedJob): Promise<boolean> {
    const sql = `UPDATE queued_jobs SET state = 'waiting', attempts_started = attempts_started - 1, lease_owner = NULL, lease_expires_at = NULL
      WHERE id = ? AND lease_owner = ? AND state = 'active'`;
    return (await this.database.run(sql, [id, owner])) === 1;
  }

  /** Takes jobs back from workers that stopped renewing: once more, or to the dead letters when that was the last attempt. */
  async recover(): Promise<LostLease[]> {
    const now = at(Date.now());
    const expired = "state = 'active' AND lease_expires_at < ?";
    if ((await this.database.get<{ id: string }>(`SELECT id FROM queued_jobs WHERE ${expired} LIMIT 1`, [now])) === undefined) return [];
    return this.database.transaction((inside) =>
      inside.all<LostLease>(
        `UPDATE queued_jobs SET
           state = CASE WHEN cancel_requested = 1 THEN 'cancelled' WHEN attempts_started >= max_attempts THEN 'failed' ELSE 'waiting' END,
           finished_at = CASE WHEN cancel_requested = 1 OR attempts_started >= max_attempts THEN ? END,
           error = ?, lease_owner = NULL, lease_expires_at = NULL WHERE ${expired} RETURNING id, queue, state`,
        [now, WORKER_LOST, now],
      ),
    );
  }

  /** Forgets finished jobs that are old enough, and dead letters beyond their number. */
  async purge(now = Date.now()): Promise<void> {
    for (const queue of QUEUES) {
      for (const [state, keepMs] of [
        ["completed", KEEP_FINISHED_MS],
        ["cancelled", KEEP_FINISHED_MS],
        ["failed", KEEP_DEAD_MS],
      ] as const) {
        await this.deleteAll(this.database, `queue = ? AND state = ? AND finished_at < ? LIMIT ${PURGE_ROWS}`, [
          queue,
          state,
          at(now - keepMs),
        ]);
      }
      const beyond = `queue = ? AND state = 'failed' ORDER BY finished_at DESC, id DESC LIMIT ${PURGE_ROWS} OFFSET ${MOST_DEAD}`;
      await this.deleteAll(this.database, beyond, [queue]);
    }
  }

  private async deleteAll(queries: Queries, which: string, values: readonly string[]): Promise<void> {
    const found = await queries.get<{ id: string }>(`SELECT id FROM queued_jobs WHERE ${which}`, values);
    if (found !== undefined) await queries.run(`DELETE FROM queued_jobs WHERE id IN (SELECT id FROM queued_jobs WHERE ${which})`, values);
  }
}

function toRecord(row: Row): JobRecord {
  return {
    id: row.id,
    queue: row.queue,
    state: row.state,
    payload: parse(row.payload) ?? {},
    progress: row.progress,
    attemptsStarted: row.attempts_started,
    maxAttempts: row.max_attempts,
    createdAt: row.created_at,
    finishedAt: row.finished_at,
    result: row.result === null ? null : (parse(row.result) ?? null),
    error: row.error,
  };
}

/** The object a text holds, or `undefined` when it holds none. */
export function parse(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
  } catch {
    // Damaged content is reported by whoever needs it; looking at a list must go on.
    return undefined;
  }
}
