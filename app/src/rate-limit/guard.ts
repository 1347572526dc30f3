import { latest } from "../bounded";
import { count, emptyRecord, fits, type LimitRecord, refresh } from "./arithmetic";
import { type OutcomeCounts, outcomeCounts } from "./metrics";
import type { LimitPolicy } from "./policies";
import type { Bucket, LimitStore } from "./types";

const defaults = {
  /** Addresses kept; about 500 bytes each. When full, the one that was quiet for the longest time goes. */
  mostClients: 20_000,
  /** Time between two exchanges with the other processes, milliseconds. */
  exchangeMs: 100,
  /** Counts of one exchange; the rest waits for the next, so that a flood of addresses does not become one of messages. */
  mostExchanged: 500,
  /** Part of a limit that a process may have counted without telling the others. */
  unsentShare: 0.1,
} as const;

/** Policy, and how much of it is counted before the others are told. */
interface Guarded {
  readonly policy: LimitPolicy;
  readonly tellFrom: number;
  readonly counts: OutcomeCounts;
}

/** One address. */
export interface GuardedClient {
  readonly address: string;
  readonly records: readonly LimitRecord[];
  /** Counted here and not yet told, by policy. */
  readonly unsent: number[];
  /** Requests of it being answered in this process. */
  inFlight: number;
}

/** Why a request is refused. */
export interface GuardRefusal {
  readonly policy: LimitPolicy;
  readonly retryMs: number;
  readonly counts: OutcomeCounts;
}

/**
 * The limits per address that stand before everything else (features B7, C4, A4), decided in this process without waiting for anyone.
 * What it counted it adds to the shared store about every 100 ms, and learns the sum: so N processes together let pass a limit, plus
 * at most what arrives within 100 ms, plus a tenth of the limit for each process.
 */
export class AddressGuard {
  readonly #guarded: readonly Guarded[];
  readonly #clients = latest<string, GuardedClient>(defaults.mostClients);
  readonly #untold = new Set<GuardedClient>();
  readonly #timer: NodeJS.Timeout | undefined;
  #exchanging: Promise<void> | undefined;

  /**
   * @param shared where the processes add up; `undefined` when this process is all there is.
   * @param failed called with the error of an exchange that failed; its counts are lost to the others.
   */
  constructor(
    policies: readonly LimitPolicy[],
    private readonly shared: LimitStore | undefined,
    private readonly failed: (error: Error) => void,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#guarded = policies.map((policy) => ({
      policy,
      tellFrom: Math.max(1, Math.ceil((policy.spec.burst ?? policy.spec.limit) * defaults.unsentShare)),
      counts: outcomeCounts(policy.name, "guard"),
    }));
    if (shared !== undefined && policies.length > 0) {
      this.#timer = setInterval(() => void this.exchange(), defaults.exchangeMs);
      this.#timer.unref();
    }
  }

  /** Addresses known now. */
  get size(): number {
    return this.#clients.size;
  }

  client(address: string): GuardedClient {
    return this.#clients.get(address) ?? this.#add(address);
  }

  /**
   * Holds one request against the policies that `applies` accepts; when one refuses, none counts it.
   * @returns why it is refused, `undefined` when it passes.
   */
  check(client: GuardedClient, applies: (policy: LimitPolicy) => boolean): GuardRefusal | undefined {
    const now = this.now();
    for (const [index, { policy, counts }] of this.#guarded.entries()) {
      const record = client.records[index];
      if (record === undefined || !applies(policy)) continue;
      refresh(record, policy.spec, now);
      if (policy.dryRun || fits(record, policy.spec, 1, now)) continue;
      return { policy, retryMs: this.#retryMs(record, policy, now), counts };
    }
    for (const [index, { policy, tellFrom, counts }] of this.#guarded.entries()) {
      const record = client.records[index];
      if (record === undefined || !applies(policy)) continue;
      counts.add(!policy.dryRun || fits(record, policy.spec, 1, now) ? "allowed" : "would-limit");
      count(record, policy.spec, 1);
      const unsent = (client.unsent[index] ?? 0) + 1;
      client.unsent[index] = unsent;
      if (unsent >= tellFrom && this.shared !== undefined) this.#untold.add(client);
    }
    return undefined;
  }

  #retryMs(record: LimitRecord, { spec }: LimitPolicy, now: number): number {
    if (spec.algorithm === "window") return record.resetAt - now;
    const interval = spec.windowMs / spec.limit;
    return record.resetAt + interval - now - (spec.burst ?? 1) * interval;
  }

  /** Tells the others what was counted here and takes over the sums. Exchanges do not overlap. */
  exchange(): Promise<void> {
    if (this.#exchanging === undefined && this.#untold.size > 0) {
      this.#exchanging = this.#tell().finally(() => (this.#exchanging = undefined));
    }
    return this.#exchanging ?? Promise.resolve();
  }

  async #tell(): Promise<void> {
    if (this.shared === undefined) return;
    const told: { readonly client: GuardedClient; readonly index: number; readonly policy: LimitPolicy }[] = [];
    const buckets: Bucket[] = [];
    for (const client of this.#untold) {
      if (buckets.length + this.#guarded.length > defaults.mostExchanged) break;
      this.#untold.delete(client);
      for (const [index, { policy, tellFrom }] of this.#guarded.entries()) {
        const cost = client.unsent[index] ?? 0;
        if (cost < tellFrom) continue;
        client.unsent[index] = 0;
        told.push({ client, index, policy });
        buckets.push({ spec: policy.spec, key: `${policy.name}:${client.address}`, cost, force: true });
      }
    }
    try {
      const { states } = await this.shared.consume(buckets);
      const now = this.now();
      for (const [at, { client, index, policy }] of told.entries()) {
        const state = states[at];
        if (state !== undefined) this.#take(client, index, policy, state.remaining, now + state.resetMs);
      }
    } catch (error) {
      this.failed(error as Error);
    }
  }

  /** The sum of all processes, and on top what was counted here since it was taken. */
  #take(client: GuardedClient, index: number, { spec }: LimitPolicy, remaining: number, resetAt: number): void {
    const record = client.records[index];
    if (record === undefined) return;
    record.resetAt = resetAt;
    record.count = spec.limit - remaining;
    const since = client.unsent[index] ?? 0;
    if (since > 0) count(record, spec, since);
  }

  #add(address: string): GuardedClient {
    const client = {
      address,
      records: this.#guarded.map(() => emptyRecord()),
      unsent: this.#guarded.map(() => 0),
      inFlight: 0,
    };
    this.#clients.set(address, client);
    return client;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
