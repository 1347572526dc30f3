import type { PriceTable } from "./regions";
import type { CostLine, MonthlyUsage, Price, PricedResource } from "./types";

/** Hours of a month, as AWS' own calculator has them. */
export const HOURS = 730;

/** What a price is reckoned from. */
export interface PricingContext {
  readonly table: PriceTable;
  readonly usage: MonthlyUsage;
  /** All resources of the region. */
  readonly resources: readonly PricedResource[];
  /** Whether the resource is the first of its type: what is paid by use, and is known for all of them together, is put on it. */
  readonly isFirst: (resource: PricedResource) => boolean;
}

/** What a resource costs; a text says why its price is not known. */
export type Pricer = (resource: PricedResource, context: PricingContext) => readonly CostLine[] | string;

/** One line of costs. */
export function line(what: string, quantity: number, unit: string, price: Price): CostLine {
  return { what, quantity, unit, price, usd: quantity * price.usd };
}

/** The same price times a number, e.g. a share of it. */
export function scaled({ usd, source }: Price, times: number): Price {
  return { usd: usd * times, source };
}

/** An input that is a number, or the text of one as ECS wants it; `undefined` when it is not there or not known yet. */
export function numberOf(inputs: Readonly<Record<string, unknown>>, key: string): number | undefined {
  const value = inputs[key];
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (typeof value === "string" && /^\d+(\.\d+)?$/.test(value)) return Number(value);
  return undefined;
}

/** An input that is a text. */
export function textOf(inputs: Readonly<Record<string, unknown>>, key: string): string | undefined {
  const value = inputs[key];
  return typeof value === "string" ? value : undefined;
}

/** An input that is an object. */
export function objectOf(inputs: Readonly<Record<string, unknown>>, key: string): Readonly<Record<string, unknown>> {
  const value = inputs[key];
  return isObject(value) ? value : {};
}

/** Elements of an input that is a list; none when it is not. */
export function listOf(inputs: Readonly<Record<string, unknown>>, key: string): readonly unknown[] {
  const value = inputs[key];
  return Array.isArray(value) ? (value as unknown[]) : [];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Virtual CPUs of an instance class by its size, as all families of the tables have them. */
export function vcpusOf(className: string): number | undefined {
  const size = className.split(".").at(-1) ?? "";
  if (/^(micro|small|medium|large)$/.test(size)) return 2;
  const times = /^(\d*)xlarge$/.exec(size)?.[1];
  return times === undefined ? undefined : 4 * Number(times === "" ? 1 : times);
}
