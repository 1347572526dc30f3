import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { loadavg } from "node:os";
import path from "node:path";
import type { Command } from "commander";
import { messageOf } from "../../lib/errors";
import { stopIfInterrupted } from "../../lib/interrupt";
import { STATE_DIR } from "../../lib/paths";
import { renderTable } from "../../lib/table";
import { chooseParts, count, narrator, writeSection } from "../options";
import { measureAnswers } from "./answers";
import { measureCapacity } from "./capacity";
import { APP_HEAD, appFigures, appRow, appSection, failedRequests, type Measurements } from "./figures";
import { measureOverload, measureSlowRedis } from "./faults";
import { measureLadder } from "./ladder";
import { findGenerator, type LoadSettings } from "./load";
import { companies, idleWorker } from "./memory";
import { buildServers } from "./servers";
import { keepAwake, machine, type Surroundings } from "./surroundings";

/** Heading of BENCHMARKS.md under which the dated sections go. */
const HEADING = "## The app (`npm run bench app`)";

const PARTS = ["ladder", "capacity", "answers", "faults", "memory", "companies"] as const;
type Part = (typeof PARTS)[number];

/** How many companies are compared with how many, and requests sent to each: every one of the many is asked twice. */
const COMPANIES = { few: 10, many: 10_000, requests: 20_000 } as const;

interface AppOptions {
  readonly rounds: string;
  readonly seconds: string;
  readonly connections: string;
  readonly only?: string;
  /** An address, `false` for `--no-redis`, absent for the default. */
  readonly redis?: string | false;
  readonly json?: boolean;
  readonly write: boolean;
}

/** Adds `bench app`. */
export function registerApp(bench: Command): void {
  bench
    .command("app")
    .description("the app ÷ bare node:http, Express, Fastify and the usual assembly; latency, memory, CPU")
    .option("--rounds <n>", "counted pairs", "5")
    .option("--seconds <n>", "length of one run", "3")
    .option("--connections <n>", "connections of the load, kept alive", "32")
    .option("--only <parts>", `comma-separated: ${PARTS.join(", ")}`)
    .option("--redis <url>", "Redis to measure with (default: one started in Docker)")
    .option("--no-redis", "leave out what needs Redis")
    .option("--json", "print JSON instead of a table; implies --no-write")
    .option("--no-write", "print only, leave BENCHMARKS.md as it is")
    .addHelpText(
      "after",
      `
Takes about 9 minutes. Servers get one core and the load another; run it on a machine with nothing else to do. The load is made by wrk
where it is installed, else by autocannon, which is slower itself. Nothing is left behind, also after Ctrl-C.

Examples:
  npm run bench app
  npm run bench app -- --only ladder --rounds 9
  npm run bench app -- --no-redis --json`,
    )
    .action(benchApp);
}

async function benchApp(options: AppOptions): Promise<void> {
  const rounds = count("--rounds", options.rounds, 99);
  const load = { seconds: count("--seconds", options.seconds, 60), connections: count("--connections", options.connections, 1000) };
  const parts = chooseParts(options.only, PARTS);
  const say = narrator();
  const before = loadavg()[0] ?? 0;
  const letSleep = keepAwake();
  const measured = await measure(parts, rounds, load, options.redis, say).finally(letSleep);
  const figures = appFigures(measured);
  const where: Surroundings = {
    ...machine(),
    ...load,
    rounds,
    awake: letSleep !== undefined,
    generator: findGenerator(),
    failed: failedRequests(measured),
    loadAverage: [before, loadavg()[0] ?? 0],
  };
  if (options.json === true) {
    console.log(JSON.stringify({ ...where, figures, measured }, undefined, 2));
    return;
  }
  console.log(`\n${renderTable(APP_HEAD, figures.map(appRow))}`);
  console.log(`\n${where.date}, ${where.machine}; Node ${where.node}; ${where.failed} failed requests.`);
  if (options.write) writeSection(HEADING, appSection(figures, where));
}

async function measure(
  parts: ReadonlySet<Part>,
  rounds: number,
  load: LoadSettings,
  redis: string | false | undefined,
  say: (text: string) => void,
): Promise<Measurements> {
  mkdirSync(STATE_DIR, { recursive: true });
  const directory = mkdtempSync(path.join(STATE_DIR, "bench-app-"));
  const generator = findGenerator();
  const common = { generator, rounds, load, checkpoint: stopIfInterrupted };
  const measured: { -readonly [Key in keyof Measurements]: Measurements[Key] } = {};
  try {
    say("building the app and its peers");
    await buildServers(directory);
    if (parts.has("ladder")) {
      await withRedis(redis, say, async (redisUrl) => {
        measured.pairs = await measureLadder({ ...common, directory, redisUrl, onStep: say });
      });
    }
    if (parts.has("capacity")) {
      say("C9: the whole machine");
      measured.capacity = await measureCapacity(directory, common);
    }
    if (parts.has("answers")) {
      const { rates, compression } = await measureAnswers(directory, say);
      Object.assign(measured, { rates, compression });
    }
    if (parts.has("faults")) {
      await withRedis(redis, say, async (redisUrl) => {
        if (redisUrl !== undefined) measured.slowRedis = await measureSlowRedis(directory, redisUrl, say);
      });
      measured.overload = await measureOverload(directory, generator, say);
    }
    if (parts.has("memory")) {
      say("an idle worker");
      measured.idleWorker = await idleWorker(directory);
    }
    if (parts.has("companies")) {
      say(`${COMPANIES.few} companies, then ${COMPANIES.many}`);
      const few = await companies(directory, COMPANIES.few, COMPANIES.requests);
      stopIfInterrupted();
      measured.companies = [few, await companies(directory, COMPANIES.many, COMPANIES.requests)];
    }
    stopIfInterrupted();
    return measured;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Lends a Redis: the given one, or a container that is removed afterwards. Without Docker the rows that need one are left out. */
async function withRedis(
  choice: string | false | undefined,
  say: (text: string) => void,
  work: (url: string | undefined) => Promise<void>,
): Promise<void> {
  if (typeof choice === "string") return work(choice);
  if (choice === false) return work(undefined);
  say("starting Redis");
  // Loaded here: without Redis none of it is needed.
  const { startRedis } = await import("../../../tests/support/services/redis.js");
  let service: Awaited<ReturnType<typeof startRedis>>;
  try {
    service = await startRedis();
  } catch (error) {
    stopIfInterrupted();
    say(`no Redis, so its rows are left out: ${messageOf(error).split("\n")[0] ?? ""}`);
    return work(undefined);
  }
  try {
    await work(process.platform === "linux" ? await direct(service) : service.url);
  } finally {
    await service.remove();
  }
}

/** The server without Docker's proxy in front, as the containers of a stack reach it. */
async function direct({ url, container }: { readonly url: string; readonly container: string }): Promise<string> {
  const { containerAddress } = await import("../../../tests/support/services/container.js");
  const { REDIS_PORT } = await import("../../../components/local/redis/index.js");
  const target = new URL(url);
  target.host = `${await containerAddress(container)}:${REDIS_PORT}`;
  return target.href;
}
