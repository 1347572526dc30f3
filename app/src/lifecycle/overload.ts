import { performance, type EventLoopUtilization } from "node:perf_hooks";
import { AcceptProbe } from "./accept-probe";

/**
 * What is refused first when there is too much to do, least important first. Health checks and what operators do are never refused.
 * - `anonymous-read`: nobody is known to ask: pages, crawlers, floods
 * - `anonymous-write`: logging in and signing up
 * - `read`, `write`: of a company on the free plan
 * - `paying-read`, `paying-write`: of one that pays
 */
export const PRIORITIES = ["anonymous-read", "anonymous-write", "read", "paying-read", "write", "paying-write"] as const;
export type Priority = (typeof PRIORITIES)[number];

/** Settings of {@link OverloadGuard}. */
export interface OverloadOptions {
  /** From this delay of the event loop on (how late a timer is, ms) more is refused; 0 switches the guard off. @default 200 */
  readonly delayMs: number;
  /** Requests being answered at a time, beyond which everything but health checks is refused. @default 2000 */
  readonly mostInFlight: number;
}

const defaults = {
  /** Distance of two looks at the event loop, ms. */
  tickMs: 50,
  /** Busy less than this, the delay comes from somewhere else (a suspended machine), and refusing would not help. */
  utilization: 0.9,
  /** Below this share of `delayMs` less is refused; in between everything stays as it is. The gap is what keeps it from flapping. */
  calmShare: 0.5,
  /** Change of the level by one tick: up for every multiple of `delayMs`, at most four; down slower than up. */
  up: 0.15,
  down: 0.05,
  mostMultiples: 4,
  /**
   * A turn of the event loop may find hundreds of requests waiting. Once it has lasted this many times `delayMs` since the first of them,
   * the others are refused as well, from the least important at `turnBegin` to all at `turnEnd`: they are that late already.
   */
  turnBegin: 2,
  turnEnd: 5,
  /** With fewer requests at a time, or one after the other, it is not they who keep the process busy: the machine is. */
  leastCrowd: 8,
  /** Ticks in a row that must be late before anything is refused: one long garbage collection or one big JSON is not overload. */
  ticksToBegin: 2,
  /** Shortest Retry-After, seconds, and by how much it may be longer at the highest level. */
  retrySeconds: 1,
  retrySpreadSeconds: 9,
} as const;

/**
 * Decides which requests are refused so that the others are still answered in time. The event loop's delay is the queue every request
 * waits in. While it is too long, a level rises from 0 to the number of priorities: at 0.5 half of the lowest priority is refused, at
 * 1.3 all of it and 30 % of the next. It falls again once the delay is below half the threshold.
 */
export class OverloadGuard {
  readonly #options: OverloadOptions;
  readonly #now: () => number;
  /** For each priority, the part of a refusal that is due: refusing 30 % refuses every third or fourth, not by chance. */
  readonly #due = new Float64Array(PRIORITIES.length);
  readonly #refused = new Float64Array(PRIORITIES.length);
  #utilization: EventLoopUtilization = performance.eventLoopUtilization();
  #lookedAt = 0;
  /** Requests since the last look. */
  #arrivals = 0;
  /** When the first request since the last look was let in. */
  #turnStartedAt: number | undefined;
  #probe: AcceptProbe | undefined;
  #timer: NodeJS.Timeout | undefined;
  #level = 0;
  #lateTicks = 0;
  #inFlight = 0;
  #busy = 0;

  /** @param now monotonic milliseconds; for tests. */
  constructor(options: Partial<OverloadOptions> = {}, now: () => number = () => performance.now()) {
    this.#now = now;
    this.#options = { delayMs: 200, mostInFlight: 2000, ...options };
  }

