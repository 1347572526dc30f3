import { setTimeout as delay } from "node:timers/promises";
import type Docker from "dockerode";
import type { StackOnDocker } from "../lib/docker-app";
import { InterruptedError, messageOf } from "../lib/errors";
import { stopIfInterrupted } from "../lib/interrupt";
import type { ChaosEvent, EventContext } from "./events";
import { HttpLoad } from "./http-load";
import { clusterProblem, type Conflict, conflicts, lostOf, type Span, withoutReturned } from "./measure";
import { Probe } from "./probe";
import { type Acknowledged, type Failure, Recorder } from "./recorder";
import { Repairs } from "./repairs";
import type { RunResult } from "./results";
import { Targets } from "./targets";

/** Times in milliseconds. */
const defaults = {
  /** Writes flow when for this time no gap was longer than the next figure. */
  flowForMs: 3000,
  flowGapMs: 1000,
  /** Longest wait for writes to flow again; what takes longer counts as not survived. */
  flowWithinMs: 120_000,
  /** Longest wait for full redundancy: a node may have to copy everything. */
  redundantWithinMs: 300_000,
  /** A description of the cluster older than this describes nothing. */
  freshMs: 3000,
  pollMs: 100,
  /** Orders carry the app's clock, ids the probe's: what is read back reaches this much further into the past. */
  overlapMs: 60_000,
} as const;

export interface ChaosOptions {
  readonly docker: Docker;
  readonly stack: StackOnDocker;
  /** Address of the app. */
  readonly url: string;
  /** Lets the load past the app's limits. */
  readonly adminToken: string;
  /** Orders a second. @default 40, the rate of data-plane.md's prototype */
  readonly writesPerSecond?: number;
  /** File for every acknowledged id. */
  readonly log: string;
  readonly say: (text: string) => void;
}

/** Writers, readers and watchers on one stack, and the events that disturb them. */
export class ChaosSession {
  private constructor(
    readonly targets: Targets,
    readonly recorder: Recorder,
    private readonly repairs: Repairs,
    private readonly probe: Probe,
    private readonly load: HttpLoad,
    private readonly say: (text: string) => void,
  ) {}

