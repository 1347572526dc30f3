import { LRUCache } from "lru-cache";
import { Counter, Gauge } from "prom-client";
import { registry } from "../observability/metrics";

/** How one question to the cache ended. */
export type CacheResult =
  /** In this worker's memory. */
  | "hit"
  /** In Redis. */
  | "shared_hit"
  /** Made anew. */
  | "miss"
  /** Old, because making it anew failed. */
  | "stale";

/** Counts of one company, or of all. */
export interface CacheCounts {
  readonly hits: number;
  readonly sharedHits: number;
  readonly misses: number;
  readonly stale: number;
  /** Answered without making it anew ÷ all; `null` before the first question. */
  readonly hitRate: number | null;
}

/** Companies whose counts are kept; the one not asked for the longest goes first. */
const MOST_COMPANIES = 10_000;

type Counts = Record<CacheResult, number>;

const requestsTotal = new Counter({
  name: "cache_requests_total",
  help: "Questions to the cache, by how they ended.",
  labelNames: ["result"],
  registers: [registry],
});
const children: Readonly<Record<CacheResult, { inc(): void }>> = {
  hit: requestsTotal.labels("hit"),
  shared_hit: requestsTotal.labels("shared_hit"),
  miss: requestsTotal.labels("miss"),
  stale: requestsTotal.labels("stale"),
};
const entriesGauge = new Gauge({ name: "cache_entries", help: "Entries in the memory of the workers.", registers: [registry] });
const bytesGauge = new Gauge({ name: "cache_bytes", help: "Bytes of entries in the memory of the workers.", registers: [registry] });

/** Counts of one worker's cache (feature E2). */
export class CacheStatistics {
  readonly #total: Counts = { hit: 0, shared_hit: 0, miss: 0, stale: 0 };
  readonly #companies = new LRUCache<string, Counts>({ max: MOST_COMPANIES });

  count(companyId: string, result: CacheResult): void {
    let company = this.#companies.get(companyId);
    if (company === undefined) this.#companies.set(companyId, (company = { hit: 0, shared_hit: 0, miss: 0, stale: 0 }));
    company[result] += 1;
    this.#total[result] += 1;
    children[result].inc();
  }

  observeSize(entries: number, bytes: number): void {
    entriesGauge.set(entries);
    bytesGauge.set(bytes);
  }

  total(): CacheCounts {
    return present(this.#total);
  }

  company(companyId: string): CacheCounts {
    return present(this.#companies.get(companyId) ?? { hit: 0, shared_hit: 0, miss: 0, stale: 0 });
  }
}

function present({ hit, shared_hit, miss, stale }: Counts): CacheCounts {
  return { hits: hit, sharedHits: shared_hit, misses: miss, stale, hitRate: hitRate(hit + shared_hit + stale, miss) };
}

/** Share of questions answered without making the answer anew, to four digits; `null` without questions. */
export function hitRate(answered: number, made: number): number | null {
  return answered + made === 0 ? null : Math.round((answered / (answered + made)) * 10_000) / 10_000;
}
