import { setTimeout as delay } from "node:timers/promises";
import { readClusterState } from "./cluster-state";
import type { Etcd } from "./etcd";
import type { Lock } from "./lock";
import { log as writeLog, reasonOf } from "./log";
import { isWritable, type NodeState, type Patroni } from "./patroni";
import type { Pgbouncer } from "./pgbouncer";
import { plan, type SwitchoverRequest } from "./plan";
import type { Proxy } from "./proxy";
import type { Settings } from "./settings";
import type { SwitchoverResult } from "./status-types";

/** How long things may take, ms. */
export interface Limits {
  /** For the transactions under way when statements are to be held back. */
  readonly pauseMs: number;
  /** For the new primary to receive what was written before statements were held back. */
  readonly receiveMs: number;
  /** For the new primary to take writes. Clients are refused after 25 s (`query_wait_timeout` of PgBouncer). */
  readonly takeOverMs: number;
  /** Between two looks at whether it does: that is for how long writes are held back too long at most. */
  readonly lookMs: number;
  /** Between two tries to let statements go. */
  readonly resumeMs: number;
  /** Between two looks whether statements are held back that nobody will let go, and while another operator holds them back. */
  readonly watchMs: number;
  readonly elsewhereMs: number;
}

const LIMITS: Limits = { pauseMs: 5000, receiveMs: 4000, takeOverMs: 15_000, lookMs: 50, resumeMs: 250, watchMs: 5000, elsewhereMs: 1000 };

/** What a switchover needs. */
export interface SwitchoverParts {
  readonly etcd: Pick<Etcd, "get">;
  readonly patroni: Pick<Patroni, "state" | "handOver">;
  readonly pgbouncer: Pick<Pgbouncer, "pause" | "resume" | "isPaused">;
  readonly proxy: Pick<Proxy, "primaries">;
  /** Has a node write a checkpoint, for as long as that takes or a few seconds. @returns why it did not */
  readonly checkpoint: (node: string) => Promise<string | undefined>;
  readonly lock: Pick<Lock, "take" | "isElsewhere">;
  readonly settings: Pick<Settings, "nodes" | "scope">;
  readonly limits?: Limits;
  readonly log?: typeof writeLog;
}

/** What came of a request; `refused` changed nothing, `failed` was undone as far as possible. */
export interface Outcome extends SwitchoverResult {
  readonly outcome: "done" | "nothing" | "refused" | "failed";
}

/** Told each step in a few words. */
export type Progress = (step: string) => void;

/**
 * Planned switchovers such that no statement fails: PgBouncer holds new transactions back, Patroni hands over to a standby that has
 * everything, and when it takes writes through the proxy, PgBouncer lets them go. They go in any case, whatever fails.
 */
export class Switchover {
  #running: Promise<Outcome> | undefined;
  #last: SwitchoverResult | undefined;
  readonly counts = { done: 0, nothing: 0, refused: 0, failed: 0 };

  readonly #limits: Limits;
  readonly #log: typeof writeLog;

  constructor(private readonly parts: SwitchoverParts) {
    this.#limits = parts.limits ?? LIMITS;
    this.#log = parts.log ?? writeLog;
  }

  get last(): SwitchoverResult | undefined {
    return this.#last;
  }

  /** The one under way. */
  get running(): Promise<Outcome> | undefined {
    return this.#running;
  }

  /** Conducts one, or says why not. Never rejects. */
  async conduct(request: SwitchoverRequest, progress: Progress = () => undefined): Promise<Outcome> {
    if (this.#running !== undefined) return result("refused", "A switchover is under way already; nothing was changed.");
    this.#running = this.#conduct(request, progress).catch((error: unknown) =>
      result("refused", `It cannot be told who is primary (${reasonOf(error)}); nothing was changed.`),
    );
    const outcome = await this.#running;
    this.#running = undefined;
    this.counts[outcome.outcome] += 1;
    const { outcome: kind, ...told } = outcome;
    if (kind === "done" || kind === "failed") this.#last = told;
    const { from, to, heldMs, message } = told;
    this.#log(outcome.ok ? "info" : "warn", message, { event: "switchover", outcome: kind, from, to, heldMs });
    return outcome;
  }

