import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import path from "node:path";
import type { Command } from "commander";
import type Docker from "dockerode";
import { type ChaosEvent, EVENTS, selectEvents } from "../chaos/events";
import { toolchainDaemon } from "../chaos/events/machine";
import { ownStack, removeStack } from "../chaos/own-stack";
import { HEAD, insertTable, row } from "../chaos/report";
import { type RunResult, seconds, summarise, type Summary } from "../chaos/results";
import { ChaosSession } from "../chaos/session";
import { InterruptedError, UserError, messageOf } from "../lib/errors";
import { reachableDocker } from "../lib/docker";
import { onSignal, stopIfInterrupted } from "../lib/interrupt";
import { openStack, type OpenStack, textOutput } from "../lib/outputs";
import { ROOT, STATE_DIR } from "../lib/paths";
import { colours, formatBytes, renderTable } from "../lib/table";

interface ChaosOptions {
  readonly stack?: string;
  readonly event: readonly string[];
  readonly runs: string;
  readonly writes: string;
  readonly daemon?: true;
  readonly write: boolean;
  readonly yes?: true;
}

/** `npm run chaos`: breaks a stack in every way there is, and measures what its clients notice. Exit code 1 when a promise is not kept. */
export function register(program: Command): void {
  program
    .command("chaos")
    .description("fault injection on phase database: what is lost (nothing), and how long writes stand still")
    .option("-s, --stack <name>", "a running stack to break (default: one of its own, removed at the end)")
    .option("-e, --event <name>", "only this event; may be given several times", (name: string, names: string[]) => [...names, name], [])
    .option("-r, --runs <n>", "runs of each event", "1")
    .option("-w, --writes <n>", "orders written a second; 40 is what the targets are for", "40")
    .option("--daemon", "also restart this machine's Docker daemon, if this project has started it")
    .option("-y, --yes", "break a stack although its data are protected")
    .option("--no-write", "print only, leave BENCHMARKS.md as it is")
    .addHelpText(
      "after",
      `
Clients write about 40 orders a second through the load balancer and read others; one more writes straight to PgBouncer. All nodes are
asked the whole time whether they are primary. After each event every acknowledged id has to be in the database, no two nodes may have
been primary at once, and everything has to be redundant again. Only containers of the stack are touched. Ctrl-C puts right what is
broken and ends.

Events:
${EVENTS.map(({ id, title, isDaemon }) => `  ${id.padEnd(31)}${title}${isDaemon === true ? " (needs --daemon)" : ""}`).join("\n")}

Examples:
  npm run chaos
  npm run chaos -- --runs 10
  npm run chaos -- --stack dev --event primary-killed --event switchover --runs 3`,
    )
    .action(run);
}

async function run(options: ChaosOptions): Promise<void> {
  const counts = { runs: positive("--runs", options.runs, 999), writes: positive("--writes", options.writes, 60) };
  const events = selectEvents(options.event, options.daemon === true);
  if (events.some(({ isDaemon }) => isDaemon === true)) toolchainDaemon();
  // Whatever is broken is put right before the process ends; without this Ctrl-C would end it after three seconds.
  const release = onSignal(() => undefined);
  const stack = options.stack === undefined ? await ownStack() : await runningStack(options.stack, options.yes === true);
  try {
    const docker = await reachableDocker(stack.dockerHost);
    // Row by row: a measurement of hours may be broken off.
    const keep = async (summary: Summary): Promise<void> => {
      if (options.write) write([row(summary, today())], await surroundings(docker, counts.writes));
    };
    report(await breakStack(docker, stack, events, counts, keep));
  } finally {
    if (options.stack === undefined) await removeStack(stack.name);
    release();
  }
}

function positive(option: string, text: string, most: number): number {
  const value = /^[1-9]\d{0,2}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > most) throw new UserError(`${option} is ${JSON.stringify(text)}; allowed is a number from 1 to ${most}`);
  return value;
}

async function runningStack(name: string, yes: boolean): Promise<OpenStack> {
  const stack = await openStack(name);
  if (stack.phase !== "database") throw new UserError(`stack ${name} is in phase ${stack.phase}; chaos breaks phase database`);
  const { deployment } = await stack.exported();
  if (!yes && (deployment?.resources ?? []).some((resource) => resource.protect === true)) {
    throw new UserError(`stack ${name} protects its data; chaos kills its containers in every way there is`, "If that is meant, add --yes");
  }
  return stack;
}

