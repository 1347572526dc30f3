import { Agent, request } from "node:http";

/** One request as its client saw it. Times are `performance.now()`. */
export interface Outcome {
  readonly startedAt: number;
  readonly status: number | undefined;
  readonly error: string | undefined;
  readonly body: string;
}

const REQUEST_TIMEOUT_MS = 15_000;

/** One GET; never rejects, so that failures can be counted. No retries: every reset is a failure. */
export function attempt(url: string, agent: Agent | false = false): Promise<Outcome> {
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const asked = request(url, { agent, timeout: REQUEST_TIMEOUT_MS }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => (body += part));
      response.on("end", () => resolve({ startedAt, status: response.statusCode, error: undefined, body }));
      response.on("error", (error) => resolve({ startedAt, status: undefined, error: error.message, body }));
    });
    asked.on("timeout", () => asked.destroy(new Error("timeout")));
    asked.on("error", (error) => resolve({ startedAt, status: undefined, error: error.message, body: "" }));
    asked.end();
  });
}

/** One GET that has to succeed. */
export async function get(url: string, agent: Agent | false = false): Promise<Outcome> {
  const outcome = await attempt(url, agent);
  if (outcome.status !== 200) throw new Error(`GET ${url}: ${outcome.error ?? `HTTP ${outcome.status ?? ""} ${outcome.body}`}`);
  return outcome;
}

/** A connection of its own, so that all requests through it reach the same worker. */
export function pinned(): Agent {
  return new Agent({ keepAlive: true, maxSockets: 1 });
}

const TICK_MS = 10;
const LONGEST_LOAD_MS = 60_000;

/** Requests at a fixed rate, whether earlier ones are answered or not, until stopped. */
export class Load {
  readonly outcomes: Outcome[] = [];
  private readonly inFlight = new Set<Promise<void>>();
  private readonly timer: NodeJS.Timeout;
  private readonly agent: Agent | false;
  private sent = 0;
  private readonly startedAt = performance.now();

  /** @param connections kept alive and used in turn; 0 opens a new one for every request. */
  constructor(
    private readonly url: string,
    private readonly perSecond: number,
    connections: number,
  ) {
    this.agent =
      connections === 0 ? false : new Agent({ keepAlive: true, maxSockets: connections, maxFreeSockets: connections, scheduling: "fifo" });
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  private tick(): void {
    const elapsed = performance.now() - this.startedAt;
    if (elapsed > LONGEST_LOAD_MS) clearInterval(this.timer);
    for (const due = (elapsed / 1000) * this.perSecond; this.sent < due; this.sent++) {
      const done: Promise<void> = attempt(this.url, this.agent).then((outcome) => {
        this.outcomes.push(outcome);
        this.inFlight.delete(done);
      });
      this.inFlight.add(done);
    }
  }

  get failures(): Outcome[] {
    return this.outcomes.filter((outcome) => outcome.status !== 200);
  }

  /** Resolves when this many requests have been answered from now on. */
  async answered(count: number): Promise<void> {
    const target = this.outcomes.length + count;
    while (this.outcomes.length < target) {
      await Promise.race(this.inFlight.size > 0 ? [...this.inFlight] : [new Promise((resolve) => setTimeout(resolve, TICK_MS))]);
    }
  }

  /** Sends no more, waits for what is in flight. */
  async stop(): Promise<readonly Outcome[]> {
    clearInterval(this.timer);
    await Promise.all(this.inFlight);
    if (this.agent) this.agent.destroy();
    return this.outcomes;
  }
}
