import { Counter } from "prom-client";
import { registry } from "../observability/metrics";
import type { StoreKind } from "./types";

/**
 * - `allowed`, `limited`.
 * - `would-limit`: a dry run that let it pass.
 * - `bypassed`: over the limit, but sent by the operator.
 */
export type LimitOutcome = "allowed" | "limited" | "would-limit" | "bypassed";

/** What guards count in: they decide in this process and tell the others later. */
export type DecidedBy = StoreKind | "guard";

/** Counted in plain numbers and handed to prom-client when it is scraped: several counts a request have to cost next to nothing. */
export class OutcomeCounts {
  readonly #counts: Record<LimitOutcome, number> = { allowed: 0, limited: 0, "would-limit": 0, bypassed: 0 };
  readonly #reported: Record<LimitOutcome, number> = { allowed: 0, limited: 0, "would-limit": 0, bypassed: 0 };

  constructor(
    private readonly policy: string,
    private readonly store: DecidedBy,
  ) {}

  add(outcome: LimitOutcome): void {
    this.#counts[outcome] += 1;
  }

  get(outcome: LimitOutcome): number {
    return this.#counts[outcome];
  }

  report(counter: Counter<"policy" | "store" | "outcome">): void {
    for (const outcome of Object.keys(this.#counts) as LimitOutcome[]) {
      const fresh = this.#counts[outcome] - this.#reported[outcome];
      if (fresh === 0) continue;
      this.#reported[outcome] = this.#counts[outcome];
      counter.inc({ policy: this.policy, store: this.store, outcome }, fresh);
    }
  }
}

const known = new Map<string, OutcomeCounts>();

new Counter({
  name: "rate_limit_requests_total",
  help: "Requests held against a limit, by policy, the store that decided, and outcome.",
  labelNames: ["policy", "store", "outcome"],
  registers: [registry],
  collect() {
    for (const counts of known.values()) counts.report(this);
  },
});

/** The counts of a policy in a store; names come from the policies, so there are few. */
export function outcomeCounts(policy: string, store: DecidedBy): OutcomeCounts {
  const key = `${policy} ${store}`;
  const counts = known.get(key) ?? new OutcomeCounts(policy, store);
  known.set(key, counts);
  return counts;
}
