import type { Database } from "../db/database";
import { ALL_COMPANIES, WINDOW_MS } from "./tenant-metrics";
import { LatencyDigest } from "./tenant-metrics-digest";
import { isoStart } from "./tenant-metrics-periods";

/** What can be wrong with a company's traffic. */
export type ProblemName = "slow" | "failing" | "limited" | "inactive";

/** From where on it is a problem. */
export const PROBLEM_THRESHOLDS = {
  /** Figures of this many five-minute windows are judged, the running one included. */
  windows: 3,
  /** Fewer requests than this prove nothing. */
  leastRequests: 20,
  /** 95th percentile, milliseconds (feature E10 promises less). */
  slow: { p95Ms: 500 },
  /** Share of 5xx (feature B8 alerts at 5 %). */
  failing: { serverErrorShare: 0.05 },
  /** Share of 429: the plan is too small, or a client does not wait. */
  limited: { limitedShare: 0.1 },
  /** No request for this many days after at least this many requests within the days before: a customer may be leaving. */
  inactive: { days: 3, lookBackDays: 14, leastRequests: 50 },
} as const;

/** Problems of one kind that an answer lists, the worst first. */
const MOST_LISTED = 100;

/** Companies whose digests are merged in one look for slow ones. */
const MOST_CANDIDATES = 500;

const DAY_MS = 86_400_000;

/** One finding. */
export interface Problem {
  readonly companyId: string;
  readonly problem: ProblemName;
  /** One sentence with the figure and its threshold. */
  readonly reason: string;
  readonly value: number;
  readonly threshold: number;
  readonly requests: number;
}

interface Sums {
  readonly companyId: string;
  readonly requests: number;
  readonly serverErrors: number;
  readonly limited: number;
}

const percent = (share: number): string => `${Math.round(share * 1000) / 10} %`;

// CAST: Postgres gives the sum of whole numbers as a decimal.
const SUMS = `SELECT company_id AS "companyId", CAST(SUM(requests) AS BIGINT) AS "requests",
    CAST(SUM(server_errors) AS BIGINT) AS "serverErrors", CAST(SUM(limited) AS BIGINT) AS "limited"
  FROM company_metrics WHERE period = 'window' AND starts_at >= ? AND company_id <> ?`;

/**
 * Companies with a problem right now, at most 100 of each kind, by what all workers and instances have written. The database does the
 * filtering, so ten thousand healthy companies cost one scan of their current windows and no memory.
 * @param companyId only this one.
 */
export async function findProblems(database: Database, now: number, companyId?: string): Promise<Problem[]> {
  const since = isoStart("window", now - (PROBLEM_THRESHOLDS.windows - 1) * WINDOW_MS);
  const search: Search = { database, since, now, companyId };
  const found = await Promise.all([failing(search), limited(search), slow(search), inactive(search)]);
  return found.flat();
}

interface Search {
  readonly database: Database;
  readonly since: string;
  readonly now: number;
  readonly companyId: string | undefined;
}

async function failing(search: Search): Promise<Problem[]> {
  const { serverErrorShare } = PROBLEM_THRESHOLDS.failing;
  const rows = await overShare(search, "server_errors", serverErrorShare);
  return rows.map(({ companyId, requests, serverErrors }) => {
    const value = serverErrors / requests;
    const reason = `${percent(value)} of ${requests} requests failed (5xx), from ${percent(serverErrorShare)} on it is a problem.`;
    return { companyId, problem: "failing", reason, value, threshold: serverErrorShare, requests };
  });
}

async function limited(search: Search): Promise<Problem[]> {
  const { limitedShare } = PROBLEM_THRESHOLDS.limited;
  const rows = await overShare(search, "limited", limitedShare);
  return rows.map(({ companyId, requests, limited: refused }) => {
    const value = refused / requests;
    const reason = `${percent(value)} of ${requests} requests were refused by a limit (429), from ${percent(limitedShare)} on it is a problem.`;
    return { companyId, problem: "limited", reason, value, threshold: limitedShare, requests };
  });
}

function overShare(search: Search, column: "server_errors" | "limited", share: number): Promise<Sums[]> {
  const { database, since } = search;
  return database.all<Sums>(
    `${SUMS}${only(search)} GROUP BY company_id HAVING SUM(requests) >= ? AND SUM(${column}) >= ? * SUM(requests)
     ORDER BY SUM(${column}) DESC, company_id LIMIT ${MOST_LISTED}`,
    [since, ALL_COMPANIES, ...onlyValues(search), PROBLEM_THRESHOLDS.leastRequests, share],
  );
}

async function slow(search: Search): Promise<Problem[]> {
  const { p95Ms } = PROBLEM_THRESHOLDS.slow;
  const { database, since } = search;
  // A p95 beyond the threshold means that 5 % of the requests took at least that long, so their sum is at least this much.
  const candidates = await database.all<Sums>(
    `${SUMS}${only(search)} GROUP BY company_id HAVING SUM(requests) >= ? AND SUM(total_ms) >= ? * SUM(requests)
     ORDER BY SUM(total_ms) DESC, company_id LIMIT ${MOST_CANDIDATES}`,
    [since, ALL_COMPANIES, ...onlyValues(search), PROBLEM_THRESHOLDS.leastRequests, 0.05 * p95Ms],
  );
  const found: Problem[] = [];
  for (const { companyId, requests } of candidates) {
    const rows = await database.all<{ digest: string }>(
      `SELECT digest AS "digest" FROM company_metrics WHERE company_id = ? AND period = 'window' AND starts_at >= ? ORDER BY starts_at LIMIT ?`,
      [companyId, since, PROBLEM_THRESHOLDS.windows],
    );
    const digest = new LatencyDigest();
    for (const row of rows) digest.add(row.digest);
    const value = digest.quantileMs(0.95) ?? 0;
    if (value < p95Ms) continue;
    const reason = `95 % of ${requests} requests took up to ${Math.round(value)} ms, from ${p95Ms} ms on it is a problem.`;
    found.push({ companyId, problem: "slow", reason, value, threshold: p95Ms, requests });
  }
  return found.sort((one, other) => other.value - one.value).slice(0, MOST_LISTED);
}

async function inactive(search: Search): Promise<Problem[]> {
  const { days, lookBackDays, leastRequests } = PROBLEM_THRESHOLDS.inactive;
  const { database, now } = search;
  const rows = await database.all<{ companyId: string; requests: number; last: string }>(
    `SELECT company_id AS "companyId", CAST(SUM(requests) AS BIGINT) AS "requests", MAX(starts_at) AS "last"
     FROM company_metrics WHERE period = 'day' AND starts_at >= ? AND company_id <> ?${only(search)}
     GROUP BY company_id HAVING MAX(starts_at) < ? AND SUM(requests) >= ? ORDER BY SUM(requests) DESC, company_id LIMIT ${MOST_LISTED}`,
    [
      isoStart("day", now - lookBackDays * DAY_MS),
      ALL_COMPANIES,
      ...onlyValues(search),
      isoStart("day", now - days * DAY_MS),
      leastRequests,
    ],
  );
  return rows.map(({ companyId, requests, last }) => {
    const value = Math.floor((now - Date.parse(last)) / DAY_MS);
    const reason = `No request since ${last.slice(0, 10)}, after ${requests} in ${lookBackDays} days; from ${days} days on it is a problem.`;
    return { companyId, problem: "inactive", reason, value, threshold: days, requests };
  });
}

function only({ companyId }: Search): string {
  return companyId === undefined ? "" : " AND company_id = ?";
}

function onlyValues({ companyId }: Search): string[] {
  return companyId === undefined ? [] : [companyId];
}
