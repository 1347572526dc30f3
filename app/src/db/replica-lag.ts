/** Positions kept. With one look a second and a primary that always writes this reaches back over eight minutes. */
const SAMPLE_LIMIT = 512;

interface Sample {
  readonly at: number;
  readonly position: bigint;
}

/**
 * Where the primary's log stood when, by this process's own clock: tells how far a replica is behind in time. Asking the replica for the
 * time of the last transaction it replayed would depend on two machines' clocks, and would call a replica late whenever nobody writes.
 */
export class PrimaryHistory {
  readonly #samples: Sample[] = [];

  /** @param at milliseconds of a clock that never goes back. */
  record(at: number, position: bigint): void {
    const last = this.#samples.at(-1);
    // After a failover the log can be shorter: what was recorded of the other timeline says nothing about this one.
    if (last !== undefined && position < last.position) this.#samples.length = 0;
    // The first time a position was seen is what counts.
    else if (position === last?.position) return;
    this.#samples.push({ at, position });
    if (this.#samples.length > SAMPLE_LIMIT) this.#samples.shift();
  }

  /** How long ago the primary was first seen beyond `position`, ms: at least that far is the replica behind; 0 when it has everything. */
  lag(position: bigint, now: number): number {
    const passed = this.#samples.find((sample) => sample.position > position);
    return passed === undefined ? 0 : now - passed.at;
  }
}
