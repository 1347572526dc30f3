import { WINDOW_MS } from "./tenant-metrics";

/** What figures are kept by. Weeks are ISO weeks, from Monday; all in UTC. */
export type Period = "window" | "hour" | "day" | "week";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;

/** 1 January 1970 was a Thursday. */
const MONDAY_OFFSET_MS = 4 * DAY_MS;

/** Length of each period, how long its rows are kept and how many of them a company's page shows. */
export const PERIODS: Readonly<Record<Period, { readonly lengthMs: number; readonly keptMs: number; readonly shown: number }>> = {
  window: { lengthMs: WINDOW_MS, keptMs: 3 * HOUR_MS, shown: 12 },
  hour: { lengthMs: HOUR_MS, keptMs: 8 * DAY_MS, shown: 24 },
  day: { lengthMs: DAY_MS, keptMs: 100 * DAY_MS, shown: 30 },
  week: { lengthMs: WEEK_MS, keptMs: 105 * WEEK_MS, shown: 26 },
};

export const PERIOD_NAMES = Object.keys(PERIODS) as Period[];

/** Start of the period that holds a moment; milliseconds since 1970. */
export function periodStart(period: Period, time: number): number {
  if (period === "week") return Math.floor((time - MONDAY_OFFSET_MS) / WEEK_MS) * WEEK_MS + MONDAY_OFFSET_MS;
  const { lengthMs } = PERIODS[period];
  return Math.floor(time / lengthMs) * lengthMs;
}

/** As the table holds it. */
export function isoStart(period: Period, time: number): string {
  return new Date(periodStart(period, time)).toISOString();
}
