import type { Database, Queries } from "../db/database";
import { createId } from "../db/id";
import { exceptCopies, findOnShards, homeOf, onEachShard } from "../db/shards/reach";
import { TenantScope } from "../db/tenant";
import { HttpProblem, keyReused } from "../http/problem";
import type { Logger } from "../observability/logger";
import { errorText } from "./definitions";
import { parse } from "./embedded-store";
import type { JobQueue, JobRecord, SettledJob } from "./queue";
import { type CompanyJobView, type CompanyPayload, isSame, type NewCompanyJob, present } from "./company-job";
import { companyJobs, type CompanyJobRow, JOB_OUTCOMES } from "./tables";

/** Open jobs one look compares with the queue at most. */
const RECONCILE_ROWS = 200;

/** Younger jobs are still on their way into the queue, ms. */
const RECONCILE_AGE_MS = 5000;

/** Jobs that are over are kept this long, ms: a month of history. */
const KEEP_MS = 30 * 24 * 3_600_000;

const PURGE_ROWS = 500;

/** Told when a job is over, or open again; in the transaction that notes it. */
export type JobListener = (
  scope: TenantScope,
  job: Pick<CompanyJobRow, "queue" | "subjectId">,
  state: SettledJob["state"] | "open",
) => Promise<void>;

interface OwnedRow extends Pick<CompanyJobRow, "id" | "queue" | "priority" | "payload" | "subjectId" | "notBefore"> {
  readonly companyId: string;
  readonly createdAt: string;
}

const OWNED = `id, queue, priority, payload, subject_id AS "subjectId", not_before AS "notBefore", company_id AS "companyId",
  created_at AS "createdAt"`;

/** Before every job. */
const FIRST = { createdAt: "", id: "" };

/**
 * Jobs of companies. A job is accepted by its row, in the transaction of what it belongs to; putting it into the queue comes after, and again
 * whenever the queue does not know an open job, so neither a queue that is away nor one that lost its memory loses a job.
 */
export class CompanyJobs {
  /** Of each database, the job up to which open ones were compared with the queue. */
  private readonly compared = new WeakMap<Database, Pick<OwnedRow, "createdAt" | "id">>();

  constructor(
    private readonly database: Database,
    private readonly queue: JobQueue,
    private readonly logger: Logger,
    private readonly listener: JobListener,
  ) {}

  /**
   * Accepts a job inside the transaction of what it is about; {@link dispatch} it when that is committed.
   * @returns the job of the same key when there is one; then nothing is added.
   * @throws HttpProblem when the key was given to something else.
   */
  async accept(inside: TenantScope, job: NewCompanyJob): Promise<{ readonly row: CompanyJobRow; readonly isNew: boolean }> {
    const table = inside.table(companyJobs);
    if (job.idempotencyKey !== undefined) {
      const where = { queue: job.queue, idempotencyKey: job.idempotencyKey };
      const [known] = await table.page({ where, sort: "createdAt", descending: false, limit: 1 });
      if (known !== undefined) {
        if (!isSame(known, job)) throw keyReused("a key that nobody used for another job, or the very same request again");
        return { row: known, isNew: false };
      }
    }
    const now = Date.now();
    const payload: CompanyPayload = {
      companyId: inside.companyId,
      createdBy: job.createdBy,
      subjectId: job.subjectId,
      input: job.input,
    };
    const row: CompanyJobRow = {
      id: createId(now),
      queue: job.queue,
      outcome: "open",
      priority: job.priority ?? "normal",
      payload: JSON.stringify(payload),
      result: null,
      error: null,
      subjectId: job.subjectId,
      idempotencyKey: job.idempotencyKey ?? null,
      createdBy: job.createdBy,
      notBefore: job.delayMs === undefined || job.delayMs === 0 ? null : new Date(now + job.delayMs).toISOString(),
      createdAt: new Date(now).toISOString(),
      finishedAt: null,
    };
    await table.insert(row);
    return { row, isNew: true };
  }

