import { interrupted } from "../../lib/interrupt";
import { type LoadReport, type LoadRequest, startLoad } from "../../lib/load";
import { type Company, companyOf, LISTED } from "./companies";
import type { StackRig } from "./rig";
import type { Common } from "./settings";

/** Rates of data-plane.md: 5,000, 12,000 and 25,000 requests a minute. */
export const RATES = [83, 200, 417] as const;

/** Requests a second while the stack is warmed up: what it can do when it is cold. */
const WARM_UP_RATE = 83;

export interface RatePoint {
  readonly rate: number;
  readonly report: LoadReport;
}

/** Latency at fixed rates, from when each request was due, whether or not former ones were answered. */
export async function measureRates(common: Common, companies: readonly Company[]): Promise<RatePoint[]> {
  const { rig, load, onStep, meter, checkpoint } = common;
  await warmUpMix(common, companies);
  const points: RatePoint[] = [];
  for (const rate of RATES) {
    checkpoint();
    onStep(`latency at ${rate} requests a second`);
    const once = (): Promise<LoadReport> => sendMix(rig, companies, rate, 2 * load.seconds);
    const { result } = await meter.charge(`${rate} requests a second`, once, ({ sent }) => sent);
    points.push({ rate, report: result });
  }
  return points;
}

/** Lets the app, and all behind it, see the requests that users send. */
export async function warmUpMix({ rig, warmUp }: Common, companies: readonly Company[]): Promise<void> {
  await warmUp.once("what users ask for", (seconds) => sendMix(rig, companies, WARM_UP_RATE, seconds));
}

/** The n-th request, n from 0: of ten, six are lists, three are single orders and one is a new order. */
export function mixedRequest(companies: readonly Company[], n: number): LoadRequest {
  const { headers, order } = companyOf(companies, n);
  if (n % 10 === 0) {
    const body = JSON.stringify({ customerName: "Bench", totalCents: 1999 });
    return { path: "/api/orders", method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body };
  }
  if (n % 5 < 2) return { path: `/api/orders/${order}`, headers };
  return { path: `/api/orders?limit=${LISTED}`, headers };
}

async function sendMix(rig: StackRig, companies: readonly Company[], ratePerSecond: number, seconds: number): Promise<LoadReport> {
  const running = startLoad({ url: rig.loadBalancerUrl, ratePerSecond, seconds, next: (n) => mixedRequest(companies, n) });
  const stop = (): void => void running.stop();
  interrupted.addEventListener("abort", stop, { once: true });
  return running.done.finally(() => interrupted.removeEventListener("abort", stop));
}