  start(): void {
    if (this.#options.delayMs === 0) return;
    this.#lookedAt = performance.now();
    this.#timer = setInterval(() => this.#look(), defaults.tickMs);
    this.#timer.unref();
  }

  /** Connections made to the listener tell how long others wait. */
  probe(port: number, host: string): void {
    this.#probe = new AcceptProbe(port, host);
  }

  stop(): void {
    this.#probe?.stop();
    clearInterval(this.#timer);
  }

  /** Whether requests have to pass {@link refuses} at all; nearly always they need not. */
  get engaged(): boolean {
    return this.#level > 0 || this.#inFlight >= this.#options.mostInFlight || this.#turnLevel() > 0;
  }

  /** Whether this request is refused. Counts it. */
  refuses(priority: Priority): boolean {
    const rank = PRIORITIES.indexOf(priority);
    if (this.#inFlight < this.#options.mostInFlight) {
      const share = Math.min(1, Math.max(0, Math.max(this.#level, this.#turnLevel()) - rank));
      const due = (this.#due[rank] ?? 0) + share;
      this.#due[rank] = due >= 1 ? due - 1 : due;
      if (due < 1) return false;
    }
    this.#refused[rank] = (this.#refused[rank] ?? 0) + 1;
    return true;
  }

  /** How much of this turn is late, as a level. */
  #turnLevel(): number {
    const { delayMs } = this.#options;
    if (delayMs === 0) return 0;
    const now = this.#now();
    this.#turnStartedAt ??= now;
    if (this.#arrivals < defaults.leastCrowd) return 0;
    const multiples = (now - this.#turnStartedAt) / delayMs;
    if (multiples <= defaults.turnBegin) return 0;
    return Math.min(PRIORITIES.length, ((multiples - defaults.turnBegin) / (defaults.turnEnd - defaults.turnBegin)) * PRIORITIES.length);
  }

  /** When a refused client may come again, whole seconds; drawn at random, so that they do not all come together. */
  retryAfterSeconds(): number {
    const spread = 1 + (this.#level / PRIORITIES.length) * defaults.retrySpreadSeconds;
    return defaults.retrySeconds + Math.floor(Math.random() * spread);
  }

  /** A request is being answered; {@link end} when it is over. */
  begin(): void {
    this.#inFlight += 1;
    this.#arrivals += 1;
    this.#probe?.overtaken();
  }

  end(): void {
    this.#inFlight -= 1;
  }

  /**
   * Takes one look's figures into account.
   * @param delayMs by how much this look is late.
   * @param utilization share of that time it worked, 0–1.
   */
  observe(delayMs: number, utilization: number): void {
    const { delayMs: threshold } = this.#options;
    this.#busy = utilization;
    this.#turnStartedAt = undefined;
    const crowded = Math.max(this.#arrivals, this.#inFlight) >= defaults.leastCrowd;
    this.#arrivals = 0;
    if (delayMs >= threshold && utilization >= defaults.utilization && crowded) {
      this.#lateTicks += 1;
      const multiples = Math.min(defaults.mostMultiples, delayMs / threshold);
      if (this.#lateTicks >= defaults.ticksToBegin) this.#level = Math.min(PRIORITIES.length, this.#level + defaults.up * multiples);
    } else {
      this.#lateTicks = 0;
      if (delayMs < threshold * defaults.calmShare) this.#level = Math.max(0, this.#level - defaults.down);
    }
  }

  /** For the metrics and the health report. */
  stats(): OverloadStats {
    return {
      level: Math.round(this.#level * 100) / 100,
      inFlight: this.#inFlight,
      utilization: Math.round(this.#busy * 100) / 100,
      refused: Object.fromEntries(PRIORITIES.map((priority, rank) => [priority, this.#refused[rank] ?? 0])) as Record<Priority, number>,
    };
  }

  #look(): void {
    // Not Node's histogram of the delay: it takes its samples between two turns of the loop, and has none when one turn is all there is.
    const now = performance.now();
    const delayMs = now - this.#lookedAt - defaults.tickMs;
    this.#lookedAt = now;
    const { utilization } = performance.eventLoopUtilization(this.#utilization);
    const waitedMs = this.#probe?.waitingMs(now, defaults.leastCrowd) ?? 0;
    // The queue of new connections is a crowd although they come in one by one.
    if (waitedMs > delayMs) this.#arrivals += defaults.leastCrowd;
    if (utilization >= defaults.utilization) this.#probe?.send(now);
    this.#utilization = performance.eventLoopUtilization();
    this.observe(Math.max(delayMs, waitedMs), utilization);
  }
}

/** State of the guard. */
export interface OverloadStats {
  /** 0: nothing is refused; the number of {@link PRIORITIES}: everything is. */
  readonly level: number;
  readonly inFlight: number;
  readonly utilization: number;
  readonly refused: Readonly<Record<Priority, number>>;
}
