import cluster from "node:cluster";
import { setTimeout as delay } from "node:timers/promises";
import type { AppConfig } from "../config";
import type { Logger } from "../observability/logger";
import { HealthMonitor } from "./health-monitor";
import type { FromWorker } from "./ipc";
import { RespawnBudget } from "./respawn-budget";
import type { WorkerStatus } from "./types";
import { WorkerHandle } from "./worker-handle";

/** Place of one worker. Its process changes, the slot stays. */
interface Slot {
  readonly number: number;
  current: WorkerHandle | undefined;
  /** Boots to take over from `current`. */
  successor: WorkerHandle | undefined;
  /** A start that waits for its backoff or for the budget. */
  restartTimer: NodeJS.Timeout | undefined;
  /** Whether `restartTimer` waits for a granted start, not just for the budget. */
  granted: boolean;
  restarts: number;
}

/** Outcome of a planned replacement: the worker that is being drained, if there was one, or why the old one was kept. */
export interface Replacement {
  readonly drained?: WorkerHandle;
  readonly failure?: string;
}

/** What happens outside the supervisor's own business. */
export interface SupervisorEvents {
  message(handle: WorkerHandle, message: FromWorker): void;
  /** The process is gone and everything it sent has been read. */
  departed(handle: WorkerHandle): void;
  /** An unplanned start was granted. */
  respawned(): void;
  /** No worker runs and the budget is spent: this instance cannot serve. */
  exhausted(reason: string): void;
}

/**
 * Keeps the wanted number of workers alive: starts them, starts lost ones again within the budget, replaces live ones without a gap
 * (start the new, wait until it is ready, drain the old), and ends them all.
 */
