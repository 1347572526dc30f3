import { loadavg } from "node:os";
import type Docker from "dockerode";
import { machine } from "../bench/app/surroundings";
import { UserError } from "../lib/errors";
import { interrupted, unlessInterrupted } from "../lib/interrupt";
import { openLoop } from "../lib/load";
import { type Requester, requester } from "../lib/requester";
import { colours, renderTable } from "../lib/table";
import type { HttpClient } from "../verify/http";
import { renderRows } from "../verify/run";
import { skip } from "../verify/types";
import { type Person, seedPeople, signUpPeople } from "./people";
import type { Profile } from "./profiles";
import { ProgressBar } from "./progress";
import { hitRateReading, type Looks, poolReading, type Reading, replicaLagReading } from "./readings";
import { requestsOf } from "./requests";
import { type LoadResult, notesOf } from "./result";
import { type Plan, planOf, stageAt } from "./schedule";
import { Tally } from "./tally";
import { rowsOf } from "./verdict";
import { cacheCounts, Watch } from "./watch";

const defaults = {
  /** Requests under way at once; what would be more fails. Half of what the load balancer holds. */
  mostUnderWay: 2000,
  /** Longest wait for an answer, ms: five times the slowest target. */
  timeoutMs: 10_000,
} as const;

/** The stack a load is sent to. */
export interface LoadTarget {
  readonly stack: string;
  readonly phase: string;
  readonly http: HttpClient;
  /** Running containers of the app. */
  readonly apps: () => Promise<readonly Docker.Container[]>;
  /** The container that the command `seed` runs in: where it takes nothing away from those that serve, if there is such a one. */
  readonly seeder: () => Promise<Docker.Container>;
  /** The engine they run on. */
  readonly docker: Docker;
}

export interface LoadRunOptions {
  /** Length instead of the profile's own, in seconds. */
  readonly seconds?: number | undefined;
  /** Nothing is drawn. @default false */
  readonly quiet?: boolean;
}

/** A load is sent to this machine only. @throws UserError for any other address. */
export function assertLocal(url: string): void {
  const { hostname } = new URL(url);
  if (["127.0.0.1", "localhost", "[::1]"].includes(hostname)) return;
  throw new UserError(
    `the stack is published at ${url}; a load is only sent to 127.0.0.1, not over a network that others use`,
    "Run it on the Docker host itself, with publishAddress 127.0.0.1",
  );
}

/**
 * Sends a profile's load to a stack and judges what became of it. Ctrl-C ends it; the result is then of the time until then.
 * @throws UserError when the stack is not on this machine, or does not let the companies sign up.
 */
export async function runLoad(profile: Profile, target: LoadTarget, options: LoadRunOptions = {}): Promise<LoadResult> {
  const { http, apps } = target;
  assertLocal(http.url);
  const plan = planOf(profile, options.seconds);
  const bar = new ProgressBar();
  try {
    const before = loadavg()[0] ?? 0;
    const first = profile.from === "seed" ? "are made first, where they are not there" : "sign up first";
    const what = `${profile.name}: ${plan.due.length} requests in ${plan.seconds.toFixed(0)} s; ${profile.companies} companies ${first}`;
    if (options.quiet !== true) bar.say(what);
    const making = peopleOf(profile, plan, target, (text) => {
      if (options.quiet !== true) bar.detail(text);
    });
    // Docker has no call to end a command: companies go on being made for a minute, longer than a process may take to end.
    const people = await unlessInterrupted(making);
    const containers = await apps();
    const cachesBefore = await cacheCounts(containers);
    const startedAt = new Date();
    const sending = new Sending(profile, plan, requestsOf(plan, people, http.operator), http.url);
    const watch = new Watch(http);
    if (options.quiet !== true) bar.start(() => sending.position());
    const isWhole = await sending.done().finally(() => watch.stop());
    const hitRate = isWhole ? hitRateReading(cachesBefore, await cacheCounts(containers)) : skip("interrupted before the caches told it");
    return resultOf({ profile, plan, target, tally: sending.tally, watch, startedAt, before, isWhole, hitRate });
  } finally {
    bar.stop();
  }
}

async function peopleOf(profile: Profile, plan: Plan, target: LoadTarget, onStep: (text: string) => void): Promise<Person[]> {
  if (profile.from === "seed") return seedPeople(await target.seeder(), profile.companies, onStep);
  return signUpPeople(target.http, plan, profile.companies, (ready) => onStep(`${ready} of ${profile.companies} companies are ready`));
}

/** A plan that is being sent. */
export class Sending {
  readonly tally: Tally;
  readonly #started = performance.now();
  readonly #loop: ReturnType<typeof openLoop>;
  readonly #requesters: Requester[];

