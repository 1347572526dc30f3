import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type Docker from "dockerode";
import { LABELS } from "../lib/docker";
import { UserError } from "../lib/errors";
import { freePort } from "../lib/free-port";
import { stopIfInterrupted, unlessInterrupted } from "../lib/interrupt";
import { fail, pass, type Row } from "../verify/types";
import { HttpClient } from "../verify/http";
import { type Person, seedPeople } from "./people";
import { type Profile, profileNamed } from "./profiles";
import { ProgressBar } from "./progress";
import { assertLocal, type LoadTarget, Sending } from "./run";
import { requestsOf } from "./requests";
import { planOf } from "./schedule";
import { holds, RateSearch } from "./sustained";

/** Least gain of C9. */
const LEAST_GAIN = 2;

/**
 * What a process uses that has a core to itself, in cores: its own thread uses one, and those that compress and collect garbage some more. Measured by Docker's
 * figures of the unscaled app at the rate where it gives up: 1.08 to 1.23.
 */
const CORES_OF_A_PROCESS = 1.25;

/** Cores to compare on, at most: what a process has of this machine then has to be enough for it to start. */
const MOST_CORES = 32;

/** Longest wait for the unscaled app to answer, in milliseconds. */
const READY_MS = 30_000;

/**
 * Companies, as unequal as those of `e-10000-companies` and of its thousand largest, which send most of its requests: each side has to make its own.
 */
const COMPANIES = 1000;

/** A step of the search: 2 s to warm up, 8 s that count, of what `e-10000-companies` asks for. */
const step = (perSecond: number): Profile => ({
  ...profileNamed("e-10000-companies", "compare"),
  name: `compare-${perSecond}`,
  title: "a step of the search for the rate that is carried",
  stages: [
    { name: "warm-up", seconds: 2, measured: false, perSecond },
    { name: "load", seconds: 8, measured: true, perSecond },
  ],
  companies: COMPANIES,
  targets: [],
});

interface Side {
  readonly name: string;
  readonly http: HttpClient;
  readonly people: readonly Person[];
  readonly search: RateSearch;
}

export interface CompareOptions {
  /**
   * Cores of the machine that is compared on, at least those that the engine has: the unscaled app, which is one process, has what one takes of them,
   * as a part of the engine's. The stack has all of the engine, fewer and larger cores. @default those that the engine has
   */
  readonly cores?: number | undefined;
  /** Nothing is drawn. @default false */
  readonly quiet?: boolean;
}

/**
 * C9: the rate that the stack carries ÷ the one that the unscaled app carries: the stack's image without what section C of the features adds, so
 * one process, no cache and no limits, on an embedded database with the same companies and with nothing in front. Both are tried in turn at each rate, so that
 * they see the same machine; the sender takes part of it from both.
 * @throws UserError when there are fewer cores than the engine has, or the companies cannot be made.
 */
export async function compareWithSingle(target: LoadTarget, { cores, quiet = false }: CompareOptions = {}): Promise<Row> {
  assertLocal(target.http.url);
  const started = performance.now();
  const bar = new ProgressBar();
  const [app] = await target.apps();
  if (app === undefined) throw new UserError("no container of the app runs");
  const { engineCores, machineCores } = await coresOf(target.docker, cores);
  const isWhole = machineCores === engineCores;
  const single = await startSingle(app, target.docker, isWhole ? undefined : (CORES_OF_A_PROCESS * engineCores) / machineCores);
  const http = new HttpClient(single.url);
  try {
    await ready(http);
    const sides: Side[] = [];
    for (const [name, client, seeder] of [
      ["stack", target.http, await target.seeder()],
      ["unscaled app", http, single.container],
    ] as const) {
      const making = seedPeople(seeder, COMPANIES, (line) => {
        if (!quiet) bar.detail(line);
      });
      // Docker has no call to end a command; see runLoad.
      const people = await unlessInterrupted(making);
      sides.push({ name, http: client, people, search: new RateSearch() });
    }
    while (sides.some(({ search }) => search.next !== undefined)) {
      for (const side of sides) {
        const rate = side.search.next;
        if (rate === undefined) continue;
        stopIfInterrupted();
        const held = await tryRate(side, rate);
        side.search.tried(rate, held);
        const became = held ? "carried" : side.search.next === rate ? "not carried, tried once more" : "not carried";
        if (!quiet) bar.say(`C9 ${side.name}: ${rate} requests a second ${became}`);
      }
    }
    return rowOf(sides, machineCores, (performance.now() - started) / 1000);
  } finally {
    http.close();
    await single.container.remove({ force: true, v: true });
  }
}

