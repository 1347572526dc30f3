import { startLoad } from "../../lib/load";
import { describeFailures, limitViolations, type Flood } from "../evaluate";
import { fail, pass, skip, verdict, type Check } from "../types";
import { createOrder } from "./answers";
import { whyOff } from "./limits";
import type { Answer, HttpClient } from "../http";

/** 500 users (A4), each with a request every ten seconds: the shorter end of the think time of feature A12. */
const CAPACITY_RATE = 50;
const CAPACITY_SECONDS = 10;
/** p95 in milliseconds that must be held (B11). */
const CAPACITY_P95_MS = 2000;

/** Requests of the flood: four times what the default limit with its burst lets through in a second. */
const FLOOD_REQUESTS = 900;
/** Highest limit a flood of that size exceeds for certain. */
const FLOOD_LIMIT = 200;
const FLOOD_CONNECTIONS = 32;

/** API requests of one address at once: several times what any of its limits lets through by default, below the load balancer's. */
const APP_BURST = 60;

/** A4, B1, B7: what the stack carries, and what it refuses. */
export const trafficChecks: readonly Check[] = [
  {
    id: "A4",
    title: `500 users, ${CAPACITY_RATE} req/s for ${CAPACITY_SECONDS} s`,
    target: `0 failed, p95 < ${CAPACITY_P95_MS / 1000} s`,
    greedy: true,
    async run({ http, session }) {
      const { cookie } = await session();
      await createOrder(http, cookie, 0);
      // Reads of lists, one write in ten, some health checks: what a business application sees.
      const load = startLoad({
        url: http.url,
        ratePerSecond: CAPACITY_RATE,
        seconds: CAPACITY_SECONDS,
        next: (n) => {
          // 500 users have addresses and limits of their own; this one client stands for all of them.
          const headers = { ...http.operator, cookie };
          if (n % 10 === 0) return order(headers, n);
          if (n % 5 === 0) return { path: "/health" };
          return { path: "/api/orders?limit=20", headers };
        },
      });
      const report = await load.done;
      const times = `p50 ${report.p50.toFixed(0)}, p95 ${report.p95.toFixed(0)}, p99 ${report.p99.toFixed(0)} ms`;
      if (report.failed > 0)
        return fail(`${report.failed} of ${report.sent} failed (${describeFailures(report.statuses, report.errors)}), ${times}`);
      const measured = `0 of ${report.sent} failed at ${report.rate.toFixed(0)} req/s, ${times}`;
      return report.p95 < CAPACITY_P95_MS ? pass(measured) : fail(measured);
    },
  },
  {
    id: "B7",
    title: "limits of the app, one address",
    target: "429 with policy and Retry-After",
    greedy: true,
    async run({ http }) {
      const off = await whyOff({ http });
      if (off !== undefined) return off;
      const answers = await Promise.all(Array.from({ length: APP_BURST }, () => http.ask("/api/orders", { limited: true })));
      return verdict(...appLimitFindings(answers));
    },
  },
  {
    id: "B1",
    title: "limit of the load balancer, one client",
    target: "100 req/s + burst, then 429 with Retry-After",
    greedy: true,
    async run({ http, expected }) {
      if (expected.apiLimit.perSecond === 0) return skip("switched off by apiRequestsPerSecond 0");
      if (expected.apiLimit.perSecond > FLOOD_LIMIT)
        return skip(`set to ${expected.apiLimit.perSecond} req/s, more than one client here should send`);
      const flood = await sendFlood(http);
      const measured = `${flood.accepted} of ${flood.sent} let through in ${flood.seconds.toFixed(1)} s, ${flood.refused.length} × 429, Retry-After ${flood.refused[0] ?? "none"}`;
      return verdict(limitViolations(flood, expected.apiLimit), measured);
    },
  },
  {
    id: "B1",
    title: "a client that waits as told is served again",
    target: "200 within 15 s",
    greedy: true,
    async run({ http }) {
      const started = performance.now();
      for (;;) {
        const answer = await http.ask("/health", { limited: true });
        const waited = (performance.now() - started) / 1000;
        if (answer.status === 200) return pass(`after ${waited.toFixed(1)} s`);
        if (answer.status !== 429 || waited > 15) return fail(`status ${answer.status} after ${waited.toFixed(1)} s`);
        await new Promise((resolve) => setTimeout(resolve, Number(answer.headers["retry-after"] ?? 1) * 1000));
      }
    },
  },
];

/** What is wrong with the answers to requests that exceed the app's limits, and what was measured. */
function appLimitFindings(answers: readonly Answer[]): [violations: string[], measured: string] {
  const refused = answers.filter(({ status }) => status === 429);
  const [first] = refused;
  if (first === undefined) return [[`${answers.length} requests at once and none refused`], ""];
  const { policy, type } = first.json();
  const retryAfter = first.headers["retry-after"];
  const violations = [
    ...(type === "urn:phased-stack:problem:rate-limited" && typeof policy === "string"
      ? []
      : ["the refusal is not the app's problem document"]),
    ...(Number(retryAfter) >= 1 ? [] : [`Retry-After is ${String(retryAfter)}`]),
    ...(first.headers["ratelimit-policy"] === undefined ? ["no RateLimit-Policy"] : []),
  ];
  return [
    violations,
    `${answers.length - refused.length} of ${answers.length} at once let through, limit ${String(policy)}, Retry-After ${String(retryAfter)}`,
  ];
}

function order(
  headers: Readonly<Record<string, string>>,
  n: number,
): { path: string; method: string; headers: Record<string, string>; body: string } {
  const body = JSON.stringify({ customerName: `Customer ${n}`, totalCents: 100, currency: "EUR" });
  return { path: "/api/orders", method: "POST", headers: { ...headers, "content-type": "application/json" }, body };
}

/**
 * As many requests as this client manages at once, every other one with an address of its own in X-Forwarded-For: who could choose
 * the address he is counted under would have no limit.
 */
async function sendFlood(http: HttpClient): Promise<Flood> {
  const others: Record<string, number> = {};
  const refused: (string | undefined)[] = [];
  let accepted = 0;
  let sent = 0;
  const started = performance.now();
  const client = async (): Promise<void> => {
    while (sent < FLOOD_REQUESTS) {
      sent += 1;
      const headers: Record<string, string> = sent % 2 === 0 ? { "x-forwarded-for": `198.51.100.${sent % 250}` } : {};
      const answer = await http.ask("/health", { headers, limited: true });
      if (answer.status === 200) accepted += 1;
      else if (answer.status === 429) refused.push(answer.headers["retry-after"]);
      else others[answer.status] = (others[answer.status] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: FLOOD_CONNECTIONS }, client));
  return { sent, accepted, refused, others, seconds: (performance.now() - started) / 1000 };
}
