import { createHash } from "node:crypto";
import { PRODUCT_CATEGORIES } from "../db/domain-tables";
import { ORDER_STATUSES, type OrderStatus } from "../db/tables";
import type { Plan } from "../billing/plans";

const DAY_MS = 86_400_000;

/**
 * How unequal companies are: the n-th largest has `largest ÷ n^exponent` orders (Zipf), and none has fewer than `least`. With 10,000
 * companies that is about 70,000 orders, of which the hundred largest have a third.
 */
const ORDERS = { largest: 2000, exponent: 0.8, least: 3 } as const;
const PRODUCTS = { least: 3, more: 8 } as const;
const USERS = { largest: 40, exponent: 0.5, least: 1 } as const;

/** Orders are of the last days, as far back as the dashboard looks. */
const ORDER_DAYS = 30;

/** Plans by size: the first share of the companies, largest first, has the first plan. */
const PLAN_SHARES: readonly (readonly [plan: Plan, upTo: number])[] = [
  ["ENTERPRISE", 0.01],
  ["PROFESSIONAL", 0.1],
  ["BASIC", 0.4],
  ["FREE", 1],
];

/** A company with what belongs to it, before it is written. */
export interface SeedCompany {
  readonly id: string;
  readonly name: string;
  readonly plan: Plan;
  readonly createdAt: string;
  readonly users: readonly { readonly id: string; readonly email: string; readonly name: string }[];
  readonly products: readonly {
    readonly id: string;
    readonly sku: string;
    readonly name: string;
    readonly category: (typeof PRODUCT_CATEGORIES)[number];
    readonly priceCents: number;
  }[];
  /** Oldest first, numbered from 1. */
  readonly orders: readonly {
    readonly id: string;
    readonly customerName: string;
    readonly status: OrderStatus;
    readonly totalCents: number;
    readonly createdAt: string;
  }[];
}

/** What decides how all companies look. */
export interface SeedOptions {
  /** How many companies there are in all: a company's size and plan follow from its place among them. */
  readonly companies: number;
  /** Another one makes other companies beside the first. */
  readonly seed: number;
}

/** The id of a company; the same for the same seed and place. @param index from 0, the largest first */
export function companyId(seed: number, index: number): string {
  return idOf(`${seed}/${index}`);
}

/** The user of a company who is logged in for a load: its admin. */
export function adminId(seed: number, index: number): string {
  return idOf(`${seed}/${index}/user/0`);
}

/**
 * The company at a place.
 * @param now its orders are of the days before that; everything else is the same whenever it is made
 */
export function companyAt({ companies, seed }: SeedOptions, index: number, now: number): SeedCompany {
  const random = generator(`${seed}/${index}`);
  const of = (kind: string, n: number): string => idOf(`${seed}/${index}/${kind}/${n}`);
  const users = sized(USERS, index);
  const plan = planAt(companies, index);
  const orders = Array.from({ length: sized(ORDERS, index) }, (_nothing, n) => ({ n, ago: random() * ORDER_DAYS * DAY_MS }))
    .sort((one, other) => other.ago - one.ago)
    .map(({ ago }, n) => ({
      id: of("order", n),
      customerName: `Customer ${Math.floor(random() * 1000)}`,
      status: ORDER_STATUSES[Math.floor(random() * ORDER_STATUSES.length)] ?? "pending",
      totalCents: 500 + Math.floor(random() * 100_000),
      createdAt: new Date(now - ago).toISOString(),
    }));
  return {
    id: companyId(seed, index),
    name: `Seed ${seed} ${String(index + 1).padStart(6, "0")}`,
    plan,
    createdAt: new Date(now - (ORDER_DAYS + 1) * DAY_MS).toISOString(),
    // A plan allows only so many.
    users: Array.from({ length: Math.min(users, USERS_OF_PLAN[plan]) }, (_nothing, n) => ({
      id: of("user", n),
      email: `user-${n}.company-${index}.seed-${seed}@example.com`,
      name: `User ${n}`,
    })),
    products: Array.from({ length: PRODUCTS.least + Math.floor(random() * PRODUCTS.more) }, (_nothing, n) => ({
      id: of("product", n),
      sku: `SKU-${n}`,
      name: `Product ${n}`,
      category: PRODUCT_CATEGORIES[Math.floor(random() * PRODUCT_CATEGORIES.length)] ?? "frame",
      priceCents: 500 + Math.floor(random() * 50_000),
    })),
    orders,
  };
}

const USERS_OF_PLAN: Readonly<Record<Plan, number>> = { FREE: 10, BASIC: 50, PROFESSIONAL: 250, ENTERPRISE: 1000 };

function planAt(companies: number, index: number): Plan {
  return PLAN_SHARES.find(([, upTo]) => index < Math.ceil(upTo * companies))?.[0] ?? "FREE";
}

function sized(
  { largest, exponent, least }: { readonly largest: number; readonly exponent: number; readonly least: number },
  index: number,
) {
  return Math.max(least, Math.floor(largest / (index + 1) ** exponent));
}

/** A UUID of version 8 (RFC 9562: of one's own making) that follows from a text. */
function idOf(text: string): string {
  const bytes = createHash("sha256").update(`phased-stack seed ${text}`).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Numbers from 0 to 1 that are the same for the same text (mulberry32). */
function generator(text: string): () => number {
  let state = createHash("sha256").update(text).digest().readUInt32LE(0);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
