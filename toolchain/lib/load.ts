import { requester } from "./requester";

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

/** Starts a load at a fixed rate over keep-alive connections. */
export function startLoad(options: LoadOptions): RunningLoad {
  const target = requester(options.url);
  const total = Math.round(options.ratePerSecond * options.seconds);
  const statuses: Record<string, number> = {};
  const errors: Record<string, number> = {};
  const latencies: number[] = [];
  const started = performance.now();
  let sent = 0;
  let answered = 0;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let settle: (report: LoadReport) => void = () => undefined;
  const done = new Promise<LoadReport>((resolve) => (settle = resolve));

  const dueAt = (n: number): number => started + (n * 1000) / options.ratePerSecond;

  const finishIfDone = (): void => {
    if (!stopped || answered < sent) return;
    target.close();
    settle(summarise({ sent, statuses, errors, latencies, elapsedMs: Math.max(1, dueAt(sent) - started) }));
  };

  const record = (n: number, outcome: { status: number } | { error: string }): void => {
    answered += 1;
    latencies.push(performance.now() - dueAt(n));
    const [table, key] = "status" in outcome ? [statuses, String(outcome.status)] : [errors, outcome.error];
    table[key] = (table[key] ?? 0) + 1;
    finishIfDone();
  };

  const send = (n: number): void => {
    const { path, method = "GET", headers = {}, body } = options.next(n);
    let open = true;
    const once = (outcome: { status: number } | { error: string }): void => {
      if (!open) return;
      open = false;
      record(n, outcome);
    };
    const outgoing = target.request({ path, method, headers });
    outgoing.setTimeout(options.timeoutMs ?? 10_000, () => outgoing.destroy(new Error("timeout")));
    outgoing.once("error", (error) => once({ error: (error as NodeJS.ErrnoException).code ?? error.message }));
    outgoing.once("response", (response) => {
      response.once("error", () => once({ error: "answer broken off" }));
      response.once("end", () => once(response.complete ? { status: response.statusCode ?? 0 } : { error: "answer broken off" }));
      response.resume();
    });
    outgoing.end(body);
  };

  const tick = (): void => {
    while (!stopped && sent < total && dueAt(sent) <= performance.now()) {
      sent += 1;
      send(sent - 1);
    }
    if (sent >= total) stopped = true;
    if (stopped) finishIfDone();
    else timer = setTimeout(tick, Math.max(0, dueAt(sent) - performance.now()));
  };
  tick();

  return {
    done,
    stop() {
      stopped = true;
      clearTimeout(timer);
      finishIfDone();
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
