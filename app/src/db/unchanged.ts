import type { LRUCache } from "lru-cache";
import { latest } from "../bounded";
import type { Database } from "./database";

/**
 * Remembers what was read for as long as nothing at all was committed to the database, by whichever process: exact, and much cheaper than
 * reading again. Where a database cannot tell (`changeMark`), it remembers nothing.
 */
export class UnchangedMemo<Value extends object> {
  readonly #database: Database;
  readonly #values: LRUCache<string, { readonly mark: number; readonly value: Value }>;

  /** @param max most values kept; the one not asked for the longest goes first. */
  constructor(database: Database, max: number) {
    this.#database = database;
    this.#values = latest(max);
  }

  /** What `read` gave for the key, if that still holds. */
  get(key: string): Value | undefined {
    const known = this.#values.get(key);
    if (known === undefined) return undefined;
    return known.mark === this.#database.changeMark?.() ? known.value : undefined;
  }

  /** Reads, and remembers the result if nothing was committed meanwhile. `undefined` is not remembered. */
  async read(key: string, read: () => Promise<Value | undefined>): Promise<Value | undefined> {
    const mark = this.#database.changeMark?.();
    const value = await read();
    if (value !== undefined && mark !== undefined && mark === this.#database.changeMark?.()) this.#values.set(key, { mark, value });
    return value;
  }
}
