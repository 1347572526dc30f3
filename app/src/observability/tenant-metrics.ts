import type { LRUCache } from "lru-cache";
import { latest } from "../bounded";
import { encodeSamples, LatencyDigest } from "./tenant-metrics-digest";

/** What a request is about, as far as capacity goes. */
export type RouteClass = "read" | "write" | "upload" | "chat";

/** Counts of one company; every one of them only grows. */
export interface CompanyCounts {
  requests: number;
  /** 4xx other than 429. */
  clientErrors: number;
  /** 5xx. */
  serverErrors: number;
  /** 429: refused by a rate limit or a quota. */
  limited: number;
  reads: number;
  writes: number;
  uploads: number;
  chats: number;
  /** Sum of all durations, whole milliseconds. */
  totalMs: number;
}

/** What was counted since the last flush. */
export interface MetricsDelta extends Readonly<CompanyCounts> {
  readonly companyId: string;
  /** Start of the five-minute window; milliseconds since 1970. */
  readonly startsAt: number;
  /** See {@link LatencyDigest.encode}. */
  readonly digest: string;
}

interface Bounds {
  readonly active: number;
  readonly digests: number;
  readonly pending: number;
}

interface Entry extends CompanyCounts {
  /** The first few durations as they are, milliseconds: what most companies do between two flushes needs no histogram. */
  readonly samples: number[];
  digest: LatencyDigest | undefined;
}

/** Length of the shortest period, in milliseconds. */
export const WINDOW_MS = 300_000;

/** Stands for all companies together. No company has this id: theirs are UUIDs. */
export const ALL_COMPANIES = "*";

const CLASS_COUNT = { read: "reads", write: "writes", upload: "uploads", chat: "chats" } as const satisfies Record<RouteClass, string>;

/** Bounds of {@link TenantMetrics}. */
export const BOUNDS = {
  /** Companies counted at a time, about 0.4 KB each; beyond, the least recently active one becomes a line of text. */
  active: 12_000,
  /** Of these, companies with a histogram, about 2.2 KB each. */
  digests: 1000,
  /** Lines of text waiting for the next flush, about 0.3 KB each. */
  pending: 12_000,
} as const;

/** Durations kept as they are before a company gets a histogram. */
const MOST_SAMPLES = 16;

/**
 * Figures of each company in this worker since the last flush. Memory is bounded whatever the number of companies: at most
 * {@link BOUNDS}, measured 5 MB for 10,000 companies; what does not fit while the database is away is dropped and counted. Never a label of Prometheus:
 * ten thousand companies would be ten thousand series of every metric.
 */
export class TenantMetrics {
  readonly #now: () => number;
  readonly #bounds: Bounds;
  readonly #active: LRUCache<string, Entry>;
  /** Histograms to use again; making one costs more than clearing it. */
  readonly #spare: LatencyDigest[] = [];
  /** Used for a moment by a company that gets no histogram of its own. */
  readonly #overflow = new LatencyDigest(true);
  #digests = 0;
  readonly #pending: MetricsDelta[] = [];
  #windowStart = 0;
  #windowEnd = 0;
  #droppedRequests = 0;

  constructor(now: () => number = Date.now, bounds: Bounds = BOUNDS) {
    this.#now = now;
    this.#bounds = bounds;
    this.#active = latest<string, Entry>(bounds.active, { dispose: (entry, companyId) => this.#seal(companyId, entry) });
  }

  /**
   * Counts one answered request of a company.
   * @param status of the HTTP answer.
   */
  record(companyId: string, routeClass: RouteClass, status: number, durationMs: number): void {
    const now = this.#now();
    if (now >= this.#windowEnd || now < this.#windowStart) this.#openWindow(now);
    let entry = this.#active.get(companyId);
    if (entry === undefined) {
      entry = { ...NOTHING, samples: [], digest: undefined };
      this.#active.set(companyId, entry);
    }
    entry.requests += 1;
    entry[CLASS_COUNT[routeClass]] += 1;
    if (status >= 500) entry.serverErrors += 1;
    else if (status === 429) entry.limited += 1;
    else if (status >= 400) entry.clientErrors += 1;
    entry.totalMs += durationMs;
    if (entry.digest !== undefined) entry.digest.record(durationMs);
    else if (entry.samples.length < MOST_SAMPLES) entry.samples.push(durationMs);
    else this.#promote(companyId, entry, durationMs);
  }

  /**
   * Hands out deltas, those of the least recently active companies first; give them back with {@link restore} if they could not be
   * written. In parts, because turning 10,000 companies into text at once would stop the event loop for 36 ms.
   */
  take(most: number): MetricsDelta[] {
    const taken = this.#pending.splice(0, most);
    // One at a time: what is waiting is bounded, and there is room for at least one.
    while (taken.length < most && this.#active.size > 0) {
      this.#active.pop();
      taken.push(...this.#pending.splice(0));
    }
    return taken;
  }

  /** Keeps deltas for the next flush, as many as fit. */
  restore(deltas: readonly MetricsDelta[]): void {
    for (const delta of deltas) this.#keep(delta);
  }

  /** How much is held, against {@link BOUNDS}; `droppedRequests` counts since the process started. */
  stats(): { readonly [Part in "active" | "digests" | "spareDigests" | "pending" | "droppedRequests"]: number } {
    return {
      active: this.#active.size,
      digests: this.#digests,
      spareDigests: this.#spare.length,
      pending: this.#pending.length,
      droppedRequests: this.#droppedRequests,
    };
  }

  #promote(companyId: string, entry: Entry, durationMs: number): void {
    const digest = this.#digests < this.#bounds.digests ? (this.#spare.pop() ?? new LatencyDigest(true)) : this.#overflow;
    for (const sample of entry.samples) digest.record(sample);
    digest.record(durationMs);
    entry.samples.length = 0;
    entry.digest = digest;
    if (digest !== this.#overflow) this.#digests += 1;
    // No histogram to spare: what there is becomes text at once, and the next request starts a new entry.
    else this.#active.delete(companyId);
  }

  #openWindow(now: number): void {
    this.#active.clear();
    this.#windowStart = now - (now % WINDOW_MS);
    this.#windowEnd = this.#windowStart + WINDOW_MS;
  }

  #seal(companyId: string, { digest, samples, ...counts }: Entry): void {
    const encoded = digest?.encode() ?? encodeSamples(samples);
    this.#keep({ companyId, startsAt: this.#windowStart, ...counts, totalMs: Math.round(counts.totalMs), digest: encoded });
    if (digest === undefined) return;
    digest.clear();
    if (digest === this.#overflow) return;
    this.#digests -= 1;
    this.#spare.push(digest);
  }

  #keep(delta: MetricsDelta): void {
    if (this.#pending.length < this.#bounds.pending) this.#pending.push(delta);
    else this.#droppedRequests += delta.requests;
  }
}

export const NOTHING: Readonly<CompanyCounts> = {
  requests: 0,
  clientErrors: 0,
  serverErrors: 0,
  limited: 0,
  reads: 0,
  writes: 0,
  uploads: 0,
  chats: 0,
  totalMs: 0,
};

/** The class of a request by its method and path. Reading a document is reading. */
export function routeClass(method: string, path: string): RouteClass {
  if (path.startsWith("/api/chat")) return "chat";
  const reads = method === "GET" || method === "HEAD";
  if (path.startsWith("/api/documents") && !reads) return "upload";
  return reads ? "read" : "write";
}
