import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { Lease } from "../events/lease";
import { errorText } from "../jobs/definitions";
import type { Logger } from "../observability/logger";
import type { Database } from "./database";

const defaults = {
  /** Less than half of the 5 s from which on a replica counts as behind (`components/aws/observability/thresholds.ts`). */
  everyMs: 2000,
  /** A process that died is missed for less than twice this, and the alarm waits for minutes. */
  leaseMs: 10_000,
} as const;

export interface ReplicaPulseOptions {
  /** Each primary of its own. */
  readonly databases: readonly Database[];
  readonly logger: Logger;
  /** Between two writes, ms. @default 2000 */
  readonly everyMs?: number;
  /** How long the one that writes keeps its turn without writing, ms. @default 10000 */
  readonly leaseMs?: number;
}

/**
 * A write every two seconds in each database, so that CloudWatch's `ReplicaLag` says how far replicas are behind. RDS asks a replica how long ago the
 * last transaction it replayed was committed: where nobody writes that grows for up to five minutes, and looks as if the replica stood still.
 * The app itself goes by positions in the log and needs none of this ({@link PrimaryHistory}).
 *
 * One process of all writes. Who it is, is a lease in the database, and renewing it is the write.
 */
export class ReplicaPulse {
  readonly #options: ReplicaPulseOptions;
  readonly #stop = new AbortController();
  #started = false;

  constructor(options: ReplicaPulseOptions) {
    this.#options = options;
  }

  /** Begins to write, or to wait for its turn, in each database on its own: one that is away holds up no other. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    const { databases, leaseMs = defaults.leaseMs } = this.#options;
    const owner = randomUUID();
    for (const database of databases) void this.#beat(new Lease(database, "replica-pulse", owner, leaseMs));
  }

  /** Waits for nothing: another process goes on when the lease has ended. */
  close(): void {
    this.#stop.abort();
  }

  async #beat(lease: Lease): Promise<void> {
    const { logger, everyMs = defaults.everyMs, leaseMs = defaults.leaseMs } = this.#options;
    const { signal } = this.#stop;
    let failing = false;
    while (!this.#isClosed()) {
      let held = false;
      try {
        held = await lease.acquire();
        failing = false;
      } catch (error) {
        // Said once: a database may be away for hours, and has alarms of its own.
        if (!this.#isClosed())
          logger[failing ? "debug" : "warn"]({ reason: errorText(error) }, "the pulse of the replicas was not written");
        failing = true;
      }
      await delay(held ? everyMs : leaseMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  #isClosed(): boolean {
    return this.#stop.signal.aborted;
  }
}