async function breakStack(
  docker: Docker,
  stack: OpenStack,
  events: readonly ChaosEvent[],
  { runs, writes: writesPerSecond }: { readonly runs: number; readonly writes: number },
  keep: (summary: Summary) => Promise<void>,
): Promise<Summary[]> {
  const started = performance.now();
  const say = (text: string): void =>
    console.error(`${colours.dim(`[${((performance.now() - started) / 1000).toFixed(0).padStart(5)} s]`)} ${text}`);
  const outputs = await stack.outputs();
  const url = textOutput(outputs, "appUrl");
  const adminToken = textOutput(outputs, "adminToken");
  if (url === undefined || adminToken === undefined) throw new UserError(`stack ${stack.name} is not up`, stack.command("up"));
  const log = path.join(STATE_DIR, "chaos", `${stack.name}-${new Date().toISOString().replaceAll(":", "-").slice(0, 19)}.log`);
  const onDocker = await stack.onDocker();
  const session = await ChaosSession.open({
    docker,
    stack: onDocker,
    url,
    adminToken,
    writesPerSecond,
    log,
    say: (text) => say(`  ${text}`),
  });
  say(`breaking stack ${stack.name} at ${url}; every acknowledged id goes into ${path.relative(ROOT, log)}`);
  const results = new Map<ChaosEvent, RunResult[]>();
  try {
    for (const event of events) {
      const missing = (event.needs ?? []).filter((alias) => !session.targets.has(alias));
      if (missing.length > 0) {
        say(colours.yellow(`${event.id}: left out, the stack has no ${missing.join(", ")}`));
        continue;
      }
      const ofEvent: RunResult[] = [];
      results.set(event, ofEvent);
      try {
        for (let n = 1; n <= runs; n += 1) {
          stopIfInterrupted();
          say(`${colours.bold(event.id)} ${n} of ${runs}: ${event.title}`);
          const result = await session.run(event);
          ofEvent.push(result);
          for (const text of describe(result)) say(`  ${text}`);
        }
      } finally {
        // Also what was measured before a run that could not be: the row says how many runs it is of.
        if (ofEvent.length === 0) results.delete(event);
        else await keep(summarise(event, ofEvent));
      }
    }
    const lost = await session.lostOfAll();
    if (lost.length > 0)
      throw new UserError(`${lost.length} acknowledged writes are not in the database at the end, such as ${lost[0] ?? ""}`);
  } catch (error) {
    if (error instanceof InterruptedError) throw error;
    if (results.size === 0) throw new UserError(`nothing was measured: ${messageOf(error)}`);
    // What was measured until then is worth being shown.
    say(colours.red(messageOf(error)));
    process.exitCode = 1;
  } finally {
    say("putting everything right");
    await session.close().catch((error: unknown) => {
      say(colours.red(messageOf(error)));
      process.exitCode = 1;
    });
  }
  return [...results].map(([event, runsOfIt]) => summarise(event, runsOfIt));
}

/** One run in a few lines. */
function describe(result: RunResult): string[] {
  const { appGapMs, directGapMs, failedWrites, failedReads, acknowledged, recoveryMs, lost, conflicts, returnedMs, problems, reasons } =
    result;
  const figures = [
    `gap ${seconds(appGapMs)} through the app, ${seconds(directGapMs)} through PgBouncer`,
    `${failedWrites} of ${acknowledged + failedWrites} writes and ${failedReads} reads failed`,
    `redundant after ${seconds(recoveryMs)}`,
    lost.length === 0 ? "lost 0" : colours.red(`lost ${lost.length}: ${lost.slice(0, 5).join(", ")}`),
  ];
  const often = Object.entries(reasons).sort(([, a], [, b]) => b - a);
  return [
    figures.join(", "),
    ...(returnedMs > 0
      ? [`the old primary called itself so for ${returnedMs} ms after its return; nobody acknowledges what it commits`]
      : []),
    ...conflicts.slice(0, 3).map(({ at, nodes }) => colours.red(`two primaries at ${new Date(at).toISOString()}: ${nodes.join(", ")}`)),
    ...problems.map((problem) => colours.red(problem)),
    ...often.slice(0, 4).map(([reason, count]) => colours.dim(`${count} × ${reason}`)),
  ];
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}

/** Puts rows into BENCHMARKS.md. */
function write(rows: readonly (readonly string[])[], where: string): void {
  const file = path.join(ROOT, "BENCHMARKS.md");
  writeFileSync(file, insertTable(existsSync(file) ? readFileSync(file, "utf8") : "# Figures\n", rows, where));
}

function report(summaries: readonly Summary[]): void {
  const rows = summaries.map((summary) => row(summary, today()));
  // On a terminal without the longest columns.
  const short = (cells: readonly string[]): string[] => [...cells.slice(0, 1), ...cells.slice(2, -2)];
  console.log(`\n${renderTable(short(HEAD), rows.map(short))}`);
  const missed = summaries.filter((summary) => summary.missed.length > 0).map(({ event }) => event.id);
  if (missed.length > 0) {
    console.log(colours.red(`\nmissed: ${missed.join(", ")}`));
    process.exitCode = 1;
  } else console.log(colours.green(`\nall ${summaries.length} met`));
}

async function surroundings(docker: Docker, writes: number): Promise<string> {
  const { Version: engine } = await docker.version();
  const [processor] = cpus();
  return (
    `${today()}: ${cpus().length} cores (${processor?.model.trim() ?? "unknown"}), ${formatBytes(totalmem())}, ` +
    `${process.platform} ${release()}; Docker ${engine}, Node ${process.versions.node}; load average of the machine at the end ` +
    `${(loadavg()[0] ?? 0).toFixed(1)}. Writers: ${writes} orders a second through load balancer and app (open loop, 8 companies), one SQL client ` +
    "through PgBouncer; half as many reads. A gap is the longest time without an acknowledged write, from the fault until everything was " +
    "redundant again. Anchors are of data-plane.md, without PgBouncer and app."
  );
}
