import { build, type Histogram } from "hdr-histogram-js";
import { type Outcome, percentile, type RequestTimes } from "../lib/load";
import { type Plan, stageAt } from "./schedule";

/** Points a plot has at most; more than it has pixels say nothing. */
const MOST_INTERVALS = 240;

/** Longest latency that is told apart, in microseconds: above any timeout. Three significant digits. */
const HISTOGRAM = { lowestDiscernibleValue: 1, highestTrackableValue: 600_000_000, numberOfSignificantValueDigits: 3 } as const;

/** What became of the requests of a stretch of time. Latencies are milliseconds from when a request was due. */
export interface Summary {
  /** Requests that were due. */
  readonly due: number;
  /** Answered with 2xx. */
  readonly ok: number;
  /** Answered otherwise, or not at all. */
  readonly failed: number;
  /** Of the failed those that the stack owed: 5xx, broken off, no answer in time. */
  readonly unavailable: number;
  /** Successful answers a second. */
  readonly perSecond: number;
  readonly mean: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** One point in time of the plots, by when requests were due. */
export interface Interval {
  /** Seconds from the beginning to the middle of the interval. */
  readonly at: number;
  /** Requests a second. */
  readonly due: number;
  readonly ok: number;
  readonly failed: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

class Counts {
  due = 0;
  ok = 0;
  unavailable = 0;
  readonly histogram: Histogram = build(HISTOGRAM);

  add(outcome: Outcome, latencyMs: number): void {
    this.due += 1;
    const status = "status" in outcome ? outcome.status : 0;
    if (status >= 200 && status < 300) this.ok += 1;
    else if (status === 0 || status >= 500) this.unavailable += 1;
    this.histogram.recordValue(Math.min(HISTOGRAM.highestTrackableValue, Math.max(1, Math.round(latencyMs * 1000))));
  }

  summary(seconds: number): Summary {
    const ms = (microseconds: number): number => microseconds / 1000;
    const at = (percent: number): number => (this.due === 0 ? 0 : ms(this.histogram.getValueAtPercentile(percent)));
    return {
      due: this.due,
      ok: this.ok,
      failed: this.due - this.ok,
      unavailable: this.unavailable,
      perSecond: seconds > 0 ? this.ok / seconds : 0,
      mean: this.due === 0 ? 0 : ms(this.histogram.mean),
      p50: at(50),
      p95: at(95),
      p99: at(99),
      max: this.due === 0 ? 0 : ms(this.histogram.maxValue),
    };
  }
}

interface Bucket {
  due: number;
  ok: number;
  readonly latencies: number[];
}

/** Adds the outcomes of a plan's requests up: by stage, by operation, over time. */
export class Tally {
  readonly #plan: Plan;
  readonly #stages: readonly Counts[];
  readonly #operations: readonly Counts[];
  readonly #measured = new Counts();
  readonly #failures = new Map<string, number>();
  readonly #buckets: Bucket[];
  readonly #bucketMs: number;
  readonly #late = build(HISTOGRAM);
  #answered = 0;
  #failed = 0;
  #lastDueMs = 0;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#stages = plan.stages.map(() => new Counts());
    this.#operations = plan.operations.map(() => new Counts());
    const seconds = Math.max(1, Math.ceil(plan.seconds / MOST_INTERVALS));
    this.#bucketMs = seconds * 1000;
    const buckets = Math.max(1, Math.ceil(plan.seconds / seconds));
    this.#buckets = Array.from({ length: buckets }, () => ({ due: 0, ok: 0, latencies: [] }));
  }

  /** The outcome of the plan's n-th request. */
  add(n: number, outcome: Outcome, { latencyMs, lateMs }: RequestTimes): void {
    const dueMs = this.#plan.due[n] ?? 0;
    const stage = stageAt(this.#plan.stages, dueMs);
    this.#stages[stage]?.add(outcome, latencyMs);
    if (this.#plan.stages[stage]?.measured === true) {
      this.#measured.add(outcome, latencyMs);
      this.#operations[this.#plan.operation[n] ?? 0]?.add(outcome, latencyMs);
    }
    const bucket = this.#buckets[Math.min(this.#buckets.length - 1, Math.floor(dueMs / this.#bucketMs))];
    const ok = "status" in outcome && outcome.status >= 200 && outcome.status < 300;
    bucket?.latencies.push(latencyMs);
    if (bucket !== undefined) {
      bucket.due += 1;
      bucket.ok += ok ? 1 : 0;
    }
    this.#answered += 1;
    this.#lastDueMs = Math.max(this.#lastDueMs, dueMs);
    this.#late.recordValue(Math.max(1, Math.round(lateMs * 1000)));
    if (ok) return;
    this.#failed += 1;
    const why = "status" in outcome ? String(outcome.status) : outcome.error;
    this.#failures.set(why, (this.#failures.get(why) ?? 0) + 1);
  }

  /** Requests that are done with, and those of them that failed. */
  get progress(): { readonly done: number; readonly failed: number } {
    return { done: this.#answered, failed: this.#failed };
  }

  /** Each stage, as far as it came. */
  stages(): Summary[] {
    return this.#plan.stages.map(({ fromMs, toMs }, index) => this.#sum(this.#stages[index], this.#ran(fromMs, toMs)));
  }

  /** All measured stages together. */
  measured(): Summary {
    const seconds = this.#plan.stages.reduce((sum, { measured, fromMs, toMs }) => (measured ? sum + this.#ran(fromMs, toMs) : sum), 0);
    return this.#sum(this.#measured, seconds);
  }

  /** Each operation over all measured stages. */
  operations(): ({ readonly operation: string } & Summary)[] {
    const seconds = this.#plan.stages.reduce((sum, { measured, fromMs, toMs }) => (measured ? sum + this.#ran(fromMs, toMs) : sum), 0);
    return this.#plan.operations.map((operation, index) => ({ operation, ...this.#sum(this.#operations[index], seconds) }));
  }

  intervals(): Interval[] {
    const seconds = this.#bucketMs / 1000;
    return this.#buckets.flatMap(({ due, ok, latencies }, index) => {
      if (due === 0) return [];
      const sorted = [...latencies].sort((one, other) => one - other);
      const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => percentile(sorted, share)) as [number, number, number];
      return [{ at: (index + 0.5) * seconds, due: due / seconds, ok: ok / seconds, failed: (due - ok) / seconds, p50, p95, p99 }];
    });
  }

  /** Failed requests by status or reason, the most frequent first. */
  failures(): Record<string, number> {
    return Object.fromEntries([...this.#failures].sort(([, one], [, other]) => other - one));
  }

  /** How late the sender itself was, milliseconds. */
  lateness(): { readonly p99: number; readonly max: number } {
    const none = this.#answered === 0;
    return { p99: none ? 0 : this.#late.getValueAtPercentile(99) / 1000, max: none ? 0 : this.#late.maxValue / 1000 };
  }

  #sum(counts: Counts | undefined, seconds: number): Summary {
    return (counts ?? new Counts()).summary(seconds);
  }

  /** Seconds of a stretch in which requests were sent: a run that was interrupted ends with the last one. */
  #ran(fromMs: number, toMs: number): number {
    const isWhole = this.#answered >= this.#plan.due.length;
    return Math.max(0, (isWhole ? toMs : Math.min(toMs, this.#lastDueMs)) - fromMs) / 1000;
  }
}