  /** Puts an accepted job into the queue. Never fails: what could not be put there now is put there by {@link reconcile}. */
  async dispatch(row: Pick<CompanyJobRow, "id" | "queue" | "priority" | "payload" | "notBefore">): Promise<void> {
    try {
      await this.enqueue(row);
    } catch (error) {
      this.logger.warn({ job: row.id, queue: row.queue, reason: errorText(error) }, "a job is accepted; the queue gets it later");
    }
  }

  /** @throws HttpProblem when the company has no such job. */
  async get(scope: TenantScope, id: string): Promise<CompanyJobView> {
    return present(await this.find(scope, id), await this.lookUp(id));
  }

  /** One page of rows with what the queue knows about the open ones. */
  async present(rows: readonly CompanyJobRow[]): Promise<CompanyJobView[]> {
    const known = await this.lookUpAll(rows.filter(({ outcome }) => outcome === "open").map(({ id }) => id));
    return rows.map((row) => present(row, known.get(row.id)));
  }

  /**
   * Ends a job that is not over: one that waits never starts, one that runs is told within about a second.
   * @throws HttpProblem when there is no such job, or it is over.
   */
  async cancel(scope: TenantScope, id: string): Promise<CompanyJobView> {
    const row = await scope.transaction(async (inside) => {
      const found = await this.find(inside, id);
      if (found.outcome !== "open")
        throw new HttpProblem("conflict", `The job is over (${found.outcome}); only an open one can be cancelled.`);
      const changes = { outcome: "cancelled", finishedAt: new Date().toISOString() } as const;
      await inside.table(companyJobs).update(id, changes);
      await this.listener(inside, found, "cancelled");
      return { ...found, ...changes };
    });
    try {
      await this.queue.cancel(id);
    } catch (error) {
      // It may still run, and its end then changes nothing: the outcome is decided.
      this.logger.warn({ job: id, reason: errorText(error) }, "the queue could not be told of a cancelled job");
    }
    return present(row, undefined);
  }

  /** Notes how a job ended, once. @param companyId whose it is, where that is known: the other databases are not asked then */
  async settle({ id, state, result, error }: SettledJob, companyId?: string): Promise<void> {
    const to = { outcome: state, result: result === null ? null : JSON.stringify(result), error, finished: true };
    if (await this.change(id, "open", to, state, companyId)) return;
    // A dead letter that was retried while it was compared with the queue may have been noted as failed once more.
    if (state === "completed") await this.change(id, "failed", to, state, companyId);
  }

  /** A dead letter goes back into the queue: its job is open again. @returns `false` when there is no such dead letter. */
  async retry(id: string): Promise<boolean> {
    const record = await this.queue.get(id);
    if (record?.state !== "failed") return false;
    await this.change(id, "failed", { outcome: "open", result: null, error: null, finished: false }, "open");
    return this.queue.retry(id);
  }

  /**
   * Compares open jobs with the queue: what it does not know it gets, what ended there is noted. A bounded number at a time, each look going on
   * where the last one ended: jobs that rightly stay open for long (a delay of a day, a paused queue) would hide all those after them.
   * @param signal ends it before the next job; what was not compared is looked at again.
   * @returns jobs put into the queue.
   */
  async reconcile(now = Date.now(), signal?: AbortSignal): Promise<number> {
    const before = new Date(now - RECONCILE_AGE_MS).toISOString();
    const added = await onEachShard(this.database, (shard) => this.reconcileShard(shard, before, signal));
    return added.reduce((sum, count) => sum + count, 0);
  }

