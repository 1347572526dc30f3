import path from "node:path";
import { startProxy } from "../../../tests/support/services/proxy";
import { programs } from "../../../tests/faults/support/programs";
import { type LoadReport, startLoad } from "../../lib/load";
import { stopIfInterrupted } from "../../lib/interrupt";
import { type Generator, run } from "./load";
import { signUp } from "./people";
import { type Server, startApp } from "./servers";
import { singleProcess } from "./settings";

/** Requests a second, and for how many seconds, while Redis is well and while it is slow. */
const SLOW_REDIS = { rate: 100, seconds: 10, delayMs: 500 } as const;

/** How many times as many requests as a worker can serve, and for how many seconds. */
const OVERLOAD = { times: 5, seconds: 15 } as const;

/** What a slow Redis does to those who wait for it. */
export interface SlowRedisResult {
  readonly well: LoadReport;
  readonly slow: LoadReport;
}

/** What is served of too many requests. */
export interface OverloadResult {
  /** Requests a second that were served when no more came than were answered. */
  readonly capacity: number;
  /** Requests a second that were served at {@link OVERLOAD} times as many. */
  readonly goodput: number;
  readonly report: LoadReport;
}

/** Latency at a fixed rate before and after every answer of Redis takes 500 ms longer. @param redisUrl a server nobody else uses */
export async function measureSlowRedis(directory: string, redisUrl: string, onStep: (text: string) => void): Promise<SlowRedisResult> {
  const target = new URL(redisUrl);
  const proxy = await startProxy(target.hostname, Number(target.port));
  target.host = `127.0.0.1:${proxy.port}`;
  let app: Server | undefined;
  try {
    const environment = { ...singleProcess(), REDIS_URL: target.href };
    app = await startApp(directory, { dataDirectory: path.join(directory, "data-slow-redis"), environment, pin: false });
    const { url } = app;
    const headers = await signUp(url);
    const load = (seconds: number): Promise<LoadReport> =>
      startLoad({ url, ratePerSecond: SLOW_REDIS.rate, seconds, next: () => ({ path: "/api/session", headers }) }).done;
    onStep("latency with a Redis that is well");
    await load(2);
    const well = await load(SLOW_REDIS.seconds);
    stopIfInterrupted();
    onStep(`latency with a Redis that answers ${SLOW_REDIS.delayMs} ms later`);
    proxy.delay(SLOW_REDIS.delayMs);
    return { well, slow: await load(SLOW_REDIS.seconds) };
  } finally {
    await app?.stop();
    await proxy.close();
  }
}

/** What one worker serves of five times as many requests as it can, each of which takes 10 ms of CPU. */
export async function measureOverload(directory: string, generator: Generator, onStep: (text: string) => void): Promise<OverloadResult> {
  const app = await startApp(directory, {
    dataDirectory: path.join(directory, "data-overload"),
    environment: { ...singleProcess({ RATE_LIMITS: "off", OVERLOAD_DELAY_MS: "100" }) },
    program: programs().laborious,
  });
  try {
    onStep("capacity of an expensive route");
    const url = `${app.url}/work`;
    const { perSecond: capacity } = await run(generator, { name: "laborious", url, pid: app.pid }, { seconds: 5, connections: 2 });
    stopIfInterrupted();
    onStep(`${OVERLOAD.times} times as many`);
    const report = await startLoad({
      url: app.url,
      ratePerSecond: Math.round(capacity * OVERLOAD.times),
      seconds: OVERLOAD.seconds,
      next: () => ({ path: "/work" }),
    }).done;
    return { capacity, goodput: (report.statuses[200] ?? 0) / OVERLOAD.seconds, report };
  } finally {
    await app.stop();
  }
}