/**
 * What `--compare` asks for; `undefined` where it was not given.
 * @param option its value, `true` without one
 * @throws UserError for what is no number of cores.
 */
export function compareOf(option: string | true | undefined): Pick<CompareOptions, "cores"> | undefined {
  if (option === undefined) return undefined;
  if (option === true) return {};
  const cores = Number(option);
  if (Number.isInteger(cores) && cores >= 1 && cores <= MOST_CORES) return { cores };
  throw new UserError(
    `--compare ${JSON.stringify(option)}: allowed are whole numbers of cores from 1 to ${MOST_CORES}, or none for those of this machine`,
  );
}

/**
 * What a comparison is made on.
 * @param cores of the machine to compare on; @default those that the engine has
 * @throws UserError when the engine has more.
 */
export async function coresOf(docker: Docker, cores?: number): Promise<{ readonly engineCores: number; readonly machineCores: number }> {
  const { NCPU: engineCores } = (await docker.info()) as { readonly NCPU: number };
  const machineCores = cores ?? engineCores;
  if (machineCores >= engineCores) return { engineCores, machineCores };
  throw new UserError(`--compare ${machineCores}: allowed are ${engineCores} and more, because the Docker engine has that many cores`);
}

async function tryRate({ http, people }: Side, rate: number): Promise<boolean> {
  const profile = step(rate);
  const plan = planOf(profile);
  const sending = new Sending(profile, plan, requestsOf(plan, people, http.operator), http.url);
  await sending.done();
  stopIfInterrupted();
  return holds(sending.tally.measured());
}

function rowOf([stack, single]: readonly Side[], cores: number, seconds: number): Row {
  const [above, below] = [stack?.search.sustained ?? 0, single?.search.sustained ?? 0];
  const bound = (side: Side | undefined): string => (side?.search.isAtMost === true ? "≥ " : "");
  const gain = below === 0 ? 0 : above / below;
  const measured = `${gain.toFixed(2)} (${bound(stack)}${above} ÷ ${bound(single)}${below} req/s, which has one core of ${cores})`;
  return {
    id: "C9",
    title: "rate that is carried ÷ that of the unscaled app",
    target: `≥ ${LEAST_GAIN}`,
    ...(gain >= LEAST_GAIN ? pass(measured) : fail(measured)),
    seconds,
  };
}

/**
 * One process of the app's image, with a database of its own and nothing of the stack's.
 * @param cores that all its threads together may use; @default as many as they need
 */
async function startSingle(
  app: Docker.Container,
  docker: Docker,
  cores?: number,
): Promise<{ readonly container: Docker.Container; readonly url: string }> {
  const { Image, Config: config, NetworkSettings: settings } = await app.inspect();
  const [network = ""] = Object.keys(settings.Networks);
  const port = await freePort();
  const container = await docker.createContainer({
    name: `compare-${randomBytes(3).toString("hex")}`,
    Image,
    // Limits would be what is measured; the stack's are passed by as the operator.
    Env: ["NODE_ENV=production", "WORKERS=1", "CACHE_MAX_ENTRIES=0", "RATE_LIMITS=off"],
    Labels: { ...config.Labels, [LABELS.service]: "compare" },
    ExposedPorts: { "3001/tcp": {} },
    HostConfig: {
      NetworkMode: network,
      PortBindings: { "3001/tcp": [{ HostIp: "127.0.0.1", HostPort: String(port) }] },
      ReadonlyRootfs: true,
      Tmpfs: { "/tmp": "rw,noexec,nosuid,size=64m" },
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges:true"],
      Memory: 1024 ** 3,
      // Docker gives it for each tenth of a second. Shorter ones waste more of it: of 0.63 cores in 10 ms at a time it could use 0.53, in 100 ms 0.58.
      ...(cores !== undefined && { NanoCpus: Math.round(cores * 1e9) }),
      Ulimits: [{ Name: "nofile", Soft: 8192, Hard: 8192 }],
    },
  });
  try {
    await container.start();
  } catch (error) {
    await container.remove({ force: true, v: true });
    throw error;
  }
  return { container, url: `http://127.0.0.1:${port}` };
}

async function ready(http: HttpClient): Promise<void> {
  const deadline = performance.now() + READY_MS;
  for (;;) {
    stopIfInterrupted();
    const isReady = await http.ask("/ready", { timeoutMs: 1000 }).then(
      ({ status }) => status === 200,
      () => false,
    );
    if (isReady) return;
    if (performance.now() > deadline) throw new UserError(`the unscaled app to compare with is not ready within ${READY_MS / 1000} s`);
    await delay(100);
  }
}
