import type { IncomingMessage } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { Request, RequestHandler } from "express";
import type { Phase } from "../config/phase";
import type { Logger } from "../observability/logger";
import type { RedisConnection } from "../redis/client";
import type { Session } from "../session/session-store";
import { secretsEqual } from "../session/token";
import { AccountLimit } from "./account-limit";
import { bucketsFor, bucketsOf, userKey } from "./buckets";
import { clientAddress } from "./client-address";
import { AddressGuard, type GuardedClient } from "./guard";
import { limitHeader, policyHeader } from "./headers";
import { type OutcomeCounts, outcomeCounts } from "./metrics";
import { type LimitPolicy, type PolicyName, type RateLimitConfig, resolvePolicies } from "./policies";
import { refusalProblem, refusalText, type Refused, refusedBy } from "./refusal";
import { ADDRESS_LIMITS, guardClass, limitsOf, ROUTE_LIMITS, type RouteLimits } from "./routes";
import { SampledLog } from "./sampled-log";
import { createLimitStore } from "./store-chain";
import type { LimitStore, Outcome } from "./types";

/** Header by which an operator's own load is let through: the admin token. Its requests are counted, but not refused. */
export const BYPASS_HEADER = "x-rate-limit-bypass";

const OVER_LIMIT = "requests over a limit are refused";

/** Clients over the concurrency limit are asked to wait this long, milliseconds. */
const CONCURRENCY_RETRY_MS = 1000;

export interface RateLimitsOptions {
  readonly config: RateLimitConfig;
  readonly phase: Phase;
  readonly trustProxy: number;
  /** Whether this process is one of several under a primary. */
  readonly clustered: boolean;
  readonly redis: RedisConnection | undefined;
  readonly adminToken: string;
  readonly logger: Logger;
}

/** The policies of one kind of request, with what is the same for all of them. */
interface PolicySet {
  readonly policies: readonly LimitPolicy[];
  readonly header: string;
}

/** A request that a guard let in, until it is answered. */
const ADMITTED = Symbol("admitted by the guard");
interface Guarded extends IncomingMessage {
  [ADMITTED]?: GuardedClient | undefined;
}

/** What was begun early for a request, see {@link RateLimits.beginEarly}. */
const BEGUN = Symbol("limits begun early");
interface Begun extends Request {
  [BEGUN]?: { readonly set: PolicySet; readonly user: string; readonly outcome: Promise<Outcome> };
}

/** All limits of one worker: guards before Express, limits of addresses before authentication, of users and companies after it. */
export class RateLimits {
  readonly policies: ReadonlyMap<PolicyName, LimitPolicy>;
  readonly store: LimitStore;
  readonly guard: AddressGuard;
  /** Wrong passwords, counted by account. */
  readonly accounts: AccountLimit;
  readonly #sets = new Map<string, PolicySet>();
  readonly #routeSets = new Map<RouteLimits, Map<PolicyName, PolicySet>>();
  readonly #concurrency: OutcomeCounts = outcomeCounts("concurrency", "guard");
  readonly #log: SampledLog;

