import { loadavg } from "node:os";
import type { Command } from "commander";
import { reachableDocker } from "../../lib/docker";
import { stopIfInterrupted } from "../../lib/interrupt";
import { renderTable } from "../../lib/table";
import { APP_HEAD, appRow } from "../app/figures";
import { findGenerator } from "../app/load";
import { keepAwake, machine } from "../app/surroundings";
import { chooseParts, count, narrator, writeSection } from "../options";
import { failedOf, jiffies, stackFigures, type StackMeasurements, stackSection, type StackSurroundings } from "./figures";
import { idleCores, measureHttp, measurePeople, measureRates, prepare } from "./http";
import { measurePgbench } from "./pgbench";
import { StackRig } from "./rig";

/** Heading of BENCHMARKS.md under which the dated sections go. */
const HEADING = "## Phase `database` (`npm run bench stack`)";

const PARTS = ["http", "pgbench", "rates", "people"] as const;
type Part = (typeof PARTS)[number];

interface StackOptions {
  readonly rounds: string;
  readonly seconds: string;
  readonly connections: string;
  readonly only?: string;
  readonly json?: boolean;
  readonly write: boolean;
}

/** Adds `bench stack`. */
export function registerStack(bench: Command): void {
  bench
    .command("stack")
    .description("phase database: through everything ÷ bare node:http + pg, PgBouncer ÷ Postgres, latency at fixed rates")
    .option("--rounds <n>", "counted pairs", "5")
    .option("--seconds <n>", "length of one run; fixed rates take twice as long each", "5")
    .option("--connections <n>", "connections of the load, kept alive", "24")
    .option("--only <parts>", `comma-separated: ${PARTS.join(", ")}`)
    .option("--json", "print JSON instead of a table; implies --no-write")
    .option("--no-write", "print only, leave BENCHMARKS.md as it is")
    .addHelpText(
      "after",
      `
It makes a stack of its own beside yours and removes it at the end, also after Ctrl-C; about 10 minutes. Run it on the Docker host itself
(Linux) with nothing else to do. The load is made by wrk where it is installed, else by autocannon, which is slower itself.

Examples:
  npm run bench stack
  npm run bench stack -- --only pgbench --rounds 9
  npm run bench stack -- --rounds 1 --seconds 2 --no-write`,
    )
    .action(benchStack);
}

async function benchStack(options: StackOptions): Promise<void> {
  const rounds = count("--rounds", options.rounds, 99);
  const load = { seconds: count("--seconds", options.seconds, 60), connections: count("--connections", options.connections, 1000) };
  const parts = chooseParts(options.only, PARTS);
  const say = narrator();
  const before = { load: loadavg()[0] ?? 0, jiffies: jiffies() };
  const letSleep = keepAwake();
  const measured = await measure(parts, rounds, load, say).finally(letSleep);
  const figures = stackFigures(measured);
  const where: StackSurroundings = {
    ...machine(),
    ...load,
    rounds,
    awake: letSleep !== undefined,
    generator: findGenerator(),
    failed: failedOf(measured),
    loadAverage: [before.load, loadavg()[0] ?? 0],
    docker: (await (await reachableDocker()).version()).Version,
    steal: stolenSince(before.jiffies),
  };
  if (options.json === true) {
    console.log(JSON.stringify({ ...where, figures, measured }, undefined, 2));
    return;
  }
  console.log(`\n${renderTable(APP_HEAD, figures.map(appRow))}`);
  console.log(`\n${where.date}, ${where.machine}; Node ${where.node}; ${where.failed} failed requests.`);
  if (options.write) writeSection(HEADING, stackSection(figures, where));
}

async function measure(
  parts: ReadonlySet<Part>,
  rounds: number,
  load: { readonly seconds: number; readonly connections: number },
  say: (text: string) => void,
): Promise<StackMeasurements> {
  const measured: { -readonly [Key in keyof StackMeasurements]: StackMeasurements[Key] } = {};
  const rig = await StackRig.open(say);
  try {
    const common = { rig, rounds, generator: findGenerator(), load, onStep: say, checkpoint: stopIfInterrupted };
    const asked = await prepare(rig);
    say("idling");
    measured.idleCores = await idleCores(rig);
    if (parts.has("http")) measured.pairs = await measureHttp(common, asked);
    if (parts.has("rates")) measured.rates = await measureRates(common, asked);
    if (parts.has("people")) measured.people = await measurePeople(common, asked);
    if (parts.has("pgbench")) {
      measured.pairs = [...(measured.pairs ?? []), ...(await measurePgbench({ ...common, seconds: load.seconds }))];
    }
    stopIfInterrupted();
    return measured;
  } finally {
    say("removing the stack");
    await rig.remove();
  }
}

function stolenSince(before: ReturnType<typeof jiffies>): number | undefined {
  const now = jiffies();
  if (before === undefined || now === undefined || now.all <= before.all) return undefined;
  return (now.stolen - before.stolen) / (now.all - before.all);
}
