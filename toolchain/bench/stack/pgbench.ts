import { UserError } from "../../lib/errors";
import type { Run } from "../app/load";
import { measurePair, type PairRuns } from "../app/pairs";
import type { StackRig } from "./rig";

/** Rows of pgbench's accounts ÷ 100,000: enough that 20 clients do not wait for one row of `pgbench_branches`. */
const SCALE = 20;

/** How long filling the tables may take, in milliseconds. */
const FILL_TIMEOUT_MS = 300_000;

/** Clients that most figures are for, and those of the row that PgBouncer is there for. */
const CLIENTS = 20;
const MANY_CLIENTS = 1000;

export interface PgbenchOptions {
  readonly rig: StackRig;
  readonly rounds: number;
  readonly seconds: number;
  readonly onStep: (text: string) => void;
  readonly checkpoint: () => void;
}

interface Script {
  readonly service: "direct" | "pooled" | "async";
  readonly clients: number;
  /** Arguments that choose what is run. */
  readonly args: string;
}

/** What pgbench says of PgBouncer against Postgres itself, and of confirmed commits against others. */
export async function measurePgbench(options: PgbenchOptions): Promise<PairRuns[]> {
  const { rig, rounds, onStep } = options;
  onStep("filling pgbench's tables");
  await fill(rig);
  const select = "-S -M prepared";
  const write = "-M prepared";
  const pairs: readonly (readonly [id: string, subject: Script, base: Script])[] = [
    ["select", { service: "pooled", clients: CLIENTS, args: select }, { service: "direct", clients: CLIENTS, args: select }],
    ["write", { service: "pooled", clients: CLIENTS, args: write }, { service: "direct", clients: CLIENTS, args: write }],
    ["many", { service: "pooled", clients: MANY_CLIENTS, args: select }, { service: "direct", clients: CLIENTS, args: select }],
    ["sync", { service: "direct", clients: CLIENTS, args: write }, { service: "async", clients: CLIENTS, args: write }],
  ];
  const results: PairRuns[] = [];
  for (const [id, subject, base] of pairs) {
    onStep(`pgbench ${id}, ${rounds} pairs`);
    const target = (name: string): { name: string; url: string; pid: number } => ({ name, url: "", pid: 0 });
    const runs = await measurePair({ id, subject: target("subject"), base: target("base") }, rounds, ({ name }) => {
      options.checkpoint();
      return runOnce(options, name === "subject" ? subject : base);
    });
    results.push(runs);
  }
  return results;
}

/** As superuser, who may create tables where only the owner's belong; the app's role may use them then. */
async function fill(rig: StackRig): Promise<void> {
  await rig.sql("GRANT CREATE ON SCHEMA public TO app");
  await rig.shell(`pgbench --initialize --quiet --scale=${SCALE} "service=direct"`, FILL_TIMEOUT_MS);
  await rig.sql("REVOKE CREATE ON SCHEMA public FROM app");
}

async function runOnce({ rig, seconds }: PgbenchOptions, { service, clients, args }: Script): Promise<Run> {
  // Time to connect is part of the duration, though not of the rate. A login by SCRAM costs both sides some milliseconds of CPU, and
  // 1,000 of them took more than 12 s on a busy machine with 2 cores.
  const time = seconds + Math.ceil(clients / 25);
  const script = `pgbench --no-vacuum --client=${clients} --jobs=2 --time=${time} ${args} "service=${service}"`;
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
