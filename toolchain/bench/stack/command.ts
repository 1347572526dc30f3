import { existsSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import path from "node:path";
import type { Command } from "commander";
import { reachableDocker } from "../../lib/docker";
import { UserError } from "../../lib/errors";
import { stopIfInterrupted } from "../../lib/interrupt";
import { renderTable } from "../../lib/table";
import { APP_HEAD, appRow } from "../app/figures";
import { findGenerator } from "../app/load";
import { keepAwake, machine } from "../app/surroundings";
import { chooseParts, count, narrator, writeSection } from "../options";
import { prepareCompanies } from "./companies";
import { CPU_HEAD, CpuMeter, cpuRow } from "./cpu";
import { failedOf, jiffies, stackFigures, type StackMeasurements, stackSection, type StackSurroundings } from "./figures";
import { idleCores, measureHttp } from "./http";
import { measurePeople } from "./people";
import { measurePgbench, type PgbenchPart } from "./pgbench";
import { measureRates } from "./rates";
import { StackRig } from "./rig";
import type { Common } from "./settings";
import { WarmUp } from "./warm-up";

/** Heading of BENCHMARKS.md under which the dated sections go. */
const HEADING = "## Phase `database` (`npm run bench stack`)";

/** In the order they are measured. */
export const PARTS = ["idle", "http", "rates", "people", "pgbouncer", "sync"] as const;
type Part = (typeof PARTS)[number];

interface StackOptions {
  readonly rounds: string;
  readonly seconds: string;
  readonly connections: string;
  readonly warmUp: string;
  readonly only?: string;
  /** A file, or `true` for standard output. */
  readonly json?: string | true;
  readonly write: boolean;
}

/** Adds `bench stack`. */
export function registerStack(bench: Command): void {
  bench
    .command("stack")
    .description("phase database: through everything ÷ bare node:http + pg, PgBouncer ÷ Postgres, latency at fixed rates, CPU by container")
    .option("--rounds <n>", "counted pairs", "5")
    .option("--seconds <n>", "length of one run; fixed rates take twice as long each", "5")
    .option("--connections <n>", "connections of the load, kept alive", "24")
    .option("--warm-up <n>", "seconds of load on each side before it is measured; 0 for none", "45")
    .option("--only <parts>", `comma-separated: ${PARTS.join(", ")}`)
    .option(
      "--json [file]",
      "JSON into a file besides the tables; without a file printed instead of them, after what Pulumi prints, with --no-write",
    )
    .option("--no-write", "print only, leave BENCHMARKS.md as it is")
    .addHelpText(
      "after",
      `
Parts: idle (CPU while nobody asks), http (one order ÷ peer direct, ÷ peer via PgBouncer, ÷ the instances themselves), rates (83, 200
and 417 requests a second of 20 companies), people (1,000 users), pgbouncer (pgbench through the stack's PgBouncer and through a lone one,
÷ Postgres), sync (commits confirmed by a standby ÷ others).

It makes a stack of its own beside yours and removes it at the end, also after Ctrl-C; about 25 minutes. Run it on the Docker host itself
(Linux) with nothing else to do. The load is made by wrk where it is installed, else by autocannon, which is slower itself.

Examples:
  npm run bench stack
  npm run bench stack -- --only pgbouncer,sync --rounds 9
  npm run bench stack -- --rounds 1 --seconds 2 --warm-up 0 --no-write`,
    )
    .action(benchStack);
}

async function benchStack(options: StackOptions): Promise<void> {
  const rounds = count("--rounds", options.rounds, 99);
  const load = { seconds: count("--seconds", options.seconds, 60), connections: count("--connections", options.connections, 1000) };
  const warmUp = count("--warm-up", options.warmUp, 600, 0);
  const parts = chooseParts(options.only, PARTS);
  if (typeof options.json === "string") assertDirectory(options.json);
  const say = narrator();
  const before = { load: loadavg()[0] ?? 0, jiffies: jiffies() };
  const letSleep = keepAwake();
  const measured = await measure(parts, { rounds, load, warmUp }, say).finally(letSleep);
  const figures = stackFigures(measured);
  const cpu = measured.cpu ?? [];
  const where: StackSurroundings = {
    ...machine(),
    ...load,
    rounds,
    warmUp,
    awake: letSleep !== undefined,
    generator: findGenerator(),
    failed: failedOf(measured),
    loadAverage: [before.load, loadavg()[0] ?? 0],
    docker: (await (await reachableDocker()).version()).Version,
    steal: stolenSince(before.jiffies),
  };
  const json = JSON.stringify({ ...where, figures, measured }, undefined, 2);
  if (options.json === true) {
    console.log(json);
    return;
  }
  if (options.json !== undefined) writeFileSync(options.json, `${json}\n`);
  console.log(`\n${renderTable(APP_HEAD, figures.map(appRow))}`);
  if (cpu.length > 0) console.log(`\n${renderTable(CPU_HEAD, cpu.map(cpuRow))}`);
  console.log(`\n${where.date}, ${where.machine}; Node ${where.node}; ${where.failed} failed requests.`);
  if (options.write) writeSection(HEADING, stackSection(figures, where, cpu));
}

interface Settings extends Pick<Common, "rounds" | "load"> {
  /** Seconds for each side. */
  readonly warmUp: number;
}

async function measure(parts: ReadonlySet<Part>, settings: Settings, say: (text: string) => void): Promise<StackMeasurements> {
  const measured: { -readonly [Key in keyof StackMeasurements]: StackMeasurements[Key] } = {};
  const rig = await StackRig.open(say);
  try {
    const { rounds, load } = settings;
    const meter = new CpuMeter(() => rig.readCpu());
    const warmUp = new WarmUp(settings.warmUp, say, stopIfInterrupted);
    const common: Common = { rig, rounds, generator: findGenerator(), load, warmUp, meter, onStep: say, checkpoint: stopIfInterrupted };
    if (parts.has("idle")) {
      say("idling");
      measured.idleCores = await idleCores(common);
    }
    const asks = (["http", "rates", "people"] as const).some((part) => parts.has(part));
    const companies = asks ? await prepareCompanies(rig, say) : [];
    const [company] = companies;
    if (company !== undefined && parts.has("http")) measured.pairs = await measureHttp(common, company);
    if (parts.has("rates")) measured.rates = await measureRates(common, companies);
    if (parts.has("people")) measured.people = await measurePeople(common, companies);
    const pgbench = (["pgbouncer", "sync"] satisfies PgbenchPart[]).filter((part) => parts.has(part));
    measured.pairs = [...(measured.pairs ?? []), ...(await measurePgbench(common, pgbench))];
    measured.cpu = meter.phases();
    stopIfInterrupted();
    return measured;
  } finally {
    say("removing the stack");
    await rig.remove();
  }
}

/** Before the measurement and not after: what took half an hour is not to be lost. @throws UserError when the file has no directory. */
export function assertDirectory(file: string): void {
  const directory = path.dirname(path.resolve(file));
  if (!existsSync(directory))
    throw new UserError(`--json is ${JSON.stringify(file)}, but there is no directory ${directory}`, "Create it first");
}

function stolenSince(before: ReturnType<typeof jiffies>): number | undefined {
  const now = jiffies();
  if (before === undefined || now === undefined || now.all <= before.all) return undefined;
  return (now.stolen - before.stolen) / (now.all - before.all);
}