  constructor(private readonly options: RateLimitsOptions) {
    const { config, phase, clustered, redis } = options;
    this.#log = new SampledLog(options.logger);
    this.policies = resolvePolicies(config, phase);
    this.store = createLimitStore(redis, clustered, this.#log);
    this.accounts = new AccountLimit(this.policies.get("account"), this.store, this.#log, (request) => this.#isOperator(request));
    const guarded = ["ddos", "ip", "burst", "steady"] as const;
    const policies = guarded.flatMap((name) => this.policies.get(name) ?? []);
    const shared = clustered || redis !== undefined ? this.store : undefined;
    this.guard = new AddressGuard(policies, shared, ({ message }) =>
      this.#log.warn("exchange", { reason: message }, "counts of addresses could not be exchanged"),
    );
  }

  /** Whether anything is limited. */
  get enabled(): boolean {
    return this.policies.size > 0;
  }

  /** For health reports (C6). */
  status(): Readonly<Record<string, unknown>> {
    const { mode } = this.options.config;
    return { enabled: this.enabled, mode, store: this.store.kind, policies: this.policies.size, addresses: this.guard.size };
  }

  /**
   * The limits per address and the limit of concurrent requests, before anything else is done for a request.
   * @returns why it is refused; `undefined` when it is let in: then {@link leave} has to follow once it is answered.
   */
  admit(request: IncomingMessage): Refused | undefined {
    const { config, trustProxy } = this.options;
    if (config.mode === "off") return undefined;
    const kind = guardClass(request.url ?? "/");
    if (kind === "exempt") return undefined;
    const client = this.guard.client(clientAddress(request, trustProxy));
    if (config.concurrency > 0 && client.inFlight >= config.concurrency) {
      const outcome = config.mode === "dry-run" ? "would-limit" : this.#isOperator(request) ? "bypassed" : "limited";
      this.#concurrency.add(outcome);
      if (outcome === "limited") return concurrencyRefusal(config.concurrency);
    }
    const refused = this.guard.check(client, kind === "api" ? everything : notApi);
    if (refused !== undefined) {
      const bypassed = this.#isOperator(request);
      refused.counts.add(bypassed ? "bypassed" : "limited");
      if (!bypassed) {
        this.#log.warn(refused.policy.name, { policy: refused.policy.name, address: client.address }, OVER_LIMIT);
        return refusedBy(refused.policy, refused.retryMs);
      }
    }
    client.inFlight += 1;
    (request as Guarded)[ADMITTED] = client;
    return undefined;
  }

  /** The request is answered, or its client left. Safe to call for requests that were not admitted. */
  leave(request: IncomingMessage): void {
    const client = (request as Guarded)[ADMITTED];
    if (client === undefined) return;
    client.inFlight -= 1;
    (request as Guarded)[ADMITTED] = undefined;
  }

  /** Express middleware for `/api`, before authentication and before the body: limits per address of the routes in {@link ADDRESS_LIMITS}. */
  beforeAuthentication(): RequestHandler {
    return (request, _response, next) => {
      const found = limitsOf(ADDRESS_LIMITS, request.method, pathOf(request));
      const set = found === undefined ? undefined : this.#set(found.policies);
      if (set === undefined || set.policies.length === 0) {
        next();
        return;
      }
      const address = clientAddress(request, this.options.trustProxy);
      this.#hold(request, set, this.store.consume(bucketsOf(set.policies, () => address)), next);
    };
  }

  /** Express middleware for `/api`, after authentication: the limit of the route for the user, and the tier of the company, in one call. */
  afterAuthentication(): RequestHandler {
    return (request, _response, next) => {
      const { session } = request;
      const set = session === undefined ? undefined : this.#setFor(request, session);
      if (session === undefined || set === undefined) {
        next();
        return;
      }
      const begun = (request as Begun)[BEGUN];
      const isBegun = begun?.set === set && begun.user === userKey(session);
      this.#hold(request, set, isBegun ? begun.outcome : this.store.consume(bucketsFor(set.policies, session)), next);
    };
  }

  /**
   * Begins what {@link afterAuthentication} will ask, for the session that a request is expected to have, where it is asked over the
   * network: the answer then comes in the same round trip as that to who is asking. If it is not this session it was counted for nothing.
   */
  beginEarly(request: Request, session: Session): void {
    if (this.store.kind !== "redis") return;
    const set = this.#setFor(request, session);
    if (set === undefined) return;
    const outcome = Promise.resolve(this.store.consume(bucketsFor(set.policies, session)));
    // Whoever takes it hears of a failure; nobody may.
    outcome.catch(() => undefined);
    (request as Begun)[BEGUN] = { set, user: userKey(session), outcome };
  }

  /** Holds something that is no HTTP request of Express against policies, such as a message of a WebSocket. @returns the refusal. */
  async hold(names: readonly PolicyName[], keyOf: (policy: LimitPolicy) => string): Promise<Refused | undefined> {
    const { policies } = this.#set(names);
    if (policies.length === 0) return undefined;
    const outcome = await this.store.consume(bucketsOf(policies, keyOf));
    const refused = this.#count(policies, outcome, false);
    return refused === undefined ? undefined : refusedBy(refused.policy, refused.retryMs);
  }

  close(): void {
    this.guard.close();
  }

  /**
   * What a request of a session is held against, found without putting the names of its policies together; `undefined` when nothing of it
   * is in force.
   */
  #setFor(request: Request, session: Session): PolicySet | undefined {
    const route = limitsOf(ROUTE_LIMITS, request.method, pathOf(request));
    if (route === undefined) return undefined;
    const tier = tierOf(session.plan);
    let byTier = this.#routeSets.get(route);
    if (byTier === undefined) this.#routeSets.set(route, (byTier = new Map<PolicyName, PolicySet>()));
    let set = byTier.get(tier);
    if (set === undefined) byTier.set(tier, (set = this.#set([...route.policies, tier])));
    return set.policies.length === 0 ? undefined : set;
  }

  /** The policies of these names that are in force. */
  #set(names: readonly PolicyName[]): PolicySet {
    const key = names.join(" ");
    const known = this.#sets.get(key);
    if (known !== undefined) return known;
    const policies = names.flatMap((name) => this.policies.get(name) ?? []);
    const created = { policies, header: policyHeader(policies) };
    this.#sets.set(key, created);
    return created;
  }

  #hold(request: Request, set: PolicySet, outcome: Outcome | Promise<Outcome>, next: (error?: unknown) => void): void {
    if (outcome instanceof Promise) outcome.then((later) => this.#settle(request, set, later, next)).catch(next);
    else this.#settle(request, set, outcome, next);
  }

  #settle(request: Request, { policies, header }: PolicySet, outcome: Outcome, next: (error?: unknown) => void): void {
    request.context.rateLimitHeaders = ["RateLimit-Policy", header, "RateLimit", limitHeader(policies, outcome.states)];
    const refused = this.#count(policies, outcome, !outcome.allowed && this.#isOperator(request));
    if (refused !== undefined) {
      this.#log.warn(refused.policy.name, { policy: refused.policy.name, requestId: request.context.requestId }, OVER_LIMIT);
      next(refusalProblem(refused.policy, refused.retryMs));
      return;
    }
    const waitMs = slowDownMs(policies, outcome);
    if (waitMs === 0) next();
    else void delay(waitMs).then(() => next());
  }

  /** Counts the outcome; returns the policy that refuses, if one does: of several the one that takes longest. */
  #count(
    policies: readonly LimitPolicy[],
    { states, store }: Outcome,
    bypassed: boolean,
  ): { policy: LimitPolicy; retryMs: number } | undefined {
    let refused: { policy: LimitPolicy; retryMs: number } | undefined;
    for (const [index, policy] of policies.entries()) {
      const state = states[index];
      if (state === undefined) continue;
      const over = !state.allowed;
      outcomeCounts(policy.name, store).add(!over ? "allowed" : policy.dryRun ? "would-limit" : bypassed ? "bypassed" : "limited");
      if (over && !policy.dryRun && !bypassed && state.retryMs >= (refused?.retryMs ?? 0)) refused = { policy, retryMs: state.retryMs };
    }
    return refused;
  }

