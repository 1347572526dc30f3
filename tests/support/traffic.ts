import autocannon from "autocannon";

/** What happened to the requests of one load run. */
export interface TrafficReport {
  readonly requests: number;
  /** Connection errors, resets and time-outs. */
  readonly errors: number;
  /** Answers by status code. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Everything that was not answered with 2xx. */
  readonly failed: number;
}

/** A bounded load at a fixed rate against 127.0.0.1, until `stop` is called. */
export interface Traffic {
  stop(): Promise<TrafficReport>;
}

/** Longest a load may run, in seconds: a test that forgets to stop it must not keep the machine busy. */
const LONGEST_SECONDS = 240;

/**
 * Starts `rate` requests a second (default 80: under the load balancer's 100 a second per client) on 8 keep-alive connections.
 */
export function startTraffic(url: string, rate = 80): Traffic {
  const target = new URL(url);
  if (target.hostname !== "127.0.0.1") throw new Error(`load goes to 127.0.0.1 only, not to ${target.hostname}`);
  let finish: (report: TrafficReport) => void;
  let fail: (error: Error) => void;
  const done = new Promise<TrafficReport>((resolve, reject) => {
    finish = resolve;
    fail = reject;
  });
  const statuses: Record<string, number> = {};
  const instance = autocannon({ url, connections: 8, overallRate: rate, duration: LONGEST_SECONDS, timeout: 10 }, (error, result) => {
    if (error) {
      fail(error as Error);
      return;
    }
    const answered = Object.values(statuses).reduce((sum, count) => sum + count, 0);
    const successful = Object.entries(statuses).reduce((sum, [code, count]) => (code.startsWith("2") ? sum + count : sum), 0);
    finish({ requests: answered, errors: result.errors, statuses, failed: answered - successful + result.errors });
  });
  instance.on("response", (_client, statusCode) => {
    statuses[String(statusCode)] = (statuses[String(statusCode)] ?? 0) + 1;
  });
  return {
    stop() {
      instance.stop();
      return done;
    },
  };
}
