import { restartContainer } from "../../lib/container-restart";
import { SERVICES } from "../../lib/docker-app";
import { heldText } from "../../lib/data-plane-tables";
import { startLoad, type LoadReport } from "../../lib/load";
import { switchover } from "../../lib/postgres-operator";
import { describeFailures } from "../evaluate";
import type { HttpClient } from "../http";
import { fail, pass, type Check, type Outcome, type VerifyContext } from "../types";

/** Requests a second meanwhile; well under the load balancer's 100 a client. */
const RATE = 30;

/** One request in so many writes. All are one company's, whose writes go one after the other: five a second leave room on a busy machine. */
const WRITE_EVERY = 6;

/** Features D12 and F2: what is taken away under load, and what the load noticed. */
export const interruptionChecks: readonly Check[] = [
  {
    id: "D12",
    title: "both Redis servers restart under load (D3)",
    target: "0 failed requests, nobody is logged out",
    phases: ["database"],
    fault: true,
    async run(context) {
      const { containers, http, session } = context;
      const servers = [...(await containers(SERVICES.redisCache)), ...(await containers(SERVICES.redisLimits))];
      if (servers.length < 2) return fail(`${servers.length} of 2 run`);
      const outcome = await underLoad(context, async () => {
        for (const server of servers) await restartContainer(server, server.id.slice(0, 12));
        return `${servers.length} restarts`;
      });
      const { status } = await http.ask("/api/session", { headers: { cookie: (await session()).cookie } });
      return status === 200 ? outcome : fail(`the session answers ${status} afterwards`);
    },
  },
  {
    id: "F2",
    title: "planned switchover of the primary under load",
    target: "0 failed requests, nothing acknowledged is lost",
    phases: ["database"],
    fault: true,
    async run(context) {
      const { operator, postgres } = context;
      const before = await postgres();
      return await underLoad(context, async () => {
        await switchover(await operator(), undefined);
        const { leader, lastSwitchover } = await postgres();
        if (leader === before.leader) throw new Error(`${leader ?? "nobody"} is primary as before`);
        return `${before.leader ?? ""} → ${leader ?? ""}, ${heldText(lastSwitchover?.heldMs ?? 0)}`;
      });
    },
  },
];

/** Does something while orders are written and read, and counts afterwards whether every acknowledged one is there. */
async function underLoad({ http, session }: VerifyContext, act: () => Promise<string>): Promise<Outcome> {
  const { cookie } = await session();
  const headers = { ...http.operator, cookie };
  const before = await orders(http, cookie);
  let written = 0;
  const load = startLoad({
    url: http.url,
    ratePerSecond: RATE,
    seconds: 300,
    next: (n) => {
      if (n % WRITE_EVERY !== 0) return { path: `/api/orders?limit=${1 + (n % 50)}`, headers };
      written += 1;
      const body = JSON.stringify({ customerName: `Customer ${n}`, totalCents: n });
      return { path: "/api/orders", method: "POST", headers: { ...headers, "content-type": "application/json" }, body };
    },
  });
  let done: string;
  let report: LoadReport;
  try {
    done = await act();
  } finally {
    report = await load.stop();
  }
  if (report.failed > 0)
    return fail(`${report.failed} of ${report.sent} requests failed: ${describeFailures(report.statuses, report.errors)}`);
  const kept = (await orders(http, cookie)) - before;
  if (kept !== written) return fail(`${written} orders acknowledged, ${kept} are there`);
  return pass(`${done}; 0 of ${report.sent} failed, ${written} writes kept, slowest ${(report.max / 1000).toFixed(1)} s`);
}

/** Orders of the company, as the list counts them. */
async function orders(http: HttpClient, cookie: string): Promise<number> {
  const { page } = (await http.ask("/api/orders?limit=1&offset=0", { headers: { cookie } })).json() as { page?: { total?: number } };
  if (page?.total === undefined) throw new Error("the list of orders has no total");
  return page.total;
}
