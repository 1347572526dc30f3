import type { Database } from "../db/database";
import { ALL_COMPANIES, type CompanyCounts } from "./tenant-metrics";
import type { LatencyDigest } from "./tenant-metrics-digest";
import { PERIOD_NAMES, PERIODS, periodStart, type Period } from "./tenant-metrics-periods";
import { findProblems, PROBLEM_THRESHOLDS } from "./tenant-metrics-problems";
import { sumRows, TenantMetricsStore, type MetricsRow } from "./tenant-metrics-store";

/** Companies a summary lists. */
const BUSIEST_LISTED = 20;

const MINUTE_MS = 60_000;

/** Figures of one company, or of all, over one or several periods. */
export interface Figures {
  readonly requests: number;
  readonly requestsPerMinute: number;
  readonly errorShare: number;
  readonly clientErrorShare: number;
  readonly limitedShare: number;
  readonly meanMs: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
  readonly byClass: Readonly<Record<"read" | "write" | "upload" | "chat", number>>;
}

/** `GET /api/admin/metrics/summary`: all companies together, and the busiest of them. */
export async function metricsSummaryReport(database: Database, period: Period, now: number) {
  const store = new TenantMetricsStore(database);
  const [all, recent, busiest, activeCompanies, problems] = await Promise.all([
    store.series(ALL_COMPANIES, period, now),
    store.series(ALL_COMPANIES, "window", now),
    store.busiest(period, now, BUSIEST_LISTED),
    store.activeCompanies(period, now),
    findProblems(database, now),
  ]);
  return {
    period,
    now: recentFigures(recent, now),
    current: figures(current(all, period, now), elapsedMs(period, now)),
    activeCompanies,
    busiest: busiest.map((row) => ({ companyId: row.companyId, ...figures(sumRows([row]), elapsedMs(period, now)) })),
    problems: Object.fromEntries(
      (["slow", "failing", "limited", "inactive"] as const).map((name) => [
        name,
        problems.filter(({ problem }) => problem === name).length,
      ]),
    ),
    series: all.map((row) => point(row, now)),
  };
}

/** `GET /api/admin/metrics/company/:id`: what one company does now, and by hour, day and week. */
export async function companyReport(database: Database, company: { readonly id: string }, now: number) {
  const store = new TenantMetricsStore(database);
  const [series, problems] = await Promise.all([
    Promise.all(PERIOD_NAMES.map(async (period) => [period, await store.series(company.id, period, now)] as const)),
    findProblems(database, now, company.id),
  ]);
  const rows = Object.fromEntries(series) as Record<Period, MetricsRow[]>;
  return {
    company,
    now: recentFigures(rows.window, now),
    problems,
    hours: rows.hour.map((row) => point(row, now)),
    days: rows.day.map((row) => point(row, now)),
    weeks: rows.week.map((row) => point(row, now)),
  };
}

/** `GET /api/admin/metrics/problems`. */
export async function problemsReport(database: Database, now: number) {
  return { checkedAt: new Date(now).toISOString(), problems: await findProblems(database, now), thresholds: PROBLEM_THRESHOLDS };
}

/** The last full window and what there is of the running one: long enough to be calm, short enough to be now. */
function recentFigures(windows: readonly MetricsRow[], now: number): Figures {
  const { lengthMs } = PERIODS.window;
  const since = now - (now % lengthMs) - lengthMs;
  return figures(sumRows(windows.filter((row) => Date.parse(row.startsAt) >= since)), now - since);
}

function current(rows: readonly MetricsRow[], period: Period, now: number): ReturnType<typeof sumRows> {
  return sumRows(rows.filter((row) => Date.parse(row.startsAt) + PERIODS[period].lengthMs > now));
}

function elapsedMs(period: Period, now: number, startsAt = periodStart(period, now)): number {
  return Math.min(PERIODS[period].lengthMs, now - startsAt);
}

function point(row: MetricsRow, now: number) {
  return { startsAt: row.startsAt, ...figures(sumRows([row]), elapsedMs(row.period, now, Date.parse(row.startsAt))) };
}

function figures(sum: (CompanyCounts & { digest: LatencyDigest }) | null, elapsed: number): Figures {
  const requests = sum?.requests ?? 0;
  const share = (count: number | undefined): number => (requests === 0 ? 0 : round((count ?? 0) / requests, 4));
  return {
    requests,
    requestsPerMinute: round(requests / (Math.max(elapsed, MINUTE_MS) / MINUTE_MS), 4),
    errorShare: share(sum?.serverErrors),
    clientErrorShare: share(sum?.clientErrors),
    limitedShare: share(sum?.limited),
    meanMs: sum === null || requests === 0 ? null : round(sum.totalMs / requests, 1),
    p95Ms: quantile(sum, 0.95),
    p99Ms: quantile(sum, 0.99),
    byClass: { read: sum?.reads ?? 0, write: sum?.writes ?? 0, upload: sum?.uploads ?? 0, chat: sum?.chats ?? 0 },
  };
}

function quantile(sum: { readonly digest: LatencyDigest } | null, share: number): number | null {
  const value = sum?.digest.quantileMs(share) ?? null;
  return value === null ? null : round(value, 1);
}

function round(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}