  /** Starts everything that writes, reads and watches. */
  static async open({ docker, stack, url, adminToken, writesPerSecond = 40, log, say }: ChaosOptions): Promise<ChaosSession> {
    const repairs = new Repairs();
    const targets = await Targets.find(docker, stack, repairs);
    const recorder = new Recorder(log);
    const load = new HttpLoad(url, recorder, writesPerSecond, { "x-rate-limit-bypass": adminToken });
    const probe = await Probe.start(targets, recorder);
    const session = new ChaosSession(targets, recorder, repairs, probe, load, say);
    try {
      await load.signUp();
      load.start();
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  /** One run of an event, from full redundancy to full redundancy. Whatever was broken is put right, also when this throws. */
  async run(event: ChaosEvent): Promise<RunResult> {
    const context = this.#context();
    await this.#redundant();
    await this.load.signUp();
    try {
      await event.prepare?.(context);
      // So that a gap has a beginning.
      await this.#flowing();
      return await this.#measure(event, context);
    } finally {
      await this.repairs.run();
    }
  }

  async #measure(event: ChaosEvent, context: EventContext): Promise<RunResult> {
    const problems: string[] = [];
    const attempt = async (work: () => Promise<void>): Promise<void> => {
      try {
        await work();
      } catch (error) {
        if (error instanceof InterruptedError) throw error;
        this.recorder.note(`${event.id}: ${messageOf(error)}`);
        problems.push(messageOf(error));
      }
    };
    this.recorder.note(`${event.id}: ${event.title}`);
    const from = Date.now();
    await attempt(() => event.inject(context));
    this.recorder.note(`${event.id}: the fault is in place`);
    if (event.isDaemon === true) await this.probe.resume();
    await attempt(() => this.#flowing());
    const heldMs = Date.now() - from;
    if (heldMs < (event.holdSeconds ?? 0) * 1000) await attempt(() => this.#pause((event.holdSeconds ?? 0) * 1000 - heldMs));
    const repairedAt = this.repairs.isEmpty ? from : Date.now();
    this.recorder.note(`${event.id}: putting it right`);
    await attempt(() => this.repairs.run());
    await attempt(() => this.#redundant());
    const redundantAt = Date.now();
    await attempt(() => this.#flowing());
    await attempt(async () => event.verify?.(context));
    const span = { from, to: Date.now() };
    const lost = await this.#lost({ from: from - defaults.overlapMs, to: span.to });
    this.recorder.note(`${event.id}: over`);
    const seen = this.#conflicts(span);
    const claims = event.returnsUnaware === true ? withoutReturned(seen, repairedAt) : { conflicts: seen, returnedMs: 0 };
    return { ...this.#figures(span), ...claims, event: event.id, lost, problems, recoveryMs: redundantAt - repairedAt };
  }

  #conflicts(span: Span): Conflict[] {
    return conflicts(this.recorder.rounds.filter(([first]) => first !== undefined && first.sentAt >= span.from));
  }

  #figures(span: Span): Omit<RunResult, "event" | "lost" | "problems" | "recoveryMs" | "conflicts" | "returnedMs"> {
    const failed = (channel: Failure["channel"]): number => this.recorder.failuresOf(channel, span).length;
    const reasons: Record<string, number> = {};
    for (const channel of ["app", "read", "direct"] as const) {
      for (const { why } of this.recorder.failuresOf(channel, span))
        reasons[`${channel}: ${why}`] = (reasons[`${channel}: ${why}`] ?? 0) + 1;
    }
    const app = this.recorder.within("app", span);
    return {
      appGapMs: this.recorder.gap("app", span),
      directGapMs: this.recorder.gap("direct", span),
      failedWrites: failed("app"),
      failedReads: failed("read"),
      failedDirect: failed("direct"),
      reasons,
      acknowledged: app.length,
      longestWriteMs: Math.max(0, ...app.map(({ tookMs }) => tookMs)),
    };
  }

  /** What was acknowledged within a span and is not on the primary. */
  async #lost(span: Span): Promise<string[]> {
    const [app, direct] = [this.recorder.within("app", span), this.recorder.within("direct", span)];
    const present = await this.probe.check({
      since: Number(direct[0]?.id ?? 0),
      ordersSince: new Date((app[0]?.at ?? 0) - defaults.overlapMs).toISOString(),
      companies: this.load.companies,
    });
    const ids = (writes: readonly Acknowledged[]): string[] => writes.map(({ id }) => id);
    return [...lostOf(ids(direct), new Set(present.direct)), ...lostOf(ids(app), new Set(present.app))];
  }

  /** What is lost of everything that was acknowledged since the session began. */
  lostOfAll(): Promise<string[]> {
    return this.#lost({ from: 0, to: Date.now() });
  }

  /**
   * Puts right what is broken, and removes what the session made. The companies stay: an app deletes none.
   * @throws Error saying what could not be put right or removed.
   */
  async close(): Promise<void> {
    this.load.stop();
    const outcomes = await Promise.allSettled([this.repairs.run()]);
    outcomes.push(...(await Promise.allSettled([this.probe.remove()])));
    await this.recorder.close();
    const failed = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [messageOf(outcome.reason)] : []));
    if (failed.length > 0) throw new Error(failed.join("; "));
  }

  #context(): EventContext {
    const members = (): readonly { name: string; role: string }[] => this.probe.cluster.members;
    return {
      targets: this.targets,
      repairs: this.repairs,
      members: () => this.probe.cluster.members,
      primary: () => {
        const leader = members().find(({ role }) => role === "leader");
        if (leader === undefined) throw new Error("there is no primary");
        return leader.name;
      },
      standbys: () => members().flatMap(({ name, role }) => (role === "leader" ? [] : [name])),
      until: (what, condition, withinMs) => this.#until(() => what, condition, withinMs),
      flowing: () => this.#flowing(),
      say: (text) => {
        this.recorder.note(text);
        this.say(text);
      },
    };
  }

  /** Waits until acknowledged writes flow on both ways. */
  #flowing(): Promise<void> {
    const begun = Date.now();
    const flows = (): boolean => {
      const now = Date.now();
      const span = { from: now - defaults.flowForMs, to: now };
      return span.from >= begun && (["app", "direct"] as const).every((channel) => this.recorder.gap(channel, span) < defaults.flowGapMs);
    };
    return this.#until(() => "acknowledged writes flow again", flows, defaults.flowWithinMs);
  }

  /** Waits until every container is healthy, and every Postgres node has everything. */
  #redundant(): Promise<void> {
    let problem = "";
    const isRedundant = async (): Promise<boolean> => {
      const { at, members } = this.probe.cluster;
      const age = Date.now() - at;
      const postgres = age > defaults.freshMs ? "no Postgres node describes the cluster" : clusterProblem(members, this.targets.nodes);
      problem = [...(postgres === undefined ? [] : [postgres]), ...(await this.targets.unwell())].join(", ");
      return problem === "";
    };
    return this.#until(() => `full redundancy (${problem})`, isRedundant, defaults.redundantWithinMs);
  }

  async #pause(ms: number): Promise<void> {
    const end = performance.now() + ms;
    await this.#until(
      () => "the fault lasts",
      () => performance.now() >= end,
      ms + 1000,
    );
  }

  async #until(what: () => string, condition: () => boolean | Promise<boolean>, withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      stopIfInterrupted();
      if (await condition()) return;
      if (performance.now() > deadline) throw new Error(`not within ${withinMs / 1000} s: ${what()}`);
      await delay(defaults.pollMs);
    }
  }
}
