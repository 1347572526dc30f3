import type { Database } from "../db/database";

/**
 * Work that one process of all instances does at a time. The time is the database's: the clock of an instance may be wrong by hours.
 */
export class Lease {
  readonly #database: Database;
  readonly #name: string;
  readonly #owner: string;
  readonly #ttlMs: number;
  readonly #acquire: string;
  #heldUntil = 0;

  /**
   * @param owner names this process; never two at once the same.
   * @param ttlMs how long it holds without being renewed, milliseconds.
   */
  constructor(database: Database, name: string, owner: string, ttlMs: number) {
    this.#database = database;
    this.#name = name;
    this.#owner = owner;
    this.#ttlMs = ttlMs;
    const [now, later] = database.kind === "sqlite" ? sqliteTimes(ttlMs) : postgresTimes(ttlMs);
    this.#acquire = `INSERT INTO leases (name, owner, expires_at) VALUES (?, ?, ${later})
      ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at
      WHERE leases.owner = excluded.owner OR leases.expires_at <= ${now}`;
  }

  /** Milliseconds that are certainly left; 0 when it is not held. */
  get leftMs(): number {
    return Math.max(0, this.#heldUntil - performance.now());
  }

  /** Takes or renews it; `false` while another process has it. */
  async acquire(): Promise<boolean> {
    // Counted from before the question: the answer may have been slow.
    const askedAt = performance.now();
    const held = (await this.#database.run(this.#acquire, [this.#name, this.#owner])) === 1;
    this.#heldUntil = held ? askedAt + this.#ttlMs : 0;
    return held;
  }

  /** Lets the next one have it at once. */
  async release(): Promise<void> {
    if (this.leftMs === 0) return;
    this.#heldUntil = 0;
    await this.#database.run("DELETE FROM leases WHERE name = ? AND owner = ?", [this.#name, this.#owner]);
  }
}

function sqliteTimes(ttlMs: number): [now: string, later: string] {
  const format = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now'";
  return [`${format})`, `${format}, '+${(ttlMs / 1000).toFixed(3)} seconds')`];
}

function postgresTimes(ttlMs: number): [now: string, later: string] {
  const text = (time: string): string => `to_char((${time}) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
  return [text("clock_timestamp()"), text(`clock_timestamp() + interval '${ttlMs} milliseconds'`)];
}
