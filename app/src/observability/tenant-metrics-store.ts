import { setImmediate as eventLoopTurn } from "node:timers/promises";
import type { Database, Queries, SqlValue } from "../db/database";
import { ALL_COMPANIES, NOTHING, type CompanyCounts, type MetricsDelta } from "./tenant-metrics";
import { LatencyDigest, mergeDigests } from "./tenant-metrics-digest";
import { isoStart, PERIOD_NAMES, PERIODS, type Period } from "./tenant-metrics-periods";

/** One row: a company in a period. */
export interface MetricsRow extends Readonly<CompanyCounts> {
  readonly companyId: string;
  readonly period: Period;
  /** ISO 8601. */
  readonly startsAt: string;
  readonly digest: string;
}

const COUNTS = Object.keys(NOTHING) as (keyof CompanyCounts)[];
const COLUMN: Readonly<Record<keyof CompanyCounts, string>> = {
  requests: "requests",
  clientErrors: "client_errors",
  serverErrors: "server_errors",
  limited: "limited",
  reads: "reads",
  writes: "writes",
  uploads: "uploads",
  chats: "chats",
  totalMs: "total_ms",
};
const SELECTION = `company_id AS "companyId", period AS "period", starts_at AS "startsAt", digest AS "digest", ${COUNTS.map(
  (count) => `${COLUMN[count]} AS "${count}"`,
).join(", ")}`;

/** Deltas of one write transaction, about five rows each: a few milliseconds on SQLite, whose calls block the event loop. */
const DELTAS_PER_TRANSACTION = 25;

/** Rows of one statement. A few fixed sizes, so that a few statements are prepared and no more. */
const STATEMENT_ROWS = [64, 16, 4, 1] as const;

/** Rows past their retention deleted by one statement. */
const PURGED_PER_STATEMENT = 500;

/** Statements of one {@link TenantMetricsStore.purge}: what is left goes the next time. */
const MOST_PURGES = 20;

/** The figures of all companies in the database, added up over workers, instances and restarts. */
export class TenantMetricsStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Adds deltas to the rows of their window, hour, day and week, and to those of all companies together.
   * @returns what could not be written, and why. A transaction whose outcome got lost with its connection may have been written
   * all the same, so figures may count a part of one flush twice then; nothing else depends on them.
   */
  async add(deltas: readonly MetricsDelta[]): Promise<{ readonly failed: readonly MetricsDelta[]; readonly error: unknown }> {
    const sorted = [...deltas].sort((one, other) => (one.companyId < other.companyId ? -1 : 1));
    let done = 0;
    try {
      for (; done < sorted.length; done += DELTAS_PER_TRANSACTION) {
        const part = sorted.slice(done, done + DELTAS_PER_TRANSACTION);
        await this.#database.transaction((transaction) => addRows(transaction, toRows(part)));
        // SQLite answers within the same turn, so requests would wait for all transactions together.
        await eventLoopTurn();
      }
    } catch (error) {
      return { failed: [...sorted.slice(done), ...together(sorted.slice(0, done))], error };
    }
    // In a transaction of its own at the end: everybody writes these rows, and nobody should hold them for long.
    const all = together(sorted);
    try {
      if (all.length > 0) await this.#database.transaction((transaction) => addRows(transaction, toRows(all)));
    } catch (error) {
      return { failed: all, error };
    }
    return { failed: [], error: undefined };
  }

  /** Rows of one company, oldest first, at most as many as {@link PERIODS} shows. */
  async series(companyId: string, period: Period, now: number): Promise<MetricsRow[]> {
    const { lengthMs, shown } = PERIODS[period];
    return this.#database.all<MetricsRow>(
      `SELECT ${SELECTION} FROM company_metrics WHERE company_id = ? AND period = ? AND starts_at >= ? ORDER BY starts_at LIMIT ?`,
      [companyId, period, isoStart(period, now - (shown - 1) * lengthMs), shown],
    );
  }

  /** The companies with most requests in the period that holds `now`. */
  async busiest(period: Period, now: number, most: number): Promise<MetricsRow[]> {
    return this.#database.all<MetricsRow>(
      `SELECT ${SELECTION} FROM company_metrics WHERE period = ? AND starts_at = ? AND company_id <> ? ORDER BY requests DESC, company_id LIMIT ?`,
      [period, isoStart(period, now), ALL_COMPANIES, most],
    );
  }

  /** How many companies made a request in the period that holds `now`. */
  async activeCompanies(period: Period, now: number): Promise<number> {
    const row = await this.#database.get<{ count: number }>(
      "SELECT count(*) AS count FROM company_metrics WHERE period = ? AND starts_at = ? AND company_id <> ?",
      [period, isoStart(period, now), ALL_COMPANIES],
    );
    return row?.count ?? 0;
  }

  /** Deletes rows past their retention. */
  async purge(now: number): Promise<number> {
    let purged = 0;
    for (const period of PERIOD_NAMES) {
      const before = new Date(now - PERIODS[period].keptMs).toISOString();
      for (let statements = 0; statements < MOST_PURGES; statements++) {
        const deleted = await this.#database.run(
          `DELETE FROM company_metrics WHERE (company_id, period, starts_at) IN
             (SELECT company_id, period, starts_at FROM company_metrics WHERE period = ? AND starts_at < ? ORDER BY starts_at LIMIT ${PURGED_PER_STATEMENT})`,
          [period, before],
        );
        purged += deleted;
        await eventLoopTurn();
        if (deleted < PURGED_PER_STATEMENT) break;
      }
    }
    return purged;
  }
}

