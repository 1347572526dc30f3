import { UserError } from "../lib/errors";

/** One thing a user does; what is sent is in requests.ts. */
export type Operation = "health" | "chat" | "dashboard" | "orders" | "order" | "new-order" | "products";

/** Arrivals at a fixed rate: that many users a second, each with one request. */
interface RateStage {
  readonly perSecond: number;
}

/** Users who stay: each sends a request, thinks for a random time within the bounds, and sends the next. */
interface PeopleStage {
  readonly users: number;
  /** Seconds from when one request of a user is due until the next one is. */
  readonly think: readonly [least: number, most: number];
}

/** A stretch of time with one kind of load. */
export type Stage = {
  readonly name: string;
  readonly seconds: number;
  /** Counts for the verdict; what only warms up does not. */
  readonly measured: boolean;
} & (RateStage | PeopleStage);

/** A number that has to be held over all measured stages together. */
export interface Target {
  /** Feature of features.md it is from. */
  readonly feature: string;
  readonly kind: TargetKind;
  /** Requests a second, milliseconds, or a share from 0 to 1, as the kind has it. */
  readonly limit: number;
}

export type TargetKind = "throughput" | "mean" | "p95" | "availability" | "errors" | "pool" | "hit-rate" | "replica-lag";

/** A load with its targets. */
export interface Profile {
  readonly name: string;
  readonly title: string;
  readonly stages: readonly Stage[];
  /** Shares of the operations; they add up to 1. */
  readonly mix: Readonly<Partial<Record<Operation, number>>>;
  /** Companies that take part, each with one user. */
  readonly companies: number;
  /** Where they are from: they sign up through the API, or the app's command `seed` makes them, once for all runs. @default sign-up */
  readonly from?: "sign-up" | "seed";
  /** The n-th company is as busy as `1 ÷ n^skew` (Zipf); with rates only. @default 0: all alike */
  readonly skew?: number;
  /** Each user on a connection of its own, as browsers have it, and not on whichever is free. */
  readonly ownConnections: boolean;
  readonly targets: readonly Target[];
}

const BUSINESS_MIX = { dashboard: 0.25, orders: 0.3, order: 0.15, products: 0.1, "new-order": 0.1, chat: 0.05, health: 0.05 } as const;

/** Think time of A12. */
const THINK = [10, 30] as const;

const target = (feature: string, kind: TargetKind, limit: number): Target => ({ feature, kind, limit });

/** Users of the origin A: what they see is held to B11's latency, because A names none. */
const capacity = (feature: string): Target[] => [target(feature, "p95", 2000), target(feature, "errors", 0.001)];

const people = (feature: string, users: number): Profile => ({
  name: `a-${users}-users`,
  title: `${users.toLocaleString("en")} users, 10–30 s think time`,
  stages: [
    { name: "warm-up", seconds: 30, measured: false, users, think: THINK },
    { name: "load", seconds: 240, measured: true, users, think: THINK },
  ],
  mix: BUSINESS_MIX,
  companies: 40,
  ownConnections: false,
  targets: capacity(feature),
});

