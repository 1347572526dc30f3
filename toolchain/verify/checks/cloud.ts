import { NO_TOKEN } from "../api";
import type { Answer } from "../http";
import { fail, pass, skip, verdict, type Check, type Outcome, type VerifyContext } from "../types";
import { until } from "../until";
import { createOrder } from "./answers";
import { hasEventOf } from "./kafka";

/** Seconds a job may wait (D5), and an event may take to its effect (B5), over a network and with nothing warm. */
const JOB_SECONDS = 30;
const EVENT_SECONDS = 30;

/** What `/api/health/full` says of one part of the instance that answers. */
export interface Component {
  readonly status?: string;
  readonly reason?: string;
  readonly mode?: string;
  readonly enabled?: boolean;
}

/** A replica as `/api/health/database` has it. */
export interface Replica {
  readonly name?: string;
  readonly healthy?: boolean;
  readonly primary?: boolean;
  readonly lagMs?: number | null;
}

/** Milliseconds a replica may be behind (A7). */
const LAG_MS = 5000;

/** What these say is how busy the instance is at the moment, not what it does without. */
const MOMENTARY: readonly string[] = ["memory", "eventLoop"];

const PHASES: readonly string[] = ["cloud"];

/** What the address of a stack in the cloud lets be proved beside the checks of every phase: services behind the app, by what the app does with them. */
export const cloudChecks: readonly Check[] = [
  {
    id: "D12",
    title: "no part of the app falls back",
    target: "every component ok",
    phases: PHASES,
    byUrl: true,
    run: async ({ http }) => componentsOutcome(componentsOf(await http.ask("/api/health/full"))),
  },
  {
    id: "A7",
    title: "the database and its replicas",
    target: `each healthy, < ${LAG_MS / 1000} s behind`,
    phases: PHASES,
    byUrl: true,
    async run({ http }) {
      const answer = await http.ask("/api/health/database");
      const { status, replicas } = answer.json() as { readonly status?: string; readonly replicas?: readonly Replica[] };
      return answer.status === 200 ? replicasOutcome(status, replicas ?? []) : fail(`status ${answer.status}`);
    },
  },
  {
    id: "D5",
    title: "a background job is done",
    target: `within ${JOB_SECONDS} s`,
    phases: PHASES,
    byUrl: true,
    run: jobDone,
  },
  {
    id: "B5",
    title: "an event has its effect",
    target: `within ${EVENT_SECONDS} s`,
    phases: PHASES,
    byUrl: true,
    run: eventArrives,
  },
];

function componentsOf(answer: Answer): Readonly<Record<string, Component>> {
  const { components } = answer.json() as { readonly components?: Readonly<Record<string, Component>> };
  if (components === undefined) throw new Error(`/api/health/full answered ${answer.status} without components`);
  return components;
}

/** What is switched off is no failure; what does without its service is. */
export function componentsOutcome(components: Readonly<Record<string, Component>>): Outcome {
  const all = Object.entries(components).filter(([name]) => !MOMENTARY.includes(name));
  const wrong = all.filter(([, { status }]) => status !== "ok" && status !== "disabled");
  const off = all.filter(([, { status }]) => status === "disabled").map(([name]) => name);
  return verdict(
    wrong.map(([name, { status, reason }]) => `${name} is ${status ?? "without a state"}${reason === undefined ? "" : ` (${reason})`}`),
    `${all.length - off.length} ok${off.length === 0 ? "" : `; not in use: ${off.join(", ")}`}`,
  );
}

/** @param status of the database as a whole */
export function replicasOutcome(status: string | undefined, replicas: readonly Replica[]): Outcome {
  const readers = replicas.filter(({ primary }) => primary !== true);
  const late = readers.filter(({ healthy, lagMs }) => healthy === true && typeof lagMs === "number" && lagMs >= LAG_MS);
  const lags = readers.flatMap(({ lagMs }) => (typeof lagMs === "number" ? [lagMs] : []));
  const behind = lags.length === 0 ? "" : `, at most ${(Math.max(...lags) / 1000).toFixed(1)} s behind`;
  return verdict(
    [
      ...(status === "ok" ? [] : [`the database is ${status ?? "without a state"}`]),
      ...readers.filter(({ healthy }) => healthy !== true).map(({ name }) => `${name ?? "a replica"} is away`),
      ...late.map(({ name, lagMs }) => `${name ?? "a replica"} is ${((lagMs ?? 0) / 1000).toFixed(1)} s behind`),
    ],
    readers.length === 0 ? "it answers; it has no replica" : `it answers, ${readers.length} replicas${behind}`,
  );
}

async function jobDone({ http, session }: VerifyContext): Promise<Outcome> {
  const { cookie } = await session();
  const body = { taxYear: 2025, filingStatus: "single", grossIncomeCents: 8_000_000, priority: "high" };
  const answer = await http.ask("/api/jobs/tax-computations", { method: "POST", headers: { cookie }, body });
  if (answer.status !== 202) return fail(`POST answers ${answer.status}: ${answer.text.slice(0, 100)}`);
  const started = performance.now();
  const path = `/api/jobs/${String(answer.json()["id"])}`;
  const ended = await until(JOB_SECONDS, async () => {
    const { status, error } = (await http.ask(path, { headers: { cookie } })).json();
    return status === "completed" || status === "failed" ? { status, error } : undefined;
  });
  if (ended === undefined) return fail(`not done after ${JOB_SECONDS} s`);
  return ended.status === "completed"
    ? pass(`${((performance.now() - started) / 1000).toFixed(1)} s`)
    : fail(`failed: ${String(ended.error)}`);
}

async function eventArrives({ http, session, adminToken }: VerifyContext): Promise<Outcome> {
  if (componentsOf(await http.ask("/api/health/full"))["events"]?.enabled !== true) return skip("the stack publishes no events");
  if (adminToken === "") return skip(NO_TOKEN);
  const { cookie } = await session();
  const { companyId } = (await http.ask("/api/session", { headers: { cookie } })).json();
  const order = await createOrder(http, cookie, 6);
  const started = performance.now();
  const path = `/api/admin/activity?companyId=${String(companyId)}&limit=10`;
  const arrived = await until(EVENT_SECONDS, async () => {
    const answer = await http.ask(path, { headers: { authorization: `Bearer ${adminToken}` } });
    if (answer.status !== 200) throw new Error(`/api/admin/activity answered ${answer.status}: ${answer.text.slice(0, 200)}`);
    return hasEventOf(answer.json(), order["number"]) ? (performance.now() - started) / 1000 : undefined;
  });
  return arrived === undefined ? fail(`the order's event had no effect within ${EVENT_SECONDS} s`) : pass(`after ${arrived.toFixed(1)} s`);
}
