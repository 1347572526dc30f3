import { setTimeout as delay } from "node:timers/promises";
import { interrupted } from "../../lib/interrupt";
import { percentile } from "../../lib/load";
import { type Requester, requester } from "../../lib/requester";
import { type Company, companyOf, LISTED } from "./companies";
import { warmUpMix } from "./rates";
import type { Common } from "./settings";

/** Users at once, and milliseconds between an answer and a user's next request. */
const USERS = 1000;
const THINK_MS = 5000;

/** Requests of each user. */
const ROUNDS = 3;

/** What a thousand users see who each wait for an answer, and then think. */
export interface PeopleResult {
  readonly requests: number;
  /** Answers by status code. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Requests without an answer, by reason. */
  readonly errors: Readonly<Record<string, number>>;
  readonly failed: number;
  readonly p50: number;
  readonly p95: number;
}

/** A thousand users for some rounds of thinking; each begins at a moment of its own and has a connection of its own. */
export async function measurePeople(common: Common, companies: readonly Company[]): Promise<PeopleResult> {
  const { rig, onStep, meter, checkpoint } = common;
  await warmUpMix(common, companies);
  checkpoint();
  onStep(`${USERS} users, ${THINK_MS / 1000} s to think`);
  const target = requester(rig.loadBalancerUrl, { maxSockets: USERS });
  try {
    const once = (): Promise<PeopleResult> => everybody(target, companies);
    return (await meter.charge("1,000 users", once, ({ requests }) => requests)).result;
  } finally {
    target.close();
  }
}

async function everybody(target: Requester, companies: readonly Company[]): Promise<PeopleResult> {
  const latencies: number[] = [];
  const statuses: Record<string, number> = {};
  const errors: Record<string, number> = {};
  const user = async (index: number): Promise<void> => {
    const { headers, order } = companyOf(companies, index);
    await delay((index / USERS) * THINK_MS, undefined, { signal: interrupted });
    for (let round = 0; round < ROUNDS; round += 1) {
      const started = performance.now();
      const outcome = await ask(target, round % 2 === 0 ? `/api/orders?limit=${LISTED}` : `/api/orders/${order}`, headers);
      latencies.push(performance.now() - started);
      const table = typeof outcome === "number" ? statuses : errors;
      table[outcome] = (table[outcome] ?? 0) + 1;
      await delay(THINK_MS, undefined, { signal: interrupted });
    }
  };
  await Promise.all(Array.from({ length: USERS }, (_, index) => user(index)));
  const sorted = latencies.sort((one, two) => one - two);
  const requests = sorted.length;
  const failed = requests - (statuses["200"] ?? 0);
  return { requests, statuses, errors, failed, p50: percentile(sorted, 0.5), p95: percentile(sorted, 0.95) };
}

/** Status of the answer, or why there is none. */
function ask(target: Requester, path: string, headers: Readonly<Record<string, string>>): Promise<number | string> {
  return new Promise((resolve) => {
    const outgoing = target.request({ path, method: "GET", headers });
    outgoing.once("error", (error) => resolve((error as NodeJS.ErrnoException).code ?? error.message));
    outgoing.once("response", (response) => {
      response.resume();
      response.once("end", () => resolve(response.complete ? (response.statusCode ?? 0) : "answer broken off"));
      response.once("error", () => resolve("answer broken off"));
    });
    outgoing.end();
  });
}
