// Not the package's entry: that brings its WebAssembly along, 18 MB in every worker.
import Float64Histogram from "hdr-histogram-js/dist/Float64Histogram";
import Int32Histogram from "hdr-histogram-js/dist/Int32Histogram";
import type { JsHistogram } from "hdr-histogram-js/dist/JsHistogram";

/** Durations are counted in steps of this many milliseconds. */
const UNIT_MS = 0.1;

/** Longer durations count as this long: ten minutes, in units. */
const MOST_UNITS = 6_000_000;

/**
 * HDR histograms keep this many decimal digits; with one a quantile is at most 6.25 % off. Measured with Node 24.21: 1.0 KB of objects and
 * 1.1 KB of counters each, against 3.4 KB in all with two digits; a packed one has 1.4 KB of objects and records four times slower (280 ns).
 */
const DIGITS = 1;

/** Base of the numbers in {@link LatencyDigest.encode}. */
const RADIX = 36;

/** Response times of one company as counts by value: mergeable, and small whatever happens. */
export class LatencyDigest {
  readonly #histogram: JsHistogram;

  /** @param live small counters for what is counted between two flushes; sums of weeks need the large ones. @default false */
  constructor(live = false) {
    this.#histogram = live ? new Int32Histogram(1, MOST_UNITS, DIGITS) : new Float64Histogram(1, MOST_UNITS, DIGITS);
  }

  /** @param durationMs negative and longer than ten minutes are taken for the nearest that is not. */
  record(durationMs: number): void {
    this.#histogram.recordValue(toUnits(durationMs));
  }

  get count(): number {
    return this.#histogram.totalCount;
  }

  /** @param share 0–1. @returns milliseconds, `null` without any duration. */
  quantileMs(share: number): number | null {
    if (this.count === 0) return null;
    return Math.round(this.#histogram.getValueAtPercentile(share * 100)) * UNIT_MS;
  }

  /** `value:count` pairs in base 36, as the table holds them; some 10 pairs for a typical company, at most a few hundred. */
  encode(): string {
    const iterator = this.#histogram.recordedValuesIterator;
    iterator.reset();
    const pairs: string[] = [];
    while (iterator.hasNext()) {
      const { valueIteratedTo, countAtValueIteratedTo } = iterator.next();
      pairs.push(`${valueIteratedTo.toString(RADIX)}:${countAtValueIteratedTo.toString(RADIX)}`);
    }
    return pairs.join(",");
  }

  /** Adds what {@link encode} wrote. Parts that are no pair are left out: one damaged row must not hide all others. */
  add(encoded: string): this {
    if (encoded === "") return this;
    for (const pair of encoded.split(",")) {
      const colon = pair.indexOf(":");
      const value = parseInt(pair.slice(0, colon), RADIX);
      const count = parseInt(pair.slice(colon + 1), RADIX);
      if (colon > 0 && value >= 0 && count > 0) this.#histogram.recordValueWithCount(Math.min(value, MOST_UNITS), count);
    }
    return this;
  }

  clear(): void {
    this.#histogram.reset();
  }
}

/** The sum of two encoded digests. */
export function mergeDigests(one: string, other: string): string {
  return new LatencyDigest().add(one).add(other).encode();
}

/** The same text as a digest's, straight from single durations in milliseconds. */
export function encodeSamples(durationsMs: readonly number[]): string {
  return durationsMs.map((duration) => `${toUnits(duration).toString(RADIX)}:1`).join(",");
}

function toUnits(durationMs: number): number {
  const units = Math.round(durationMs / UNIT_MS);
  return units < 1 ? 1 : units > MOST_UNITS ? MOST_UNITS : units;
}
