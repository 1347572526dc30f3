import { clusterMetrics } from "../cluster/ipc";
import type { MetricsSnapshot } from "./metrics-merge";
import { cumulativePart, mergeSnapshots, renderSnapshots } from "./metrics-merge";

/** Longest wait for one worker's numbers, in milliseconds. */
const PULL_DEADLINE_MS = 1000;

/** A process that can be asked for its metrics. */
export interface MetricsSource {
  readonly id: number;
  /** Sends the request; the answer arrives at {@link MetricsAggregator.receive} with the same `requestId`. */
  pull(requestId: number): void;
}

/**
 * Adds up the metrics of all workers in the primary. A worker that does not answer within 1 s counts with what it last reported;
 * what a dead worker had counted stays in the sums, so no counter ever goes down.
 */
export class MetricsAggregator {
  private readonly latest = new Map<number, MetricsSnapshot>();
  private readonly waiting = new Map<number, () => void>();
  private departed: MetricsSnapshot = [];
  /** Departed workers are folded in one after the other, because merging is asynchronous. */
  private folding: Promise<void> = Promise.resolve();
  private lastRequestId = 0;
  private running: Promise<string> | undefined;

  constructor(private readonly deadlineMs = PULL_DEADLINE_MS) {}

  /** Keeps what a worker reported. Messages of one worker arrive in order, so the newest is the largest. */
  receive(workerId: number, snapshot: MetricsSnapshot, requestId?: number): void {
    this.latest.set(workerId, snapshot);
    if (requestId !== undefined) this.waiting.get(requestId)?.();
  }

  /** The worker is gone and all its messages are read. */
  depart(workerId: number): void {
    const last = this.latest.get(workerId);
    if (last === undefined) return;
    this.folding = this.folding.then(async () => {
      this.departed = await mergeSnapshots([this.departed, cumulativePart(last)]);
      this.latest.delete(workerId);
    });
  }

  /**
   * Prometheus text of all workers, dead ones included. Scrapes that come together share one pull.
   * @param own numbers of the primary itself, added to the text.
   */
  collect(sources: readonly MetricsSource[], own: () => Promise<MetricsSnapshot>): Promise<string> {
    this.running ??= this.pullAndRender(sources, own).finally(() => {
      this.running = undefined;
    });
    return this.running;
  }

  private async pullAndRender(sources: readonly MetricsSource[], own: () => Promise<MetricsSnapshot>): Promise<string> {
    await Promise.all(sources.map((source) => this.pull(source)));
    const primary = await own();
    await this.folding;
    // Live workers first: the help texts and types of the code that runs now win.
    return renderSnapshots([...this.latest.values(), this.departed, primary]);
  }

  private pull(source: MetricsSource): Promise<void> {
    const requestId = ++this.lastRequestId;
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.waiting.delete(requestId);
        resolve();
      };
      const timer = setTimeout(done, this.deadlineMs);
      this.waiting.set(requestId, done);
      source.pull(requestId);
    });
  }
}

/**
 * What `GET /metrics` answers: the numbers of every worker of this instance as Prometheus text, content type
 * `text/plain; version=0.0.4`. Takes at most about 1 s, also when a worker hangs.
 * @throws when the primary itself does not answer.
 */
export function metricsText(): Promise<string> {
  return clusterMetrics();
}
