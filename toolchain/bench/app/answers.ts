import { request } from "node:http";
import path from "node:path";
import { interrupted } from "../../lib/interrupt";
import { type LoadReport, startLoad } from "../../lib/load";
import { signUp } from "./people";
import { type Server, startApp } from "./servers";
import { singleProcess } from "./settings";

/** Rates at which latency is measured, requests a second. */
export const RATES = [100, 500, 1000] as const;

/** Orders whose list is about 10 KB of JSON. */
const ORDERS = 30;

/** Length of one fixed rate, in seconds. */
const RATE_SECONDS = 5;

export interface RateResult {
  readonly rate: number;
  readonly report: LoadReport;
}

export interface CompressionResult {
  /** Bytes of the body as it is, by gzip and by Brotli. */
  readonly plain: number;
  readonly gzip: number;
  readonly brotli: number;
  /** p99 of a health probe while compressed lists are asked for: what everybody else notices; ms */
  readonly probeP99: number;
}

/** Latency at fixed rates (open loop: from the moment a request was due) and what compression saves, on one app. */
export async function measureAnswers(
  directory: string,
  onStep: (text: string) => void,
): Promise<{ readonly rates: RateResult[]; readonly compression: CompressionResult }> {
  const app = await startApp(directory, { dataDirectory: path.join(directory, "data-answers"), environment: singleProcess() });
  try {
    const headers = await signUp(app.url);
    const rates: RateResult[] = [];
    // The first is repeated: its first time warms the app up.
    for (const rate of [RATES[0], ...RATES]) {
      onStep(`latency at ${rate} requests a second`);
      rates.push({ rate, report: await load(app, rate, "/api/session", headers) });
    }
    onStep("compression");
    return { rates: rates.slice(1), compression: await compression(app, headers) };
  } finally {
    await app.stop();
  }
}

async function load(app: Server, rate: number, where: string, headers: Readonly<Record<string, string>>): Promise<LoadReport> {
  const running = startLoad({ url: app.url, ratePerSecond: rate, seconds: RATE_SECONDS, next: () => ({ path: where, headers }) });
  const stop = (): void => void running.stop();
  interrupted.addEventListener("abort", stop, { once: true });
  try {
    return await running.done;
  } finally {
    interrupted.removeEventListener("abort", stop);
  }
}

async function compression(app: Server, headers: Readonly<Record<string, string>>): Promise<CompressionResult> {
  for (let n = 0; n < ORDERS; n += 1) {
    const answer = await fetch(`${app.url}/api/orders`, {
      method: "POST",
      headers: { ...headers, "Content-Type": "application/json" },
      body: JSON.stringify({ customerName: `Customer ${n}`, totalCents: 1000 + 17 * n, notes: `Order ${n}, to be delivered` }),
    });
    if (!answer.ok) throw new Error(`creating an order was answered with HTTP ${answer.status}`);
  }
  const list = `/api/orders?limit=${ORDERS}`;
  const size = (encoding: string): Promise<number> => bodyBytes(`${app.url}${list}`, { ...headers, "Accept-Encoding": encoding });
  const [plain, gzip, brotli] = [await size("identity"), await size("gzip"), await size("br")];
  const [probe] = await Promise.all([load(app, 50, "/ready", {}), load(app, 100, list, { ...headers, "Accept-Encoding": "br" })]);
  return { plain, gzip, brotli, probeP99: probe.p99 };
}

/** Bytes of a body as they came over the wire. */
function bodyBytes(url: string, headers: Readonly<Record<string, string>>): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url, { headers }, (response) => {
      let bytes = 0;
      response.on("data", (chunk: Buffer) => (bytes += chunk.length));
      response.once("end", () => resolve(bytes));
      response.once("error", reject);
    })
      .once("error", reject)
      .end();
  });
}
