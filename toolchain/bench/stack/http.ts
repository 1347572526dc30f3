import { setTimeout as delay } from "node:timers/promises";
import { type Generator, type LoadSettings, run, type Run } from "../app/load";
import { measurePair, type PairRuns } from "../app/pairs";
import { signUp } from "../app/people";
import { interrupted } from "../../lib/interrupt";
import { type LoadReport, percentile, startLoad } from "../../lib/load";
import { requester } from "../../lib/requester";
import type { StackRig } from "./rig";

/** Rates of data-plane.md: 5,000, 12,000 and 25,000 requests a minute. */
export const RATES = [83, 200, 417] as const;

/** Users at once, and seconds between an answer and a user's next request. */
const USERS = 1000;
const THINK_MS = 5000;

/** Orders in the list that is asked for. */
const LISTED = 20;

/** Time in which the stack only idles, in milliseconds. */
const IDLE_MS = 5000;

export interface HttpOptions {
  readonly rig: StackRig;
  readonly generator: Generator;
  readonly rounds: number;
  readonly load: LoadSettings;
  readonly onStep: (text: string) => void;
  readonly checkpoint: () => void;
}

/** A company with orders, whose order is asked for. */
export interface Asked {
  readonly headers: Readonly<Record<string, string>>;
  readonly order: string;
}

export interface RatePoint {
  readonly rate: number;
  readonly report: LoadReport;
}

/** Signs a company up and gives it a page of orders. */
export async function prepare(rig: StackRig): Promise<Asked> {
  const headers = await signUp(rig.loadBalancerUrl);
  let order = "";
  for (let n = 0; n < LISTED; n += 1) {
    const answer = await fetch(`${rig.loadBalancerUrl}/api/orders`, {
      method: "POST",
      headers: { ...headers, "Content-Type": "application/json" },
      body: JSON.stringify({ customerName: `Customer ${n}`, totalCents: 1000 + n }),
    });
    if (!answer.ok) throw new Error(`creating an order was answered with HTTP ${answer.status}`);
    order = ((await answer.json()) as { id: string }).id;
  }
  return { headers, order };
}

/** Cores the stack uses while nobody asks it for anything: health checks, leases, replication. */
export async function idleCores(rig: StackRig): Promise<number> {
  const [before, started] = [await rig.stackCpu(), performance.now()];
  await delay(IDLE_MS, undefined, { signal: interrupted });
  return ((await rig.stackCpu()) - before) / 1000 / (performance.now() - started);
}

/** Through everything ÷ the peer, and through the load balancer ÷ the instances themselves. */
export async function measureHttp(options: HttpOptions, { headers, order }: Asked): Promise<PairRuns[]> {
  const { rig, rounds, onStep } = options;
  const path = `/api/orders/${order}`;
  const balanced = (): Promise<Run> =>
    send(
      options,
      rig.appUrls.map(() => `${rig.loadBalancerUrl}${path}`),
      headers,
    );
  const sides = {
    stack: () => charged(() => rig.stackCpu(), balanced),
    peer: () =>
      charged(
        () => rig.peerCpu(),
        () => send(options, [`${rig.peerUrl}/${order}`], {}),
      ),
    balanced,
    direct: () =>
      send(
        options,
        rig.appUrls.map((url) => `${url}${path}`),
        headers,
      ),
  };
  const pairs = [
    ["stack/peer", "stack", "peer"],
    ["balanced/direct", "balanced", "direct"],
  ] as const;
  const results: PairRuns[] = [];
  for (const [id, subject, base] of pairs) {
    onStep(`${id}, ${rounds} pairs`);
    const target = (name: string): { name: string; url: string; pid: number } => ({ name, url: "", pid: 0 });
    const runs = await measurePair({ id, subject: target(subject), base: target(base) }, rounds, ({ name }) => {
      options.checkpoint();
      return sides[name as keyof typeof sides]();
    });
    results.push(runs);
  }
  return results;
}

