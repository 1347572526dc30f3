import { type Requester, requester } from "./requester";

/** One request of a load. */
export interface LoadRequest {
  readonly path: string;
  /** @default GET */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface LoadOptions {
  /** Address without a path, e.g. `http://127.0.0.1:3001`. */
  readonly url: string;
  /** Requests a second, sent whether or not earlier ones were answered (open loop). */
  readonly ratePerSecond: number;
  /** Longest time to send, in seconds; `stop()` ends it earlier. */
  readonly seconds: number;
  /** The n-th request, n from 0. */
  readonly next: (n: number) => LoadRequest;
  /** Longest wait for one answer; @default 10000 ms */
  readonly timeoutMs?: number;
}

/** What became of a load. Latencies are milliseconds from the moment a request was due, so that a stall is not hidden. */
export interface LoadReport {
  readonly sent: number;
  /** Answers by status code. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Refused, reset, broken off and timed out requests, by reason. */
  readonly errors: Readonly<Record<string, number>>;
  /** Requests that were not answered with 2xx. */
  readonly failed: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
  /** Requests a second that were really sent. */
  readonly rate: number;
}

export interface RunningLoad {
  /** Sends no more, waits for what is under way. */
  stop(): Promise<LoadReport>;
  readonly done: Promise<LoadReport>;
}

/** What became of one request: an answer, or the reason why there is none. */
export type Outcome = { readonly status: number } | { readonly error: string };

export interface OpenLoopOptions {
  /** Requests to send. */
  readonly total: number;
  /** When the n-th request is due, in milliseconds from the start; ascending. */
  readonly dueAt: (n: number) => number;
  readonly next: (n: number) => LoadRequest;
  /** Connections the n-th request goes over; the caller closes them. */
  readonly over: (n: number) => Requester;
  /** Called once for each request that was sent, or that was due and could not be: `error` then says so. */
  readonly onOutcome: (n: number, outcome: Outcome, times: RequestTimes) => void;
  /** Longest wait for one answer; @default 10000 ms */
  readonly timeoutMs?: number;
  /** Requests under way at once; what would be more is not sent. @default no bound */
  readonly mostUnderWay?: number;
}

export interface RequestTimes {
  /**
   * From the moment it was due, ms: a stall of the server delays all that is due meanwhile, and none of it is left out. Of a request that
   * could not be sent not less than the longest wait for an answer.
   */
  readonly latencyMs: number;
  /** By which the sender itself was late, ms; part of the latency. */
  readonly lateMs: number;
}

export interface OpenLoop {
  /** Sends no more, waits for what is under way. */
  stop(): Promise<number>;
  /** Sends no more and reports nothing further; what is under way is forgotten. */
  abandon(): void;
  /** Requests that were due so far. */
  readonly sent: number;
  /** Resolves with the requests that were due. */
  readonly done: Promise<number>;
}

/** Sends requests when they are due, whether or not earlier ones were answered. */
export function openLoop(options: OpenLoopOptions): OpenLoop {
  const { timeoutMs = 10_000 } = options;
  const started = performance.now();
  let sent = 0;
  let underWay = 0;
  let stopped = false;
  let abandoned = false;
  let timer: NodeJS.Timeout | undefined;
  let settle: (sent: number) => void = () => undefined;
  const done = new Promise<number>((resolve) => (settle = resolve));

  const dueAt = (n: number): number => started + options.dueAt(n);
  const finishIfDone = (): void => {
    if (stopped && underWay === 0) settle(sent);
  };

  const send = (n: number): void => {
    const lateMs = performance.now() - dueAt(n);
    if (underWay >= (options.mostUnderWay ?? Infinity)) {
      // It counts as one that waited in vain: about 0 ms would make a stack that hangs look faster the longer it does.
      options.onOutcome(n, { error: `not sent: ${underWay} requests under way` }, { latencyMs: lateMs + timeoutMs, lateMs });
      return;
    }
    const { path, method = "GET", headers = {}, body } = options.next(n);
    let open = true;
    underWay += 1;
    const once = (outcome: Outcome): void => {
      if (!open) return;
      open = false;
      underWay -= 1;
      if (abandoned) return;
      options.onOutcome(n, outcome, { latencyMs: performance.now() - dueAt(n), lateMs });
      finishIfDone();
    };
    const outgoing = options.over(n).request({ path, method, headers });
    outgoing.setTimeout(timeoutMs, () => outgoing.destroy(new Error("timeout")));
    outgoing.once("error", (error) => once({ error: (error as NodeJS.ErrnoException).code ?? error.message }));
    outgoing.once("response", (response) => {
      response.once("error", () => once({ error: "answer broken off" }));
      response.once("end", () => once(response.complete ? { status: response.statusCode ?? 0 } : { error: "answer broken off" }));
      response.resume();
    });
    outgoing.end(body);
  };

  const tick = (): void => {
    while (!stopped && sent < options.total && dueAt(sent) <= performance.now()) {
      sent += 1;
      send(sent - 1);
    }
    if (sent >= options.total) stopped = true;
    if (stopped) finishIfDone();
    else timer = setTimeout(tick, Math.max(0, dueAt(sent) - performance.now()));
  };
  tick();

  return {
    done,
    get sent() {
      return sent;
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
      finishIfDone();
      return done;
    },
    abandon() {
      stopped = true;
      abandoned = true;
      clearTimeout(timer);
      settle(sent);
    },
  };
}

/** Starts a load at a fixed rate over keep-alive connections. */
export function startLoad(options: LoadOptions): RunningLoad {
  const target = requester(options.url);
  const statuses: Record<string, number> = {};
  const errors: Record<string, number> = {};
  const latencies: number[] = [];
  const dueAt = (n: number): number => (n * 1000) / options.ratePerSecond;
  const loop = openLoop({
    total: Math.round(options.ratePerSecond * options.seconds),
    dueAt,
    next: options.next,
    over: () => target,
    onOutcome(_n, outcome, { latencyMs }) {
      latencies.push(latencyMs);
      const [table, key] = "status" in outcome ? [statuses, String(outcome.status)] : [errors, outcome.error];
      table[key] = (table[key] ?? 0) + 1;
    },
    ...(options.timeoutMs !== undefined && { timeoutMs: options.timeoutMs }),
  });
  const done = loop.done.then((sent) => {
    target.close();
    return summarise({ sent, statuses, errors, latencies, elapsedMs: Math.max(1, dueAt(sent)) });
  });
  return {
    done,
    async stop() {
      await loop.stop();
      return done;
    },
  };
}

interface Tally {
  readonly sent: number;
  readonly statuses: Readonly<Record<string, number>>;
  readonly errors: Readonly<Record<string, number>>;
  readonly latencies: readonly number[];
  readonly elapsedMs: number;
}

/** Turns counts and latencies into a report. */
export function summarise(tally: Tally): LoadReport {
  const sorted = [...tally.latencies].sort((a, b) => a - b);
  const successful = Object.entries(tally.statuses).reduce((sum, [code, count]) => (code.startsWith("2") ? sum + count : sum), 0);
  return {
    sent: tally.sent,
    statuses: tally.statuses,
    errors: tally.errors,
    failed: tally.sent - successful,
    p50: percentile(sorted, 0.5),
    p95: percentile(sorted, 0.95),
    p99: percentile(sorted, 0.99),
    max: sorted.at(-1) ?? 0,
    rate: (tally.sent * 1000) / tally.elapsedMs,
  };
}

/** Nearest-rank percentile of ascending numbers; 0 for none. `share` is 0 to 1. */
export function percentile(ascending: readonly number[], share: number): number {
  if (ascending.length === 0) return 0;
  return ascending[Math.max(0, Math.ceil(share * ascending.length) - 1)] ?? 0;
}

/** The middle of some numbers; of an even count the mean of the two in the middle; 0 for none. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}