  constructor(
    profile: Profile,
    private readonly plan: Plan,
    next: ReturnType<typeof requestsOf>,
    url: string,
  ) {
    this.tally = new Tally(plan);
    const own = profile.ownConnections;
    this.#requesters = Array.from({ length: own ? plan.users : 1 }, () => requester(url, own ? { maxSockets: 1 } : {}));
    this.#loop = openLoop({
      ...defaults,
      total: plan.due.length,
      dueAt: (n) => plan.due[n] ?? 0,
      next,
      over: (n) => this.#requesters[own ? (plan.user[n] ?? 0) : 0] as Requester,
      onOutcome: (n, outcome, times) => this.tally.add(n, outcome, times),
    });
  }

  /** Resolves with whether everything was sent and waited for; `false` after Ctrl-C. */
  async done(): Promise<boolean> {
    const abandon = (): void => this.#loop.abandon();
    interrupted.addEventListener("abort", abandon, { once: true });
    try {
      await this.#loop.done;
    } finally {
      interrupted.removeEventListener("abort", abandon);
      for (const one of this.#requesters) one.close();
    }
    return !interrupted.aborted;
  }

  position(): Parameters<ProgressBar["start"]>[0] extends () => infer Position ? Position : never {
    const ms = Math.min(performance.now() - this.#started, this.plan.seconds * 1000);
    const stage = this.plan.stages[stageAt(this.plan.stages, ms)]?.name ?? "";
    return { seconds: ms / 1000, of: this.plan.seconds, stage, ...this.tally.progress };
  }
}

interface Run {
  readonly profile: Profile;
  readonly plan: Plan;
  readonly target: LoadTarget;
  readonly tally: Tally;
  readonly watch: Watch;
  readonly startedAt: Date;
  readonly before: number;
  readonly isWhole: boolean;
  readonly hitRate: Reading;
}

function resultOf(run: Run): LoadResult {
  const { profile, plan, target, tally, watch, startedAt, before, isWhole, hitRate } = run;
  const summaries = tally.stages();
  const measured = tally.measured();
  const seconds = (Date.now() - startedAt.getTime()) / 1000;
  const isMeasured = (at: number): boolean => plan.stages[stageAt(plan.stages, at * 1000)]?.measured === true;
  const looks: Looks = { samples: watch.samples.filter(({ at }) => isMeasured(at)), missed: watch.missed.filter(isMeasured).length };
  const own = profile.stages.reduce((sum, stage) => sum + stage.seconds, 0);
  const result = {
    profile: profile.name,
    title: profile.title,
    stack: target.stack,
    phase: target.phase,
    url: target.http.url,
    startedAt: startedAt.toISOString(),
    seconds: isWhole ? plan.seconds : Math.min(plan.seconds, seconds),
    ...(own !== plan.seconds && { ownSeconds: own }),
    interrupted: !isWhole,
    machine: machine().machine,
    loadAverage: [before, loadavg()[0] ?? 0] as const,
    stages: plan.stages.map((stage, index) => ({ ...stage, summary: summaries[index] ?? measured })),
    operations: tally.operations(),
    measured,
    intervals: tally.intervals(),
    samples: watch.samples,
    missedLooks: watch.missed.length,
    failures: tally.failures(),
    ...(typeof hitRate === "number" && { hitRate }),
    lateness: tally.lateness(),
  };
  const held = { summary: measured, pool: poolReading(looks), replicaLagMs: replicaLagReading(looks), hitRate };
  return { ...result, rows: rowsOf(profile.targets, held, seconds), notes: notesOf(result) };
}

/** The table people read: targets, stages, and what limits what they say. */
export function renderResult(result: LoadResult): string {
  const ms = (value: number): string => value.toFixed(value < 10 ? 1 : 0);
  const stages = result.stages.map(({ name, measured, summary }) => [
    measured ? name : `${name} (not counted)`,
    String(summary.due),
    String(summary.failed),
    summary.perSecond.toFixed(1),
    ms(summary.p50),
    ms(summary.p95),
    ms(summary.p99),
    ms(summary.max),
  ]);
  const failed = result.rows.filter(({ verdict }) => verdict === "fail").length;
  const sum = failed > 0 ? colours.red(`${failed} of ${result.rows.length} targets missed`) : colours.green("no target missed");
  const failures = Object.entries(result.failures).map(([why, count]) => `${count} × ${why}`);
  return [
    renderTable(["stage", "due", "failed", "answered/s", "p50 ms", "p95", "p99", "longest"], stages),
    ...(failures.length > 0 ? [colours.red(`failed, all stages: ${failures.join(", ")}`)] : []),
    renderRows(result.rows),
    ...result.notes.map((note) => colours.yellow(`note: ${note}`)),
    sum,
  ].join("\n\n");
}
