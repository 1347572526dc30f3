import { randomUUID } from "node:crypto";
import { SERVICES } from "../../lib/docker-app";
import { redisInfo, redisStatus } from "../../lib/redis-status";
import { formatBytes } from "../../lib/table";
import { addressesOf, insideApp } from "../inside";
import { fail, pass, skip, verdict, type Check, type Outcome, type VerifyContext } from "../types";

/** Features B3 and B4: what a server may drop when it is full. */
const POLICIES = { [SERVICES.redisCache]: "volatile-lru", [SERVICES.redisLimits]: "noeviction" } as const;
const REDIS_CLIENTS = 10_000;

/** Feature B7: attempts to log in, by one address in five minutes, over all instances. */
const LOGINS = 10;
const LOGINS_EACH = 10;

/** Seconds a job may wait (D5), and a message may take to the clients of other instances. */
const JOB_SECONDS = 5;
const MESSAGE_SECONDS = 3;

/** Feature D2: wrong passwords of one account at once, over all instances and addresses. */
const WRONG_PASSWORDS = 10;

/**
 * Attempts to log in at every instance at the same time, from addresses that nobody has (RFC 5737). Without an account each tries one of its
 * own that nobody has either: wrong passwords of one have a limit of their own, over all runs of an hour.
 */
const TRY_LOGINS = `
const attempt = async (host, n) => {
  const { ask, close } = connection(host);
  const headers = { "x-forwarded-for": input.addresses[n % input.addresses.length] };
  const email = input.account ?? "nobody-" + crypto.randomUUID() + "@example.com";
  const answer = await ask("/api/auth/login", { method: "POST", headers, body: { email, password: "wrong password" } });
  close();
  return answer.status;
};
return await Promise.all(input.hosts.flatMap((host, h) => Array.from({ length: input.each }, (_, n) => attempt(host, h * input.each + n))));
`;

const SESSION = `
const { ask, close } = connection("127.0.0.1");
const { status } = await ask("/api/session", { headers: input.headers });
close();
return status;
`;

/** WebSockets at every instance, an order at this one: who hears of it, and how soon. */
const LISTEN = `
const heard = input.hosts.map((host) => new Promise((resolve) => {
  const socket = new WebSocket("ws://" + host + ":3001/api/realtime", { headers: input.headers });
  const end = (result) => { clearTimeout(timer); socket.close(); resolve(result); };
  const timer = setTimeout(() => end("nothing heard"), input.seconds * 1000);
  socket.onerror = () => end("refused");
  socket.onmessage = ({ data }) => { if (JSON.parse(data).type === "order.created") end("heard"); };
  socket.opened = new Promise((open) => (socket.onopen = open));
  sockets.push(socket.opened);
}));
await Promise.race([Promise.all(sockets), Promise.all(heard)]);
const { ask, close } = connection("127.0.0.1");
const { status } = await ask("/api/orders", { method: "POST", headers: input.headers, body: { customerName: "Realtime", totalCents: 1 } });
close();
return { status, heard: await Promise.all(heard) };
`;

/** Addresses of one of the networks for documentation. */
const HOSTS = 254;

function anyHost(): number {
  return 1 + Math.floor(Math.random() * HOSTS);
}

/** @param wanted attempts that get as far as the password; all others have to be refused. */
async function tryLogins(
  context: VerifyContext,
  wanted: number,
  who: { readonly addresses: readonly string[]; readonly account?: string },
): Promise<Outcome> {
  const { apps, http } = context;
  const { components } = (await http.ask("/api/health/full")).json() as { components?: { rateLimiting?: { mode?: string } } };
  if (components?.rateLimiting?.mode !== "on") return skip(`RATE_LIMITS is ${components?.rateLimiting?.mode ?? "unknown"} for this stack`);
  const all = await apps();
  const [app] = all;
  if (app === undefined) return fail("no instance runs");
  const before = await scripts(context);
  const statuses = await insideApp<number[]>(app, TRY_LOGINS, { hosts: await addressesOf(all), each: LOGINS_EACH, ...who });
  const asked = (await scripts(context)) - before;
  const tried = statuses.filter((status) => status === 401).length;
  const refused = statuses.filter((status) => status === 429).length;
  return verdict(
    [
      ...(tried === wanted && tried + refused === statuses.length
        ? []
        : [`${tried} tried, ${refused} refused, ${statuses.length - tried - refused} other answers of ${statuses.length}`]),
      ...(asked > 0 ? [] : ["redis-limits was not asked"]),
    ],
    `${tried} of ${statuses.length} at ${all.length} instances at once tried, the others refused`,
  );
}

