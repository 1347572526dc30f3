import type { Shard } from "./directory";

/** For how long after a look it is believed that no company has begun to move, ms. A move waits longer than this before it goes on. */
export const WATCH_LEASE_MS = 3000;

/** Time between two looks, ms. */
const LOOK_EVERY_MS = 1000;

const MOVING = "SELECT company_id AS \"companyId\" FROM shard_fences WHERE state <> 'left'";

/**
 * Knows which companies are moving from or to one database, so that a process may go by the places it remembers for all others without
 * asking anybody. When it could not look for a while, it knows nothing.
 */
export class ShardWatch {
  readonly #shard: Shard;
  readonly #moved: (companyId: string | undefined) => void;
  #moving: ReadonlySet<string> = new Set();
  #validUntil = -Infinity;
  #looking: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param moved told of every company whose place may be another one now; `undefined`: of any. */
  constructor(shard: Shard, moved: (companyId: string | undefined) => void) {
    this.#shard = shard;
    this.#moved = moved;
  }

  /** Looks now, and then every second. Never rejects. */
  start(): Promise<void> {
    this.#timer ??= setInterval(() => void this.look(), LOOK_EVERY_MS).unref();
    return this.look();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Whether a company that was here is here for certain. */
  isSettled(companyId: string): boolean {
    return performance.now() < this.#validUntil && !this.#moving.has(companyId);
  }

  look(): Promise<void> {
    return (this.#looking ??= this.#look().finally(() => (this.#looking = undefined)));
  }

  async #look(): Promise<void> {
    const asked = performance.now();
    let rows: readonly { companyId: string }[];
    try {
      rows = await this.#shard.database.all<{ companyId: string }>(MOVING);
    } catch {
      // A database that is away is told of by the requests for it; what was known runs out.
      return;
    }
    const moving = new Set(rows.map(({ companyId }) => companyId));
    // Whatever moved meanwhile, this process did not see it.
    if (asked > this.#validUntil) this.#moved(undefined);
    for (const companyId of this.#moving) if (!moving.has(companyId)) this.#moved(companyId);
    this.#moving = moving;
    this.#validUntil = asked + WATCH_LEASE_MS;
  }
}
