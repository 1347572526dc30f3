import type { Phase } from "../config/phase";
import type { LimitSpec } from "./types";

/** Who is counted. */
export type PolicyScope = "ip" | "account" | "user" | "company";

/** A limit as data: what is counted for whom, and what happens without the shared store. */
export interface LimitPolicy {
  readonly name: string;
  readonly scope: PolicyScope;
  readonly spec: LimitSpec;
  /** Counted without refusing anybody. */
  readonly dryRun: boolean;
  /**
   * While Redis is away each instance counts for itself: by the same limit (`local`), or, where every extra attempt is a risk, by half
   * of it and of its burst (`strict`).
   */
  readonly fallback: "local" | "strict";
  /** Answers slow down before they are refused. */
  readonly slow?: SlowDown;
}

/** From the request after `after` in a window on, each is held back `stepMs` longer than the one before, at most `mostMs`. */
export interface SlowDown {
  readonly after: number;
  readonly stepMs: number;
  readonly mostMs: number;
}

interface PolicyDefault extends LimitSpec {
  readonly scope: PolicyScope;
  readonly what: string;
  readonly fallback?: LimitPolicy["fallback"];
  readonly slow?: SlowDown;
  /** Only in these phases. @default all */
  readonly phases?: readonly Phase[];
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Every limit there is, with the figure of its feature. Each can be changed or switched off by `RATE_LIMIT_<NAME>`. */
export const POLICY_DEFAULTS = {
  // Per address, before Express. Health checks are exempt.
  burst: { what: "B7: API requests of one address in a second", scope: "ip", algorithm: "window", limit: 10, windowMs: SECOND },
  ddos: { what: "B7: all requests of one address in ten seconds", scope: "ip", algorithm: "window", limit: 100, windowMs: 10 * SECOND },
  ip: { what: "C4: all requests of one address in a minute", scope: "ip", algorithm: "window", limit: 1000, windowMs: MINUTE },
  steady: {
    what: "A4: API requests of one address, 300 a minute of which 50 at once; the capacity of the first phase",
    ...{ scope: "ip", algorithm: "smooth", limit: 300, windowMs: MINUTE, burst: 50, phases: ["cluster"] },
  },
  // Per address, before the body is read.
  auth: {
    what: "B7: signing up and logging in",
    ...{ scope: "ip", algorithm: "window", limit: 10, windowMs: 5 * MINUTE, fallback: "strict" },
  },
  progressive: {
    what: "D2: who goes on trying to log in becomes slower, then is blocked, each time for twice as long",
    ...{ scope: "ip", algorithm: "window", limit: 30, windowMs: HOUR, fallback: "strict" },
    slow: { after: 20, stepMs: 250, mostMs: 2000 },
    penalty: { strikes: 5, strikeWindowMs: HOUR, blockMs: 10 * MINUTE, mostBlockMs: 24 * HOUR },
  },
  // Per account, whether there is one or not; see account-limit.ts. After ten one more every three minutes: 30 in the first hour (OWASP
  // ASVS 4.0.3, 2.2.1, asks for no more than 100), and who mistyped waits for minutes, not for the end of a window.
  account: {
    what: "D2: wrong passwords of one account, from whatever addresses",
    ...{ scope: "account", algorithm: "smooth", limit: 20, windowMs: HOUR, burst: 10, fallback: "strict" },
  },
  strict: {
    what: "D2, E4: operators' changes under /api/admin",
    ...{ scope: "ip", algorithm: "window", limit: 60, windowMs: 15 * MINUTE, fallback: "strict" },
  },
  // Per user, after authentication.
  api: { what: "B7: the API", scope: "user", algorithm: "window", limit: 100, windowMs: MINUTE },
  chat: { what: "B7: chat", scope: "user", algorithm: "window", limit: 50, windowMs: MINUTE },
  ai: { what: "E4: what costs computing time by the request", scope: "user", algorithm: "window", limit: 20, windowMs: MINUTE },
  uploads: { what: "E4: uploads", scope: "user", algorithm: "window", limit: 20, windowMs: MINUTE },
  // Per company, after authentication (E3).
  "tier-free": { what: "E3: plan FREE", scope: "company", algorithm: "window", limit: 500, windowMs: 15 * MINUTE },
  "tier-basic": { what: "E3: plan BASIC", scope: "company", algorithm: "window", limit: 2000, windowMs: 15 * MINUTE },
  "tier-professional": { what: "E3: plan PROFESSIONAL", scope: "company", algorithm: "window", limit: 5000, windowMs: 15 * MINUTE },
  "tier-enterprise": { what: "E3: plan ENTERPRISE", scope: "company", algorithm: "window", limit: 20_000, windowMs: 15 * MINUTE },
} as const satisfies Readonly<Record<string, PolicyDefault>>;

export type PolicyName = keyof typeof POLICY_DEFAULTS;
export const POLICY_NAMES = Object.keys(POLICY_DEFAULTS) as readonly PolicyName[];

type Upper<Name extends string> = Name extends `${infer Head}-${infer Tail}` ? `${Uppercase<Head>}_${Upper<Tail>}` : Uppercase<Name>;

/** Variable that changes a policy. */
export type PolicyVariable = `RATE_LIMIT_${Upper<PolicyName>}`;

/** Name of the variable that changes a policy: `RATE_LIMIT_TIER_FREE`. */
export function policyVariable(name: PolicyName): PolicyVariable {
  return `RATE_LIMIT_${name.toUpperCase().replaceAll("-", "_")}` as PolicyVariable;
}

/** What an operator changed about one policy; see {@link parseOverride}. */
export interface PolicyOverride {
  readonly mode?: "off" | "dry-run";
  readonly limit?: number;
  readonly windowMs?: number;
  readonly burst?: number;
}

const OVERRIDE =
  /^(?:(?<limit>[1-9][0-9]{0,8})\/(?<amount>[1-9][0-9]{0,4})(?<unit>ms|s|m|h)(?: burst (?<burst>[1-9][0-9]{0,6}))?)?(?<mode>off|dry-run)?$/;
const UNIT_MS = { ms: 1, s: SECOND, m: MINUTE, h: HOUR } as const;

/** What {@link parseOverride} understands, for error messages. */
export const OVERRIDE_SYNTAX = 'off, dry-run, or requests per time such as 100/1m (ms, s, m, h), "300/1m burst 50", "100/1m dry-run"';

/** Reads the value of a policy's variable; `undefined` for anything it does not understand. */
export function parseOverride(text: string): PolicyOverride | undefined {
  const found = OVERRIDE.exec(text.replace(/ (?=off|dry-run)/, ""))?.groups;
  if (found === undefined || text === "") return undefined;
  const { limit, amount, unit, burst, mode } = found;
  return {
    ...(mode !== undefined && { mode: mode as "off" | "dry-run" }),
    ...(limit !== undefined && { limit: Number(limit), windowMs: Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS] }),
    ...(burst !== undefined && { burst: Number(burst) }),
  };
}