  #isOperator(request: IncomingMessage): boolean {
    const token = request.headers[BYPASS_HEADER];
    return typeof token === "string" && secretsEqual(token, this.options.adminToken);
  }
}

function everything(): boolean {
  return true;
}

function notApi({ name }: LimitPolicy): boolean {
  return name !== "burst" && name !== "steady";
}

function pathOf(request: Request): string {
  return `${request.baseUrl}${request.path}`;
}

/** Companies on a plan that is not known are on the smallest. */
function tierOf(plan: string): PolicyName {
  const tiers: Readonly<Record<string, PolicyName | undefined>> = {
    BASIC: "tier-basic",
    PROFESSIONAL: "tier-professional",
    ENTERPRISE: "tier-enterprise",
  };
  return tiers[plan] ?? "tier-free";
}

/** How long an answer is held back: see {@link LimitPolicy.slow}. */
function slowDownMs(policies: readonly LimitPolicy[], { states }: Outcome): number {
  let longest = 0;
  for (const [index, { slow, spec, dryRun }] of policies.entries()) {
    const state = states[index];
    if (slow === undefined || state === undefined || dryRun) continue;
    const used = spec.limit - state.remaining;
    longest = Math.max(longest, Math.min(slow.mostMs, Math.max(0, used - slow.after) * slow.stepMs));
  }
  return longest;
}

function concurrencyRefusal(limit: number): Refused {
  const detail = (wait: number): string => `More than ${limit} requests of this address at the same time; try again in ${wait} s.`;
  return { name: "concurrency", retryMs: CONCURRENCY_RETRY_MS, text: refusalText(detail, undefined) };
}