  private async reconcileShard(shard: Database, before: string, signal: AbortSignal | undefined): Promise<number> {
    const { createdAt, id } = this.compared.get(shard) ?? FIRST;
    const rows = await shard.all<OwnedRow>(
      `SELECT ${OWNED} FROM company_jobs WHERE outcome = 'open' AND created_at < ? AND (created_at, id) > (?, ?)
       ${exceptCopies(this.database)} ORDER BY created_at, id LIMIT ?`,
      [before, createdAt, id, RECONCILE_ROWS],
    );
    // Also when one of these fails: it is looked at again in the next round.
    this.compared.set(shard, rows.length < RECONCILE_ROWS ? FIRST : (rows.at(-1) ?? FIRST));
    let added = 0;
    for (const row of rows) {
      if (signal?.aborted === true) break;
      const record = await this.queue.get(row.id);
      if (record === undefined) {
        await this.enqueue(row);
        added += 1;
      } else if (record.state === "completed" || record.state === "failed" || record.state === "cancelled") {
        const { state, result, error } = record;
        await this.settle({ id: row.id, queue: row.queue, state, result, error }, row.companyId);
      }
    }
    if (added > 0) this.logger.warn({ jobs: added }, "open jobs that the queue did not have are in it again");
    return added;
  }

  /** Deletes jobs that are over for a month. */
  async purge(now = Date.now()): Promise<void> {
    const before = new Date(now - KEEP_MS).toISOString();
    const old = `SELECT id FROM company_jobs WHERE outcome = ? AND created_at < ? ${exceptCopies(this.database)} LIMIT ${PURGE_ROWS}`;
    await onEachShard(this.database, async (shard) => {
      for (const outcome of JOB_OUTCOMES.filter((each) => each !== "open")) {
        if ((await shard.get<{ id: string }>(old, [outcome, before])) === undefined) continue;
        await shard.run(`DELETE FROM company_jobs WHERE id IN (${old})`, [outcome, before]);
      }
    });
  }

  private async enqueue(row: Pick<CompanyJobRow, "id" | "queue" | "priority" | "payload" | "notBefore">): Promise<void> {
    const delayMs = row.notBefore === null ? 0 : Math.max(0, Date.parse(row.notBefore) - Date.now());
    await this.queue.add(row.queue, parse(row.payload) ?? {}, { id: row.id, priority: row.priority, delayMs });
  }

  /** @returns whether it was in the outcome it is taken from. */
  private async change(
    id: string,
    from: CompanyJobRow["outcome"],
    to: {
      readonly outcome: CompanyJobRow["outcome"];
      readonly result: string | null;
      readonly error: string | null;
      readonly finished: boolean;
    },
    state: SettledJob["state"] | "open",
    companyId?: string,
  ): Promise<boolean> {
    const find = `SELECT ${OWNED} FROM company_jobs WHERE id = ? AND outcome = ?`;
    const inOne = (queries: Queries): Promise<OwnedRow | undefined> => queries.get<OwnedRow>(find, [id, from]);
    const row = await (companyId === undefined ? findOnShards(this.database, inOne) : inOne(homeOf(this.database, companyId)));
    if (row === undefined) return false;
    return new TenantScope(this.database, row.companyId).transaction(async (inside) => {
      const { outcome, result, error, finished } = to;
      const changes = { outcome, result, error, finishedAt: finished ? new Date().toISOString() : null };
      if (!(await inside.table(companyJobs).update(id, changes, { outcome: from }))) return false;
      await this.listener(inside, row, state);
      return true;
    });
  }

  private async find(scope: TenantScope, id: string): Promise<CompanyJobRow> {
    const row = await scope.table(companyJobs).find(id);
    if (row === undefined) throw new HttpProblem("not-found", "There is no such job.");
    return row;
  }

  private async lookUpAll(ids: readonly string[]): Promise<ReadonlyMap<string, JobRecord>> {
    let known: readonly (JobRecord | undefined)[] = [];
    try {
      known = this.queue.getAll === undefined ? await Promise.all(ids.map((id) => this.lookUp(id))) : await this.queue.getAll(ids);
    } catch (error) {
      this.logger.debug({ jobs: ids.length, reason: errorText(error) }, "the queue could not be asked about jobs");
    }
    return new Map(known.flatMap((record) => (record === undefined ? [] : [[record.id, record]])));
  }

  /** What the queue knows; nothing while it is away, and then the row still tells the outcome. */
  private async lookUp(id: string): Promise<JobRecord | undefined> {
    try {
      return await this.queue.get(id);
    } catch (error) {
      this.logger.debug({ job: id, reason: errorText(error) }, "the queue could not be asked about a job");
      return undefined;
    }
  }
}