export class Supervisor {
  readonly budget: RespawnBudget;
  stopping = false;
  private readonly slots: Slot[];
  private readonly handles = new Set<WorkerHandle>();
  private readonly health: HealthMonitor;
  /** Tail of the queue of planned replacements. */
  private queue: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly config: AppConfig,
    private readonly logger: Logger,
    private readonly events: SupervisorEvents,
  ) {
    this.budget = new RespawnBudget(config.cluster.respawnLimit);
    this.slots = Array.from({ length: config.cluster.workers }, (_, index) => ({
      number: index + 1,
      current: undefined,
      successor: undefined,
      restartTimer: undefined,
      granted: false,
      restarts: 0,
    }));
    this.health = new HealthMonitor(
      config.cluster,
      () => this.workers,
      (handle) => this.giveUpOn(handle),
    );
  }

  /** Starts all workers. One that fails goes the way of a lost worker. */
  start(): void {
    for (const slot of this.slots) this.fill(slot);
    this.health.start();
  }

  get workers(): readonly WorkerHandle[] {
    return [...this.handles];
  }

  get slotNumbers(): readonly number[] {
    return this.slots.map((slot) => slot.number);
  }

  status(): WorkerStatus[] {
    return this.workers
      .map((handle) => handle.status(this.slot(handle.slot).restarts))
      .sort((left, right) => left.slot - right.slot || left.id - right.id);
  }

  /** Planned work on workers happens one at a time. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.queue.then(work);
    this.queue = turn.catch(() => undefined);
    return turn;
  }

  /**
   * Starts a new worker for the slot and drains the old one once the new one is ready. Call within {@link exclusive}.
   */
  async replace(slotNumber: number, why: string): Promise<Replacement> {
    const slot = this.slot(slotNumber);
    if (this.stopping) return { failure: "the instance is shutting down" };
    this.cancelRestart(slot);
    const next = this.fork(slot);
    if (next === undefined) return this.replacementFailed(slot, "the system refused to start a process");
    slot.successor = next;
    try {
      await next.ready;
    } catch (error) {
      return this.replacementFailed(slot, `the new worker ${(error as Error).message}`);
    }
    const old = slot.current;
    slot.successor = undefined;
    slot.current = next;
    this.logger.info({ slot: slot.number, worker: next.id, replaces: old?.id, why }, "worker replaced");
    if (old === undefined) return {};
    old.drain("worker", this.drainBudgetMs);
    return { drained: old };
  }

  /** Replaces one worker as soon as no other replacement runs; does nothing when it is no longer the slot's worker by then. */
  async replaceWorker(handle: WorkerHandle, why: string): Promise<void> {
    if (handle.replacementPlanned) return;
    handle.replacementPlanned = true;
    const outcome = await this.exclusive(async (): Promise<Replacement> => {
      return this.slot(handle.slot).current === handle ? this.replace(handle.slot, why) : {};
    });
    if (outcome.failure === undefined) return;
    handle.replacementPlanned = false;
    if (!this.stopping) this.logger.error({ worker: handle.id, why, reason: outcome.failure }, "worker could not be replaced and stays");
  }

  /** Drains every worker; resolves when all processes are gone. Those still there after the deadline are killed. */
  async stop(): Promise<{ readonly killed: number }> {
    this.stopping = true;
    this.health.stop();
    for (const slot of this.slots) this.cancelRestart(slot);
    for (const handle of this.workers) handle.drain("instance", this.drainBudgetMs);
    const all = Promise.all(this.workers.map((handle) => handle.exited));
    let killed = 0;
    const deadline = new AbortController();
    await Promise.race([
      all,
      delay(this.drainBudgetMs, undefined, { signal: deadline.signal }).then(
        () => {
          killed = this.handles.size;
          for (const handle of this.workers) handle.kill();
        },
        () => undefined,
      ),
    ]);
    await all;
    deadline.abort();
    return { killed };
  }

  /** Ends every process now. */
  killAll(): void {
    this.stopping = true;
    for (const handle of this.workers) handle.kill();
  }

  /** What a drain takes at most: the delay, the requests in flight, and what closing pools needs. */
  private get drainBudgetMs(): number {
    return this.config.drainDelayMs + this.config.shutdownTimeoutMs + this.config.cluster.killGraceMs;
  }

  private slot(number: number): Slot {
    const slot = this.slots[number - 1];
    if (slot === undefined) throw new RangeError(`there is no slot ${number}`);
    return slot;
  }

  private fill(slot: Slot): void {
    slot.restartTimer = undefined;
    slot.current = this.fork(slot);
    if (slot.current === undefined) this.refill(slot, "the system refused to start a process");
  }

  private fork(slot: Slot): WorkerHandle | undefined {
    let handle: WorkerHandle;
    try {
      const worker = cluster.fork();
      handle = new WorkerHandle(worker, slot.number, this.config.cluster.bootTimeoutMs, (from, message) =>
        this.events.message(from, message),
      );
    } catch (error) {
      this.logger.error({ slot: slot.number, err: error }, "a worker process could not be started");
      return undefined;
    }
    this.handles.add(handle);
    handle.ready.then(
      () => this.logger.info({ slot: slot.number, worker: handle.id, workerPid: handle.pid, port: handle.port }, "worker ready"),
      // Reported with its reason when the process is gone.
      () => undefined,
    );
    void handle.exited.then((how) => this.onExit(slot, handle, how));
    return handle;
  }

  private onExit(slot: Slot, handle: WorkerHandle, how: string): void {
    this.handles.delete(handle);
    handle.onSilence(() => this.events.departed(handle));
    const planned = this.stopping || handle.state === "draining";
    this.logger[planned ? "info" : "error"](
      { slot: slot.number, worker: handle.id, workerPid: handle.pid, how },
      planned ? "worker left" : "worker lost",
    );
    if (slot.current !== handle) return;
    slot.current = undefined;
    this.refill(slot, how);
  }

  /** A hung worker stops being the slot's worker at once; it has the grace time to finish what it can. */
  private giveUpOn(handle: WorkerHandle): void {
    const slot = this.slot(handle.slot);
    const reason = `did not answer ${this.config.cluster.healthMisses} health pings`;
    this.logger.error({ slot: slot.number, worker: handle.id, workerPid: handle.pid }, `worker ${reason}`);
    handle.terminate(this.config.cluster.killGraceMs);
    if (slot.current !== handle) return;
    slot.current = undefined;
    this.refill(slot, reason);
  }

  private replacementFailed(slot: Slot, failure: string): { readonly failure: string } {
    slot.successor = undefined;
    // The old worker was lost while its replacement booted: from here on it is a slot without a worker like any other.
    if (slot.current === undefined) this.refill(slot, failure);
    return { failure };
  }

  /** Starts the slot's worker again within the budget. */
  private refill(slot: Slot, reason: string): void {
    if (this.stopping || slot.successor !== undefined) return;
    slot.restarts += 1;
    const respawn = this.budget.take();
    slot.granted = respawn.granted;
    if (respawn.granted) {
      this.events.respawned();
      slot.restartTimer = setTimeout(() => this.fill(slot), respawn.delayMs);
      return;
    }
    if (
      !this.slots.some((other) => other.current !== undefined || other.successor !== undefined || (other.restartTimer && other.granted))
    ) {
      this.events.exhausted(`${this.budget.limit} restarts within a minute are used up and no worker runs; the last one ${reason}`);
      return;
    }
    this.logger.error(
      { slot: slot.number, retryInMs: respawn.retryInMs, reason },
      "restart budget is used up; the slot stays empty for now",
    );
    slot.restartTimer = setTimeout(() => this.refill(slot, reason), respawn.retryInMs);
  }

  private cancelRestart(slot: Slot): void {
    clearTimeout(slot.restartTimer);
    slot.restartTimer = undefined;
  }
}
