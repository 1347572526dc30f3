import type { Worker } from "node:cluster";
import type { DrainScope } from "../lifecycle/types";
import type { FromPrimary, FromWorker } from "./ipc";
import { isOurs } from "./ipc";
import type { WorkerMemory, WorkerState, WorkerStatus } from "./types";

/** Messages that may wait to be written to one worker before broadcasts pass it by. */
const MOST_UNSENT = 1000;

/** What the primary knows about one worker process, and what it can do to it. */
export class WorkerHandle {
  state: WorkerState = "starting";
  port: number | undefined;
  memory: WorkerMemory | undefined;
  /** Pings in a row without an answer. */
  missedPings = 0;
  awaitsPong = false;
  /** A replacement was already asked for; further reasons to replace it change nothing. */
  replacementPlanned = false;
  /** Questions of this worker not yet answered: while it waits for a reload it cannot finish draining. */
  openQuestions = 0;
  /** Resolves when it accepts connections; rejects with one sentence when it never will. */
  readonly ready: Promise<void>;
  /** Resolves when the process is gone, with one sentence on how it ended. */
  readonly exited: Promise<string>;
  private readonly startedAt = performance.now();
  /** Messages handed to the channel and not yet written. */
  private unsent = 0;
  private lastPongAt: number | undefined;
  private bootFailure: string | undefined;
  private resolveReady!: () => void;
  private rejectReady!: (error: Error) => void;
  private killTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly worker: Worker,
    readonly slot: number,
    bootTimeoutMs: number,
    onMessage: (handle: WorkerHandle, message: FromWorker) => void,
  ) {
    this.ready = new Promise((resolve, reject) => {
      this.resolveReady = resolve;
      this.rejectReady = reject;
    });
    // Whoever starts a worker decides whether to wait for it; its loss is always reported by `exited`.
    this.ready.catch(() => undefined);
    const bootTimer = setTimeout(() => {
      this.bootFailure = `did not accept connections within ${bootTimeoutMs} ms`;
      this.kill();
    }, bootTimeoutMs);
    this.exited = new Promise((resolve) => {
      const ended = (how: string): void => {
        clearTimeout(bootTimer);
        clearTimeout(this.killTimer);
        const reason = this.bootFailure ?? how;
        this.rejectReady(new Error(reason));
        resolve(reason);
      };
      worker.once("exit", (code: number | null, signal: string | null) => {
        ended(signal ? `was ended by ${signal}` : `exited with code ${code ?? "unknown"}`);
      });
      // Also emitted when a signal or message cannot be delivered; then the exit tells. Without a pid there will be no exit.
      worker.on("error", (error) => {
        if (worker.process.pid === undefined) ended(`could not be started: ${error.message}`);
      });
    });
    worker.on("message", (message: unknown) => {
      if (!isOurs(message)) return;
      const ours = message as FromWorker;
      if (ours.phased === "boot-failed") this.bootFailure = ours.reason;
      else if (ours.phased === "ready" && this.state === "starting") {
        clearTimeout(bootTimer);
        this.state = "ready";
        this.port = ours.port;
        this.resolveReady();
      } else if (ours.phased === "pong") {
        this.awaitsPong = false;
        this.missedPings = 0;
        this.lastPongAt = performance.now();
      } else if (ours.phased === "memory") this.memory = ours.memory;
      onMessage(this, ours);
    });
  }

  get id(): number {
    return this.worker.id;
  }

  get pid(): number {
    return this.worker.process.pid ?? 0;
  }

  /** Calls back when the channel is closed and every message that was on it has been read. */
  onSilence(callback: () => void): void {
    if (this.worker.isConnected()) this.worker.once("disconnect", callback);
    else callback();
  }

  /** A worker that just died cannot be told; its exit is reported by {@link exited}. */
  send(message: FromPrimary): void {
    if (!this.worker.isConnected()) return;
    this.unsent += 1;
    this.worker.send(message, () => (this.unsent -= 1));
  }

  /** Whether it reads too slowly (or not at all) to be sent what it can do without: the rest would pile up in the primary's memory. */
  get isBehind(): boolean {
    return this.unsent >= MOST_UNSENT;
  }

  /** Asks it to finish what it has and exit; kills it when it is still there after `killAfterMs`. */
  drain(scope: DrainScope, killAfterMs: number): void {
    if (this.state === "starting") {
      // Nothing to finish yet, and nobody there to hear.
      this.kill();
      return;
    }
    if (this.state === "ready") this.state = "draining";
    this.send({ phased: "drain", scope });
    this.killAfter(killAfterMs);
  }

  /** SIGTERM, then SIGKILL after `graceMs`: a stopped or busy process hears only the second. */
  terminate(graceMs: number): void {
    this.state = "unresponsive";
    this.worker.process.kill("SIGTERM");
    this.send({ phased: "drain", scope: "worker" });
    this.killAfter(graceMs);
  }

  kill(): void {
    this.worker.process.kill("SIGKILL");
  }

  private killAfter(milliseconds: number): void {
    clearTimeout(this.killTimer);
    this.killTimer = setTimeout(() => this.kill(), milliseconds);
  }

  status(restarts: number): WorkerStatus {
    const now = performance.now();
    const seconds = (since: number): number => Math.round(now - since) / 1000;
    return {
      id: this.id,
      slot: this.slot,
      pid: this.pid,
      state: this.state,
      uptimeSeconds: seconds(this.startedAt),
      restarts,
      lastPingSeconds: this.lastPongAt === undefined ? null : seconds(this.lastPongAt),
      missedPings: this.missedPings,
      memory: this.memory ?? null,
    };
  }
}