/** What the configuration says about limits. */
export interface RateLimitConfig {
  /** RATE_LIMITS: `dry-run` counts and reports, but refuses nobody; @default "on" */
  readonly mode: "on" | "off" | "dry-run";
  /** RATE_LIMIT_BURST, RATE_LIMIT_API and so on: changes to single policies. */
  readonly overrides: Readonly<Partial<Record<PolicyName, PolicyOverride>>>;
  /** RATE_LIMIT_CONCURRENCY: requests of one address being answered at the same time, in one worker; 0 switches it off; @default 200 */
  readonly concurrency: number;
}

/** The policies in force: defaults of the phase, with the operator's changes. One that is off is absent. */
export function resolvePolicies(config: RateLimitConfig, phase: Phase): ReadonlyMap<PolicyName, LimitPolicy> {
  const policies = new Map<PolicyName, LimitPolicy>();
  if (config.mode === "off") return policies;
  for (const name of POLICY_NAMES) {
    const { scope, fallback = "local", slow, phases, ...rest }: PolicyDefault = POLICY_DEFAULTS[name];
    const override = config.overrides[name] ?? {};
    // Whoever configures a limit wants it in this phase.
    if (override.mode === "off" || (phases !== undefined && override.limit === undefined && !phases.includes(phase))) continue;
    const dryRun = config.mode === "dry-run" || override.mode === "dry-run";
    policies.set(name, { name, scope, spec: specOf(rest, override), dryRun, fallback, ...(slow !== undefined && { slow }) });
  }
  return policies;
}

function specOf({ algorithm, limit, windowMs, burst, penalty }: LimitSpec, override: PolicyOverride): LimitSpec {
  const most = override.burst ?? burst;
  return {
    // A burst only makes sense where requests are spread.
    algorithm: override.burst === undefined ? algorithm : "smooth",
    limit: override.limit ?? limit,
    windowMs: override.windowMs ?? windowMs,
    ...(most !== undefined && { burst: most }),
    ...(penalty !== undefined && override.burst === undefined && { penalty }),
  };
}

/** The limit while each instance counts for itself; see {@link LimitPolicy.fallback}. */
export function fallbackSpec(policy: LimitPolicy): LimitSpec {
  if (policy.fallback === "local") return policy.spec;
  const { limit, burst } = policy.spec;
  return { ...policy.spec, limit: half(limit), ...(burst !== undefined && { burst: half(burst) }) };
}

function half(amount: number): number {
  return Math.max(1, Math.floor(amount / 2));
}