/** B3, B4, D2, D3, D5, D7, F4: what the instances share. */
export const sharedStateChecks: readonly Check[] = [
  {
    id: "B3",
    title: "two Redis servers, each for its purpose (B4)",
    target: `cache may forget, limits may not; on disk; ${REDIS_CLIENTS} clients`,
    phases: ["database"],
    async run({ containers }) {
      const violations: string[] = [];
      const measured: string[] = [];
      for (const [service, policy] of Object.entries(POLICIES)) {
        const [container] = await containers(service);
        if (container === undefined) return fail(`${service} does not run`);
        const status = redisStatus(service, await redisInfo(container));
        if (status.policy !== policy) violations.push(`${service} has ${status.policy} instead of ${policy}`);
        if (status.appendOnly !== "on") violations.push(`append-only file of ${service} is ${status.appendOnly}`);
        if (status.maxBytes === 0) violations.push(`${service} has no limit of memory`);
        if (status.maxClients < REDIS_CLIENTS) violations.push(`${service} takes ${status.maxClients} clients`);
        measured.push(`${service} ${formatBytes(status.usedBytes)} of ${formatBytes(status.maxBytes)}`);
      }
      return verdict(violations, measured.join(", "));
    },
  },
  {
    id: "D3",
    title: "one session at every instance, copies in Redis",
    target: "200 from each, redis-cache was asked",
    phases: ["database"],
    async run(context) {
      const { apps, session, http } = context;
      const { cookie } = await session();
      const before = await calls(context, SERVICES.redisCache, "getex");
      const statuses: number[] = [];
      for (const app of await apps()) statuses.push(await insideApp<number>(app, SESSION, { headers: { ...http.operator, cookie } }));
      const asked = (await calls(context, SERVICES.redisCache, "getex")) - before;
      const refused = statuses.filter((status) => status !== 200);
      return verdict(
        [...(refused.length > 0 ? [`answers ${refused.join(", ")}`] : []), ...(asked > 0 ? [] : ["Redis was not asked for the session"])],
        `${statuses.length} of ${statuses.length} instances, ${asked} look-ups in Redis`,
      );
    },
  },
  {
    id: "F4",
    title: "limits are exact over all instances",
    target: `${LOGINS} attempts to log in, wherever they arrive`,
    phases: ["database"],
    run: (context) => tryLogins(context, LOGINS, { addresses: [`203.0.113.${anyHost()}`] }),
  },
  {
    id: "D2",
    title: "wrong passwords of one account are limited whatever address they come from",
    target: `${WRONG_PASSWORDS} compared, wherever they arrive`,
    phases: ["database"],
    run(context) {
      const first = anyHost();
      const addresses = Array.from({ length: HOSTS }, (_, next) => `198.51.100.${1 + ((first + next) % HOSTS)}`);
      return tryLogins(context, WRONG_PASSWORDS, { addresses, account: `nobody-${randomUUID()}@example.com` });
    },
  },
  {
    id: "D7",
    title: "messages reach clients of every instance",
    target: `within ${MESSAGE_SECONDS} s`,
    phases: ["database"],
    async run({ apps, session, http }) {
      const { cookie } = await session();
      const all = await apps();
      const [app] = all;
      if (app === undefined) return fail("no instance runs");
      const input = { hosts: await addressesOf(all), seconds: MESSAGE_SECONDS, headers: { ...http.operator, cookie } };
      const { status, heard } = await insideApp<{ status: number; heard: string[] }>(app, `const sockets = []; ${LISTEN}`, input);
      const deaf = heard.filter((result) => result !== "heard");
      if (status !== 201) return fail(`the order answers ${status}`);
      return deaf.length === 0
        ? pass(`${heard.length} of ${heard.length} instances`)
        : fail(`${deaf.length} of ${heard.length}: ${deaf.join(", ")}`);
    },
  },
  {
    id: "D5",
    title: "a background job is done by the instance of role jobs",
    target: `within ${JOB_SECONDS} s`,
    phases: ["database"],
    async run({ containers, http, session }) {
      const { cookie } = await session();
      if ((await containers(SERVICES.jobs)).length === 0) return fail("no container of jobs runs");
      const body = { taxYear: 2025, filingStatus: "single", grossIncomeCents: 8_000_000, priority: "high" };
      const started = performance.now();
      const answer = await http.ask("/api/jobs/tax-computations", { method: "POST", headers: { cookie }, body });
      if (answer.status !== 202) return fail(`POST answers ${answer.status}: ${answer.text.slice(0, 100)}`);
      const id = String(answer.json()["id"]);
      for (;;) {
        const job = (await http.ask(`/api/jobs/${id}`, { headers: { cookie } })).json();
        const seconds = (performance.now() - started) / 1000;
        if (job["status"] === "completed")
          return seconds <= JOB_SECONDS ? pass(`${seconds.toFixed(1)} s`) : fail(`${seconds.toFixed(1)} s`);
        if (job["status"] === "failed" || seconds > 30)
          return fail(`${String(job["status"])} after ${seconds.toFixed(0)} s: ${String(job["error"])}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
  },
];

/** How often a server has been asked one command, by its own count. */
async function calls({ containers }: VerifyContext, service: string, command: string): Promise<number> {
  const [container] = await containers(service);
  if (container === undefined) throw new Error(`${service} does not run`);
  const text = (await redisInfo(container, "commandstats"))[`cmdstat_${command}`] ?? "calls=0";
  return Number(/calls=(\d+)/.exec(text)?.[1] ?? 0);
}

/** Scripts run by redis-limits: limits are counted by one. */
async function scripts(context: VerifyContext): Promise<number> {
  const counts = await Promise.all(["eval", "evalsha", "fcall"].map((command) => calls(context, SERVICES.redisLimits, command)));
  return counts.reduce((sum, count) => sum + count, 0);
}