/** The sum of several rows; `null` without any. */
export function sumRows(
  rows: readonly (CompanyCounts & { readonly digest: string })[],
): (CompanyCounts & { digest: LatencyDigest }) | null {
  if (rows.length === 0) return null;
  const sum = { ...NOTHING, digest: new LatencyDigest() };
  for (const row of rows) {
    for (const count of COUNTS) sum[count] += row[count];
    sum.digest.add(row.digest);
  }
  return sum;
}

/** The rows deltas belong to, one for each key, in the order in which everybody locks them. */
function toRows(deltas: readonly MetricsDelta[]): MetricsRow[] {
  const rows = new Map<string, MetricsRow>();
  for (const delta of deltas) {
    const { companyId } = delta;
    for (const period of PERIOD_NAMES) {
      const startsAt = isoStart(period, delta.startsAt);
      const key = `${companyId} ${period} ${startsAt}`;
      const known = rows.get(key);
      const sum = known === undefined ? delta : { ...known, ...addCounts(known, delta), digest: mergeDigests(known.digest, delta.digest) };
      rows.set(key, { ...sum, companyId, period, startsAt });
    }
  }
  return [...rows].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, row]) => row);
}

function addCounts(one: CompanyCounts, other: CompanyCounts): CompanyCounts {
  const sum = { ...NOTHING };
  for (const count of COUNTS) sum[count] = one[count] + other[count];
  return sum;
}

/** Deltas of all companies together, one for each window. Those that already are are left out. */
function together(deltas: readonly MetricsDelta[]): MetricsDelta[] {
  const ofCompanies = deltas.filter(({ companyId }) => companyId !== ALL_COMPANIES);
  return [...new Set(ofCompanies.map(({ startsAt }) => startsAt))].flatMap((startsAt) => {
    const sum = sumRows(ofCompanies.filter((delta) => delta.startsAt === startsAt));
    return sum === null ? [] : [{ ...sum, companyId: ALL_COMPANIES, startsAt, digest: sum.digest.encode() }];
  });
}

async function addRows(queries: Queries, rows: readonly MetricsRow[]): Promise<void> {
  const merged: MetricsRow[] = [];
  for (const part of inSteps(rows)) {
    const written = await queries.all<MetricsRow>(upsertStatement(part.length), part.flatMap(rowValues));
    const before = new Map(written.map((row) => [rowKey(row), row]));
    for (const row of part) {
      const now = before.get(rowKey(row));
      // More requests than were just added: the row was there before, and its digest still is the old one.
      if (now !== undefined && now.requests > row.requests) merged.push({ ...row, digest: mergeDigests(now.digest, row.digest) });
    }
  }
  for (const part of inSteps(merged)) {
    const values = part.flatMap(({ companyId, period, startsAt, digest }): SqlValue[] => [companyId, period, startsAt, digest]);
    await queries.run(digestStatement(part.length), values);
  }
}

function* inSteps(rows: readonly MetricsRow[]): Generator<readonly MetricsRow[]> {
  let done = 0;
  for (const size of STATEMENT_ROWS) {
    for (; rows.length - done >= size; done += size) yield rows.slice(done, done + size);
  }
}

function rowKey({ companyId, period, startsAt }: MetricsRow): string {
  return `${companyId} ${period} ${startsAt}`;
}

function rowValues(row: MetricsRow): SqlValue[] {
  return [row.companyId, row.period, row.startsAt, row.digest, ...COUNTS.map((count) => row[count])];
}

/** Rows stay locked until the transaction ends, so nobody else can merge into the digests in between. */
function upsertStatement(rows: number): string {
  const columns = ["company_id", "period", "starts_at", "digest", ...COUNTS.map((count) => COLUMN[count])];
  const tuple = `(${columns.map(() => "?").join(", ")})`;
  const sums = COUNTS.map((count) => `${COLUMN[count]} = company_metrics.${COLUMN[count]} + excluded.${COLUMN[count]}`).join(", ");
  return `INSERT INTO company_metrics (${columns.join(", ")}) VALUES ${Array.from({ length: rows }, () => tuple).join(", ")}
    ON CONFLICT (company_id, period, starts_at) DO UPDATE SET ${sums} RETURNING ${SELECTION}`;
}

/** Both dialects name the columns of VALUES `column1`, `column2`, … */
function digestStatement(rows: number): string {
  const tuples = Array.from({ length: rows }, () => "(?, ?, ?, ?)").join(", ");
  return `UPDATE company_metrics SET digest = v.column4 FROM (VALUES ${tuples}) AS v
    WHERE company_metrics.company_id = v.column1 AND company_metrics.period = v.column2 AND company_metrics.starts_at = v.column3`;
}
