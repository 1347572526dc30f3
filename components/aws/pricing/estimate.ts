import { COMPUTE } from "./compute";
import { DATA } from "./data";
import { FREE_TYPES } from "./free";
import { NETWORK } from "./network";
import { OPERATIONS } from "./operations";
import type { Pricer, PricingContext } from "./pricer";
import { priceTable } from "./regions";
import { PRICES_AS_OF } from "./sources";
import type { CostEstimate, CostLine, MonthlyUsage, PricedResource } from "./types";

/** How each type that costs something is priced. */
export const PRICERS: Readonly<Record<string, Pricer>> = { ...COMPUTE, ...DATA, ...NETWORK, ...OPERATIONS };

/** Types of AWS' packages; components and other clouds' resources are nobody's bill here. */
const AWS_TYPE = /^aws(x|-[a-z]+)?:/;

function pricerOf(type: string): Pricer | undefined {
  return Object.hasOwn(PRICERS, type) ? PRICERS[type] : undefined;
}

/**
 * What the resources of one region cost a month: US dollars at on-demand list prices. Every resource of AWS is priced, known to be free, or
 * listed as not priced with the reason; nothing is left out silently.
 *
 * @param resources of one region; another region's are another estimate, see {@link totalUsd}
 * @param usage what is paid by use, from the sizing model
 * @throws RangeError for a region without a price table.
 */
export function monthlyCost(resources: readonly PricedResource[], region: string, usage: MonthlyUsage): CostEstimate {
  const table = priceTable(region);
  const own = resources.filter(({ type }) => AWS_TYPE.test(type));
  const firsts = new Map<Pricer, PricedResource>();
  for (const resource of own) {
    const pricer = pricerOf(resource.type);
    if (pricer !== undefined && !firsts.has(pricer)) firsts.set(pricer, resource);
  }
  const first = new Set(firsts.values());
  const context: PricingContext = { table, usage, resources: own, isFirst: (resource) => first.has(resource) };

  const priced = new Map<string, CostLine[][]>();
  const free = new Map<string, number>();
  const notPriced = new Map<string, { type: string; reason: string; count: number }>();
  for (const resource of own) {
    const { type } = resource;
    const pricer = pricerOf(type);
    if (pricer === undefined && FREE_TYPES.has(type)) {
      free.set(type, (free.get(type) ?? 0) + 1);
      continue;
    }
    const result = pricer?.(resource, context) ?? "there is no price for this type here";
    if (typeof result === "string") {
      const key = `${type} ${result}`;
      notPriced.set(key, { type, reason: result, count: (notPriced.get(key)?.count ?? 0) + 1 });
    } else {
      priced.set(type, [...(priced.get(type) ?? []), [...result]]);
    }
  }
  const types = [...priced].map(([type, all]) => ({ type, count: all.length, usd: sum(all.flat()), lines: all.flat() }));
  const lines = types.flatMap((type) => type.lines);
  return {
    region,
    pricesAsOf: PRICES_AS_OF,
    totalUsd: sum(lines),
    unconfirmedUsd: sum(lines.filter(({ price }) => !price.source.confirmed)),
    types: types.sort((a, b) => b.usd - a.usd || a.type.localeCompare(b.type)),
    free: [...free].map(([type, count]) => ({ type, count })).sort((a, b) => a.type.localeCompare(b.type)),
    notPriced: [...notPriced.values()].sort((a, b) => a.type.localeCompare(b.type)),
  };
}

function sum(lines: readonly CostLine[]): number {
  return lines.reduce((total, { usd }) => total + usd, 0);
}

/** What several regions cost together. */
export function totalUsd(estimates: readonly CostEstimate[]): number {
  return estimates.reduce((total, estimate) => total + estimate.totalUsd, 0);
}
