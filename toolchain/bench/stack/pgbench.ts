import { UserError } from "../../lib/errors";
import type { Run } from "../app/load";
import { measurePair, type PairRuns } from "../app/pairs";
import type { StackRig } from "./rig";
import type { Common } from "./settings";

/** Rows of pgbench's accounts ÷ 100,000: enough that 20 clients do not wait for one row of `pgbench_branches`. */
const SCALE = 20;

/** How long filling the tables may take, in milliseconds. */
const FILL_TIMEOUT_MS = 300_000;

/** Clients that most figures are for, and those of the row that PgBouncer is there for. */
const CLIENTS = 20;
const MANY_CLIENTS = 1000;

/** How pgbench reaches Postgres, by the names of its services: the stack's PgBouncer and proxy, a PgBouncer alone, or nothing between. */
type Service = "direct" | "pooled" | "lone" | "async";

interface Script {
  readonly service: Service;
  readonly kind: "select" | "write";
  /** @default CLIENTS */
  readonly clients?: number;
}

const VIA: Readonly<Record<Service, string>> = {
  direct: "direct",
  pooled: "PgBouncer and proxy",
  lone: "lone PgBouncer",
  async: "direct, no standby waited for",
};

/** Arguments of pgbench, and what the transactions are called. Writes are pgbench's own, "TPC-B (sort of)". */
const KINDS = {
  select: { args: "-S -M prepared", name: "pgbench -S" },
  write: { args: "-M prepared", name: "pgbench TPC-B" },
} as const;

/** Parts of the measurement, and the pairs each has. */
const PAIRS: Readonly<Record<PgbenchPart, readonly (readonly [id: string, subject: Script, base: Script])[]>> = {
  pgbouncer: [
    ["select", { kind: "select", service: "pooled" }, { kind: "select", service: "direct" }],
    ["lone-select", { kind: "select", service: "lone" }, { kind: "select", service: "direct" }],
    ["write", { kind: "write", service: "pooled" }, { kind: "write", service: "direct" }],
    ["lone-write", { kind: "write", service: "lone" }, { kind: "write", service: "direct" }],
    ["many", { kind: "select", service: "pooled", clients: MANY_CLIENTS }, { kind: "select", service: "direct" }],
  ],
  sync: [["sync", { kind: "write", service: "direct" }, { kind: "write", service: "async" }]],
};

/** `pgbouncer`: either PgBouncer ÷ Postgres itself; `sync`: confirmed commits ÷ others. */
export type PgbenchPart = "pgbouncer" | "sync";

/** What pgbench says of some parts. */
export async function measurePgbench(common: Common, parts: readonly PgbenchPart[]): Promise<PairRuns[]> {
  const { rig, rounds, onStep, warmUp, meter, checkpoint } = common;
  const pairs = parts.flatMap((part) => PAIRS[part]);
  if (pairs.length === 0) return [];
  onStep("filling pgbench's tables");
  await fill(rig);
  // Writes touch all that is read as well.
  for (const service of new Set(pairs.flatMap(([, subject, base]) => [subject.service, base.service]))) {
    await warmUp.once(`pgbench, ${VIA[service]}`, (seconds) => runOnce(rig, seconds, { kind: "write", service }));
  }
  const results: PairRuns[] = [];
  for (const [id, subject, base] of pairs) {
    onStep(`pgbench ${id}, ${rounds} pairs`);
    const target = (name: string): { name: string; url: string; pid: number } => ({ name, url: "", pid: 0 });
    const runs = await measurePair({ id, subject: target("subject"), base: target("base") }, rounds, async ({ name }, round) => {
      checkpoint();
      const script = name === "subject" ? subject : base;
      const once = (): Promise<Run> => runOnce(rig, common.load.seconds, script);
      return (await meter.charge(round > 0 ? phaseOf(script) : undefined, once, ({ requests }) => requests)).result;
    });
    results.push(runs);
  }
  return results;
}

function phaseOf({ kind, service, clients = CLIENTS }: Script): string {
  return `${KINDS[kind].name}, ${clients === CLIENTS ? "" : `${clients} clients, `}${VIA[service]}`;
}

/** As superuser, who may create tables where only the owner's belong; the app's role may use them then. */
async function fill(rig: StackRig): Promise<void> {
  await rig.sql("GRANT CREATE ON SCHEMA public TO app");
  await rig.shell(`pgbench --initialize --quiet --scale=${SCALE} "service=direct"`, FILL_TIMEOUT_MS);
  await rig.sql("REVOKE CREATE ON SCHEMA public FROM app");
}

async function runOnce(rig: StackRig, seconds: number, { kind, service, clients = CLIENTS }: Script): Promise<Run> {
  // Time to connect is part of the duration, though not of the rate. A login by SCRAM costs both sides some milliseconds of CPU, and
  // 1,000 of them took more than 12 s on a busy machine with 2 cores.
  const time = seconds + Math.ceil(clients / 25);
  const script = `pgbench --no-vacuum --client=${clients} --jobs=2 --time=${time} ${KINDS[kind].args} "service=${service}"`;
  return parsePgbench(await rig.shell(script, (time + 60) * 1000));
}

/**
 * Reads what pgbench prints.
 * @throws UserError when there is no result in it, as after a time in which nobody got further than connecting.
 */
export function parsePgbench(output: string): Run {
  const number = (pattern: RegExp): number | undefined => {
    const text = pattern.exec(output)?.[1];
    return text === undefined ? undefined : Number(text);
  };
  const [requests, perSecond] = [number(/^number of transactions actually processed: (\d+)/m), number(/^tps = ([\d.]+)/m)];
  if (requests === 0) throw new UserError("pgbench completed no transaction in the time it had", "Give it more: --seconds 10");
  if (requests === undefined || perSecond === undefined) throw new UserError(`pgbench printed no result: ${output.slice(0, 200)}`);
  const aborted = (output.match(/^pgbench: error: client \d+/gm) ?? []).length;
  return { requests, perSecond, errors: (number(/^number of failed transactions: (\d+)/m) ?? 0) + aborted, cpuMicros: undefined };
}
