import { setTimeout as delay } from "node:timers/promises";
import { interrupted } from "../../lib/interrupt";
import { run, type Run } from "../app/load";
import { measurePair, type PairRuns } from "../app/pairs";
import type { Company } from "./companies";
import { cpuOf, type CpuGroup, STACK_GROUPS } from "./cpu";
import type { Common } from "./settings";

/** Time in which the stack only idles, in milliseconds. */
const IDLE_MS = 5000;

/** Cores the stack uses while nobody asks it for anything: health checks, leases, replication. */
export async function idleCores({ meter }: Common): Promise<number> {
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1000;
  const { result, used } = await meter.charge(
    "idle, ms a second",
    async () => {
      await delay(IDLE_MS, undefined, { signal: interrupted });
      return seconds();
    },
    (elapsed) => elapsed,
  );
  return cpuOf(used, STACK_GROUPS) / 1_000_000 / result;
}

/** Something that is sent load. */
interface Side {
  /** Its line in the table of CPU time. */
  readonly phase: string;
  readonly urls: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  /** Columns that its requests are charged for. */
  readonly groups: readonly CpuGroup[];
}

type SideName = "stack" | "peer" | "peerPooled" | "instances";

const PAIRS: readonly (readonly [id: string, subject: SideName, base: SideName])[] = [
  ["stack/peer", "stack", "peer"],
  ["stack/peer-pooled", "stack", "peerPooled"],
  ["balanced/direct", "stack", "instances"],
];

/** Through everything ÷ the peer, both ways it reaches Postgres, and through the load balancer ÷ the instances themselves. */
export async function measureHttp(common: Common, company: Company): Promise<PairRuns[]> {
  const { rounds, onStep, warmUp, checkpoint } = common;
  const sides = sidesOf(common, company);
  for (const { phase, urls, headers } of Object.values(sides)) {
    await warmUp.once(phase, (seconds) => send(common, seconds, urls, headers));
  }
  const results: PairRuns[] = [];
  for (const [id, subject, base] of PAIRS) {
    onStep(`${id}, ${rounds} pairs`);
    const target = (name: SideName): { name: string; url: string; pid: number } => ({ name, url: "", pid: 0 });
    const runs = await measurePair({ id, subject: target(subject), base: target(base) }, rounds, ({ name }, round) => {
      checkpoint();
      return charged(common, sides[name as SideName], round > 0);
    });
    results.push(runs);
  }
  return results;
}

function sidesOf({ rig }: Common, { headers, order }: Company): Readonly<Record<SideName, Side>> {
  const path = `/api/orders/${order}`;
  return {
    stack: {
      phase: "one order, through everything",
      // As many senders as for the instances themselves.
      urls: rig.appUrls.map(() => `${rig.loadBalancerUrl}${path}`),
      headers,
      groups: STACK_GROUPS,
    },
    instances: {
      phase: "one order, instances themselves",
      urls: rig.appUrls.map((url) => `${url}${path}`),
      headers,
      groups: STACK_GROUPS,
    },
    peer: {
      phase: "one order, peer direct",
      urls: [`${rig.peerUrl("direct")}/${order}`],
      headers: {},
      groups: ["peer", "primary", "replicas"],
    },
    peerPooled: {
      phase: "one order, peer via PgBouncer",
      urls: [`${rig.peerUrl("pooled")}/${order}`],
      headers: {},
      groups: ["peer", "PgBouncer", "proxy", "primary", "replicas"],
    },
  };
}

/** One run, with the CPU time that the side's containers used meanwhile. */
async function charged(common: Common, side: Side, counted: boolean): Promise<Run> {
  const once = (): Promise<Run> => send(common, common.load.seconds, side.urls, side.headers);
  const { result, used } = await common.meter.charge(counted ? side.phase : undefined, once, ({ requests }) => requests);
  return { ...result, cpuMicros: result.requests === 0 ? undefined : cpuOf(used, side.groups) / result.requests };
}

/** Load on several addresses at once, the connections divided among them; not pinned: the stack uses every core. */
async function send(
  { generator, load }: Common,
  seconds: number,
  urls: readonly string[],
  headers: Readonly<Record<string, string>>,
): Promise<Run> {
  const connections = Math.max(1, Math.round(load.connections / urls.length));
  const runs = await Promise.all(urls.map((url) => run(generator, { name: url, url, headers, pid: 0 }, { seconds, connections }, false)));
  const sum = (of: (one: Run) => number): number => runs.reduce((total, one) => total + of(one), 0);
  return {
    requests: sum((one) => one.requests),
    perSecond: sum((one) => one.perSecond),
    errors: sum((one) => one.errors),
    cpuMicros: undefined,
  };
}
