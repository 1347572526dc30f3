import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../observability/logger";
import type { Supervisor } from "./supervisor";
import type { ClusterStatus, ReloadResult } from "./types";

/** Requests that come within this time of the first share its reload, in milliseconds. */
const COALESCE_MS = 100;

/**
 * Rolling reload: every worker is replaced, one after the other, by a process that reads program, environment files and secrets anew.
 * The first replacement that fails ends it, so that a broken program costs no capacity.
 */
export class Reloader {
  private completed = 0;
  private failed = 0;
  private running = false;
  private last: ClusterStatus["reloads"]["last"] = null;
  /** The reload that has not begun yet. A request that comes later must not join a running one: that may have read the old program. */
  private next: Promise<ReloadResult> | undefined;

  constructor(
    private readonly supervisor: Supervisor,
    private readonly logger: Logger,
  ) {}

  get status(): ClusterStatus["reloads"] {
    return { completed: this.completed, failed: this.failed, running: this.running, last: this.last };
  }

  /** Resolves with the outcome; never rejects for a worker that does not boot. */
  request(): Promise<ReloadResult> {
    this.next ??= delay(COALESCE_MS).then(() =>
      this.supervisor.exclusive(() => {
        this.next = undefined;
        return this.run();
      }),
    );
    return this.next;
  }

  private async run(): Promise<ReloadResult> {
    const startedAt = performance.now();
    this.running = true;
    this.logger.info("rolling reload begins");
    const slots = this.supervisor.slotNumbers;
    let replaced = 0;
    let reason: string | undefined;
    for (const slot of slots) {
      const { drained, failure } = await this.supervisor.replace(slot, "reload");
      if (failure !== undefined) {
        reason = failure;
        break;
      }
      replaced += 1;
      // One at a time also means that at most one old worker lingers. The exception is the worker that asked for this reload: its
      // request is answered when the reload ends, so it cannot finish before.
      if (drained?.openQuestions === 0) await drained.exited;
    }
    const outcome = {
      ok: reason === undefined,
      replaced,
      kept: slots.length - replaced,
      durationMs: Math.round(performance.now() - startedAt),
    };
    const result: ReloadResult = reason === undefined ? outcome : { ...outcome, reason };
    this.running = false;
    this.last = { ...result, finishedAt: new Date().toISOString() };
    if (result.ok) {
      this.completed += 1;
      this.logger.info({ reload: result }, "rolling reload finished");
    } else {
      this.failed += 1;
      this.logger.error({ reload: result }, "rolling reload failed; the workers not yet replaced keep running");
    }
    return result;
  }
}