  /**
   * Lets go what nobody else will: what this operator held back in a former life, what another one did that was killed since, and what a
   * PgBouncer still holds that had no name when its turn came. Looks again and again, until told to stop.
   */
  async recover(stop: AbortSignal): Promise<void> {
    let told = false;
    while (!stop.aborted) {
      let pause = this.#limits.watchMs;
      try {
        if (await this.#isHeldBack()) {
          if (await this.#isAbandoned()) {
            await this.parts.pgbouncer.resume();
            this.#log("warn", "PgBouncer held statements back, and nobody conducts a switchover; they go on");
          } else pause = this.#limits.elsewhereMs;
        }
        told = false;
      } catch (error) {
        if (!told) this.#log("warn", "PgBouncer does not tell whether it holds statements back", { reason: reasonOf(error) });
        told = true;
        pause = this.#limits.elsewhereMs;
      }
      await delay(pause, undefined, { signal: stop }).catch(() => undefined);
    }
  }

  /** Whether PgBouncer holds statements back, and not for a switchover of this operator. */
  async #isHeldBack(): Promise<boolean> {
    return this.#running === undefined && (await this.parts.pgbouncer.isPaused());
  }

  /**
   * Whether nobody conducts a switchover. Asked only after {@link #isHeldBack}: who conducts one has the lock before it holds statements
   * back, and until it has let them go.
   */
  async #isAbandoned(): Promise<boolean> {
    // Without etcd nobody can conduct one.
    const elsewhere = await this.parts.lock.isElsewhere().catch(() => false);
    return !elsewhere && this.#running === undefined;
  }

  async #conduct(request: SwitchoverRequest, progress: Progress): Promise<Outcome> {
    const { etcd, patroni, lock, settings } = this.parts;
    const [cluster, states] = await Promise.all([readClusterState(etcd, settings.scope), this.#states(patroni, settings.nodes)]);
    const decided = plan({ nodes: settings.nodes, cluster, states }, request);
    if (decided.kind !== "go") return result(decided.kind, decided.message, { from: decided.from });
    const giveBack = await lock.take();
    if (giveBack === undefined) return result("refused", "A switchover is under way already; nothing was changed.", { from: decided.from });
    try {
      return await this.#handOver(decided.from, decided.to, progress);
    } finally {
      await giveBack().catch((error: unknown) =>
        this.#log("warn", "the lock of the switchover ends by itself", { reason: reasonOf(error) }),
      );
    }
  }

  async #handOver(from: string, to: string, progress: Progress): Promise<Outcome> {
    const { pgbouncer, checkpoint } = this.parts;
    // Before Postgres stops it writes everything to disk that has changed since the last checkpoint: then little is left of that.
    progress(`${from} hands over to ${to}; writing a checkpoint first`);
    const skipped = await checkpoint(from);
    if (skipped !== undefined) this.#log("warn", "the switchover goes on without a checkpoint", { node: from, reason: skipped });
    progress("Waiting for the transactions under way");
    const heldSince = performance.now();
    const obstacle = await pgbouncer.pause(this.#limits.pauseMs);
    let failure: string | undefined;
    try {
      if (obstacle === undefined) {
        progress("PgBouncer holds new transactions back");
        failure = await this.#takeOver(from, to, progress);
      }
    } catch (error) {
      failure = reasonOf(error);
    } finally {
      await this.#resume();
    }
    const heldMs = Math.round(performance.now() - heldSince);
    if (obstacle !== undefined) return result("refused", `${capital(obstacle)}; nothing was changed.`, { from, heldMs });
    if (failure !== undefined) {
      return result("failed", `${from} was to hand over to ${to}: ${failure}. Writes were held for ${seconds(heldMs)} and go on.`, {
        from,
        to,
        heldMs,
      });
    }
    return result("done", `${to} is primary now, ${from} was; writes were held for ${seconds(heldMs)}.`, { from, to, heldMs });
  }

  /** Has Patroni hand over and waits until writes may go on. @returns what went wrong. */
  async #takeOver(from: string, to: string, progress: Progress): Promise<string | undefined> {
    const { patroni, proxy } = this.parts;
    const { takeOverMs, lookMs } = this.#limits;
    const deadline = performance.now() + takeOverMs;
    const lack = await this.#lack(from, to);
    if (lack !== undefined) return lack;
    const done = new AbortController();
    let refusal: string | undefined;
    // Its answer comes late and only matters when it is a refusal; a connection that is lost says nothing.
    const asked = patroni.handOver(from, to, done.signal).then(
      (answer) => (refusal = answer),
      () => undefined,
    );
    try {
      const until = async (condition: () => Promise<boolean>): Promise<string | undefined> => {
        while (!(await condition())) {
          if (refusal !== undefined) return `Patroni says ${refusal}`;
          if (performance.now() > deadline) return `it took longer than ${takeOverMs / 1000} s`;
          await delay(lookMs);
        }
        return undefined;
      };
      // The lease first: etcd is asked at no cost, while every question to the node takes time it needs to take over.
      const { etcd, settings } = this.parts;
      const chosen = await until(async () => (await etcd.get(`/service/${settings.scope}/leader`).catch(() => undefined))?.value === to);
      if (chosen !== undefined) return chosen;
      progress(`${to} has the lease`);
      const promoted = await until(async () => {
        const state = await patroni.state(to, 500);
        return state !== undefined && isWritable(state);
      });
      if (promoted !== undefined) return promoted;
      progress(`${to} takes writes`);
      const reached = await until(async () => {
        const primaries = await proxy.primaries().catch(() => new Set<string>());
        return primaries.size === 1 && primaries.has(to);
      });
      if (reached === undefined) progress(`the proxy leads to ${to}`);
      return reached;
    } finally {
      done.abort();
      await asked;
    }
  }

  /**
   * Waits until the new primary has on its disk all that was acknowledged before statements were held back. With a quorum it need not: other
   * standbys may have confirmed that. And Patroni lets a candidate that is named take over with 1 MiB less than the others, without asking
   * these (`check_quorum` in `is_failover_possible` of Patroni 4.0).
   * @returns what is missing.
   */
  async #lack(from: string, to: string): Promise<string | undefined> {
    const { patroni } = this.parts;
    const { receiveMs, lookMs } = this.#limits;
    const deadline = performance.now() + receiveMs;
    for (;;) {
      const [primary, standby] = await Promise.all([patroni.state(from), patroni.state(to)]);
      const [written, received] = [primary?.xlog?.location, standby?.xlog?.received_location];
      if (written !== undefined && received !== undefined && received >= written) return undefined;
      if (performance.now() > deadline) return `${to} has not received all that ${from} has written`;
      await delay(lookMs);
    }
  }

  /** Tries for as long as it takes: nothing else lets the statements go. */
  async #resume(): Promise<void> {
    for (let told = false; ; told = true) {
      try {
        await this.parts.pgbouncer.resume();
        return;
      } catch (error) {
        if (!told) this.#log("error", "PgBouncer does not take RESUME; trying on", { reason: reasonOf(error) });
        await delay(this.#limits.resumeMs);
      }
    }
  }

  async #states(patroni: SwitchoverParts["patroni"], nodes: readonly string[]): Promise<Map<string, NodeState>> {
    const states = await Promise.all(nodes.map(async (node) => [node, await patroni.state(node)] as const));
    return new Map(states.flatMap(([node, state]) => (state === undefined ? [] : [[node, state] as const])));
  }
}

function result(
  outcome: Outcome["outcome"],
  message: string,
  { from = null, to = null, heldMs = 0 }: { readonly from?: string | null; readonly to?: string | null; readonly heldMs?: number } = {},
): Outcome {
  return { outcome, ok: outcome === "done" || outcome === "nothing", message, from, to, heldMs, at: new Date().toISOString() };
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