/** Load on several addresses at once, the connections divided among them; not pinned: the stack uses every core. */
async function send({ generator, load }: HttpOptions, urls: readonly string[], headers: Readonly<Record<string, string>>): Promise<Run> {
  const connections = Math.max(1, Math.round(load.connections / urls.length));
  const settings = { ...load, connections };
  const runs = await Promise.all(urls.map((url) => run(generator, { name: url, url, headers, pid: 0 }, settings, false)));
  const sum = (of: (one: Run) => number): number => runs.reduce((total, one) => total + of(one), 0);
  return {
    requests: sum((one) => one.requests),
    perSecond: sum((one) => one.perSecond),
    errors: sum((one) => one.errors),
    cpuMicros: undefined,
  };
}

/** Charges CPU time that containers used meanwhile to the requests. */
async function charged(cpu: () => Promise<number>, once: () => Promise<Run>): Promise<Run> {
  const before = await cpu();
  const result = await once();
  const used = (await cpu()) - before;
  return { ...result, cpuMicros: result.requests === 0 ? undefined : used / result.requests };
}

/** Latency at fixed rates, from when each request was due: seven lists, two single orders and one new order in ten. */
export async function measureRates({ rig, load, onStep }: HttpOptions, { headers, order }: Asked): Promise<RatePoint[]> {
  const body = JSON.stringify({ customerName: "Bench", totalCents: 1999 });
  const next = (n: number): Parameters<typeof startLoad>[0]["next"] extends (n: number) => infer Request ? Request : never => {
    if (n % 10 === 0) return { path: "/api/orders", method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body };
    if (n % 5 < 2) return { path: `/api/orders/${order}`, headers };
    return { path: `/api/orders?limit=${LISTED}`, headers };
  };
  const points: RatePoint[] = [];
  // The first is repeated: its first time warms everything up.
  for (const rate of [RATES[0], ...RATES]) {
    onStep(`latency at ${rate} requests a second`);
    const running = startLoad({ url: rig.url, ratePerSecond: rate, seconds: 2 * load.seconds, next });
    const stop = (): void => void running.stop();
    interrupted.addEventListener("abort", stop, { once: true });
    points.push({ rate, report: await running.done.finally(() => interrupted.removeEventListener("abort", stop)) });
  }
  return points.slice(1);
}

/** What a thousand users see who each wait for an answer, and then think. */
export interface PeopleResult {
  readonly requests: number;
  readonly errors: number;
  readonly p50: number;
  readonly p95: number;
}

/** A thousand users for some rounds of thinking; each begins at a moment of its own and has a connection of its own. */
export async function measurePeople({ rig, onStep }: HttpOptions, { headers, order }: Asked, rounds = 3): Promise<PeopleResult> {
  onStep(`${USERS} users, ${THINK_MS / 1000} s to think`);
  const target = requester(rig.url, { maxSockets: USERS });
  const latencies: number[] = [];
  let errors = 0;
  const ask = (path: string): Promise<void> =>
    new Promise((resolve) => {
      const started = performance.now();
      const end = (ok: boolean): void => {
        latencies.push(performance.now() - started);
        if (!ok) errors += 1;
        resolve();
      };
      const outgoing = target.request({ path, method: "GET", headers });
      outgoing.once("error", () => end(false));
      outgoing.once("response", (response) => {
        response.resume();
        response.once("end", () => end(response.statusCode === 200));
        response.once("error", () => end(false));
      });
      outgoing.end();
    });
  const user = async (index: number): Promise<void> => {
    await delay((index / USERS) * THINK_MS, undefined, { signal: interrupted });
    for (let round = 0; round < rounds; round += 1) {
      await ask(round % 2 === 0 ? `/api/orders?limit=${LISTED}` : `/api/orders/${order}`);
      await delay(THINK_MS, undefined, { signal: interrupted });
    }
  };
  try {
    await Promise.all(Array.from({ length: USERS }, (_, index) => user(index)));
  } finally {
    target.close();
  }
  const sorted = latencies.sort((one, two) => one - two);
  return { requests: sorted.length, errors, p50: percentile(sorted, 0.5), p95: percentile(sorted, 0.95) };
}