/** Every profile. Rates and times are of features.md; where that names none the comment says so. */
export const PROFILES: readonly Profile[] = [
  {
    // Ours: whether a load gets through at all, in less than a minute.
    name: "smoke",
    title: "20 requests a second for 20 s",
    stages: [
      { name: "warm-up", seconds: 5, measured: false, perSecond: 20 },
      { name: "load", seconds: 20, measured: true, perSecond: 20 },
    ],
    mix: { health: 0.2, chat: 0.5, dashboard: 0.3 },
    companies: 8,
    ownConnections: false,
    targets: capacity("F6"),
  },
  {
    name: "a-500-users",
    title: "200, then 500 users, bursts of 1,000, 10–30 s think time",
    stages: [
      { name: "warm-up", seconds: 30, measured: false, users: 200, think: THINK },
      { name: "200 users", seconds: 60, measured: true, users: 200, think: THINK },
      { name: "500 users", seconds: 120, measured: true, users: 500, think: THINK },
      { name: "burst of 1,000", seconds: 60, measured: true, users: 1000, think: THINK },
    ],
    mix: BUSINESS_MIX,
    companies: 40,
    ownConnections: false,
    targets: capacity("A4"),
  },
  people("A12", 2000),
  people("A12", 5000),
  {
    name: "b-5000-users",
    title: "5,000 users a minute and more: 100, 150 and 200 users a second",
    stages: [
      { name: "warm-up", seconds: 60, measured: false, perSecond: 100 },
      { name: "load", seconds: 300, measured: true, perSecond: 150 },
      { name: "stress", seconds: 60, measured: true, perSecond: 200 },
    ],
    mix: { health: 0.2, chat: 0.5, dashboard: 0.3 },
    companies: 60,
    ownConnections: false,
    targets: [
      target("B11", "throughput", 83),
      target("B11", "p95", 2000),
      target("B11", "mean", 1500),
      target("B11", "availability", 0.999),
      target("B11", "errors", 0.001),
    ],
  },
  {
    // D names users and no pause between their requests: 4–6 s make 200 requests a second.
    name: "d-1000-concurrent",
    title: "1,000 users at a time, each on a connection of its own, 4–6 s think time",
    stages: [
      { name: "warm-up", seconds: 30, measured: false, users: 1000, think: [4, 6] },
      { name: "load", seconds: 120, measured: true, users: 1000, think: [4, 6] },
    ],
    mix: { dashboard: 0.3, orders: 0.4, order: 0.2, "new-order": 0.1 },
    companies: 40,
    ownConnections: true,
    targets: [target("D13", "p95", 200), target("D13", "pool", 0.8), target("D13", "errors", 0.001)],
  },
  {
    // E names companies and no rate: ours is that of B's load.
    name: "e-10000-companies",
    title: "10,000 companies, few of them busy and most of them small, 150 requests a second",
    stages: [
      { name: "warm-up", seconds: 60, measured: false, perSecond: 100 },
      { name: "load", seconds: 240, measured: true, perSecond: 150 },
    ],
    mix: { dashboard: 0.3, orders: 0.35, order: 0.1, products: 0.15, "new-order": 0.05, health: 0.05 },
    companies: 10_000,
    from: "seed",
    skew: 1,
    ownConnections: false,
    targets: [
      target("E10", "p95", 500),
      target("E10", "pool", 0.8),
      target("E10", "hit-rate", 0.6),
      target("E10", "replica-lag", 5000),
      target("E10", "errors", 0.001),
    ],
  },
];

/** Profile of a phase for `npm run verify -- --load` without a name. */
export const PROFILE_OF_PHASE: Readonly<Record<string, string>> = { cluster: "a-500-users", database: "b-5000-users" };

/**
 * The profile of a name.
 * @param option it was given with
 * @throws UserError naming all there are.
 */
export function profileNamed(name: string, option: string): Profile {
  const profile = PROFILES.find((one) => one.name === name);
  if (profile !== undefined) return profile;
  throw new UserError(`${option} ${JSON.stringify(name)}: allowed are ${PROFILES.map((one) => one.name).join(", ")}`);
}

/**
 * The profiles of a comma-separated list, or every one for `all`; each once, and in the order of {@link PROFILES}, which is from light to heavy
 * within an origin.
 * @param option it was given with
 * @throws UserError naming what there is not, and all there are.
 */
export function profilesNamed(list: string, option: string): readonly Profile[] {
  if (list.trim() === "all") return PROFILES;
  const names = list.split(",").map((name) => name.trim());
  const unknown = names.filter((name) => !PROFILES.some((profile) => profile.name === name));
  if (unknown.length === 0) return PROFILES.filter(({ name }) => names.includes(name));
  throw new UserError(
    `${option}: no profile ${unknown.map((name) => JSON.stringify(name)).join(", ")}; ` +
      `allowed are all, or a comma-separated list of ${PROFILES.map(({ name }) => name).join(", ")}`,
  );
}
