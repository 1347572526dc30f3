import { monitorEventLoopDelay, performance, type EventLoopUtilization } from "node:perf_hooks";

/** How busy this process's event loop was over the last full window. */
export interface EventLoopFigures {
  /** Milliseconds by which timers fired late. */
  readonly delayP50Ms: number;
  readonly delayP99Ms: number;
  readonly delayMaxMs: number;
  /** Share of the time spent working, 0–1. */
  readonly utilization: number;
  /** `false` in the first seconds of a process: what booting costs says nothing about how busy it is. */
  readonly settled: boolean;
  /** Length of the window, seconds. */
  readonly windowSeconds: number;
}

/** A figure covers this long (ms): long enough for a p99 of some hundred samples, short enough to follow a change. */
const WINDOW_MS = 5000;

/** Distance of the samples, ms. The histogram contains it in every value, so it is taken off again. */
const RESOLUTION_MS = 10;

const NANOSECONDS_PER_MS = 1e6;

export class EventLoopMonitor {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #timer: NodeJS.Timeout;
  #utilization: EventLoopUtilization = performance.eventLoopUtilization();
  #windowStart = performance.now();
  #last: EventLoopFigures | undefined;

  constructor() {
    this.#histogram.enable();
    this.#timer = setInterval(() => {
      this.#last = { ...this.#current(), settled: true };
      this.#histogram.reset();
      this.#utilization = performance.eventLoopUtilization();
      this.#windowStart = performance.now();
    }, WINDOW_MS);
    this.#timer.unref();
  }

  /** The last full window; during the first one, what there is so far. */
  figures(): EventLoopFigures {
    return this.#last ?? this.#current();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#histogram.disable();
  }

  #current(): EventLoopFigures {
    const late = (nanoseconds: number): number =>
      this.#histogram.count === 0 ? 0 : round(Math.max(0, nanoseconds / NANOSECONDS_PER_MS - RESOLUTION_MS));
    return {
      delayP50Ms: late(this.#histogram.percentile(50)),
      delayP99Ms: late(this.#histogram.percentile(99)),
      delayMaxMs: late(this.#histogram.max),
      utilization: round(performance.eventLoopUtilization(this.#utilization).utilization),
      settled: false,
      windowSeconds: round((performance.now() - this.#windowStart) / 1000),
    };
  }
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
