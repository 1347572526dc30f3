import { type CostEstimate, monthlyCost, PRICED_REGIONS, type PricedResource, totalUsd } from "../../components/aws/pricing";
import * as pulumi from "@pulumi/pulumi";
import type { CloudPlan } from "./sizing/types";
import { usageAssumptions } from "./sizing/usage";
import { type Row, tableLines } from "../lib/table";

/**
 * What the resources of a region cost a month, with what is paid by use taken from the plan.
 * @throws RunError for a region without a price table.
 */
export function cloudCost(resources: readonly PricedResource[], region: string, plan: Pick<CloudPlan, "usage">): CostEstimate {
  if (!PRICED_REGIONS.includes(region)) {
    const allowed = `for a cost estimate ${PRICED_REGIONS.join(", ")}`;
    const fix = "Fix: add its prices to components/aws/pricing/regions.ts; everything else works without them";
    throw new pulumi.RunError(`awsRegion is ${region}, for which there is no price table; allowed: ${allowed}. ${fix}`);
  }
  return monthlyCost(resources, region, plan.usage);
}

/** The estimate for a stack output: plain values only, dollars rounded to whole ones, which is more than it is good for. */
export interface CostOutput {
  /** Several are joined by "and". */
  readonly region: string;
  readonly pricesAsOf: string;
  readonly monthlyUsd: number;
  /** Part of it that rests on prices which could not be confirmed. */
  readonly unconfirmedUsd: number;
  /** Of each, where there are several. */
  readonly byRegion?: Readonly<Record<string, number>>;
  /** By Pulumi's type, dearest first. */
  readonly byType: Readonly<Record<string, number>>;
  /** Types without a price, with the reason. */
  readonly notPriced: Readonly<Record<string, string>>;
  readonly assumptions: readonly string[];
}

/** See {@link CostOutput}; of several regions together. */
export function costOutput(...estimates: readonly [CostEstimate, ...CostEstimate[]]): CostOutput {
  const [{ pricesAsOf }] = estimates;
  const byType = new Map<string, number>();
  for (const { type, usd } of estimates.flatMap(({ types }) => types)) byType.set(type, (byType.get(type) ?? 0) + usd);
  const dearest = [...byType].sort(([, a], [, b]) => b - a);
  return {
    region: estimates.map(({ region }) => region).join(" and "),
    pricesAsOf,
    monthlyUsd: Math.round(totalUsd(estimates)),
    unconfirmedUsd: Math.round(estimates.reduce((sum, { unconfirmedUsd }) => sum + unconfirmedUsd, 0)),
    ...(estimates.length === 1
      ? {}
      : { byRegion: Object.fromEntries(estimates.map((estimate) => [estimate.region, Math.round(estimate.totalUsd)])) }),
    byType: Object.fromEntries(dearest.map(([type, usd]) => [type, Math.round(usd)])),
    notPriced: Object.fromEntries(estimates.flatMap(({ notPriced }) => notPriced.map(({ type, reason }) => [type, reason]))),
    assumptions: usageAssumptions(),
  };
}

const COLUMNS = ["type", "count", "USD a month", "for"] as const;
type Line = Row<(typeof COLUMNS)[number]>;

/** Lines of a type that are told; the rest is in its sum. */
const TOLD_LINES = 3;

/**
 * The estimate as a table for people: every type with its costs and what they are for, the total, what is not priced, and what was assumed. A
 * `~` marks sums with prices that could not be confirmed.
 */
export function costTable(estimate: CostEstimate): string {
  const { region, pricesAsOf, types, free, notPriced, unconfirmedUsd } = estimate;
  const rows = types.map(({ type, count, usd, lines }): Line => {
    const unsure = lines.some(({ price, usd: part }) => part > 0 && !price.source.confirmed);
    return { type: shortType(type), count: String(count), "USD a month": `${unsure ? "~" : ""}${dollars(usd)}`, for: purposes(lines) };
  });
  const total: Line = { type: "total", count: "", "USD a month": dollars(estimate.totalUsd), for: "" };
  const freeCount = free.reduce((sum, { count }) => sum + count, 0);
  return [
    `monthly cost in ${region}, list prices on demand as of ${pricesAsOf}:`,
    ...tableLines(COLUMNS, ["count", "USD a month"], [...rows, total]),
    `${freeCount} more resources of ${free.length} types cost nothing`,
    ...notPriced.map(({ type, count, reason }) => `not priced: ${count} × ${shortType(type)}: ${reason}`),
    ...(unconfirmedUsd > 0
      ? [`~ ${dollars(unconfirmedUsd)} of it at prices that could not be confirmed, see components/aws/pricing/sources.ts`]
      : []),
    "assumed:",
    ...usageAssumptions().map((assumption) => `  - ${assumption}`),
  ].join("\n");
}

function purposes(lines: CostEstimate["types"][number]["lines"]): string {
  const sums = new Map<string, number>();
  for (const { what, usd } of lines) sums.set(what, (sums.get(what) ?? 0) + usd);
  const sorted = [...sums].sort(([, a], [, b]) => b - a);
  const dearest = sorted.filter(([, usd], index) => usd >= 0.5 || index === 0);
  const told = dearest.slice(0, TOLD_LINES).map(([what, usd]) => `${what} ${dollars(usd)}`);
  return [...told, ...(dearest.length > TOLD_LINES ? ["…"] : [])].join(", ");
}

/** `rds Instance` for `aws:rds/instance:Instance`. */
function shortType(type: string): string {
  const match = /^aws:([^/]+)\/[^:]+:(\w+)$/.exec(type);
  return match === null ? type : `${match[1] ?? ""} ${match[2] ?? ""}`;
}

function dollars(usd: number): string {
  const digits = usd < 10 ? 2 : 0;
  return usd.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
