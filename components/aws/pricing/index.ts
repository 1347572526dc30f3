export { monthlyCost, PRICERS, totalUsd } from "./estimate";
export { FREE_TYPES } from "./free";
export { PRICED_REGIONS, priceTable } from "./regions";
export { PRICES_AS_OF, SOURCES } from "./sources";
export type { CostEstimate, CostLine, MonthlyUsage, Price, PricedResource, PriceSource, TypeCost } from "./types";
