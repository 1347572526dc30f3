import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { LRUCache } from "lru-cache";
import { latest } from "../../bounded";
import { type Database, DatabaseUnavailableError } from "../database";
import { ShardWatch } from "./watch";

/** What the first database is called: the one with the directory, and with the companies that are not in it. */
export const FIRST_SHARD = "first";

/** One of several databases. */
export interface Shard {
  readonly name: string;
  readonly database: Database;
}

/** Companies whose place a process remembers; about 150 bytes each. */
const MOST_REMEMBERED = 50_000;

/** A start waits so long for a first look at those after the first, ms. */
const FIRST_LOOK_MS = 1000;

const PLACE = "SELECT shard FROM company_shards WHERE company_id = ?";
const PUT = "INSERT INTO company_shards (company_id, shard) VALUES (?, ?) ON CONFLICT (company_id) DO NOTHING";
const ALL = 'SELECT company_id AS "companyId", shard FROM company_shards LIMIT ?';

/** Which company is in which database: kept in the first one, and remembered by each process for as long as the company stays there. */
export class Directory {
  readonly shards: readonly Shard[];
  /** The one with the directory. */
  readonly first: Shard;
  readonly #forNew: readonly Shard[];
  readonly #places: LRUCache<string, Shard> = latest(MOST_REMEMBERED);
  readonly #watches: ReadonlyMap<Shard, ShardWatch>;
  /** Grows with every company that may have another place: an answer from before may be out of date. */
  #moves = 0;

  /**
   * @param shards the first one has the directory.
   * @param forNew names of those that new companies are placed in; @default all
   */
  constructor(shards: readonly [Shard, ...Shard[]], forNew: readonly string[] = shards.map(({ name }) => name)) {
    this.shards = shards;
    this.first = shards[0];
    this.#forNew = shards.filter(({ name }) => forNew.includes(name));
    this.#watches = new Map(shards.map((shard) => [shard, new ShardWatch(shard, (companyId) => this.#left(shard, companyId))]));
  }

  /**
   * Learns the places there are, so that those elsewhere are found while the first database is away, and notices moves from now on. Without
   * this every place is asked for each time. A further database that is away does not keep this waiting for long.
   */
  async start(): Promise<void> {
    const [first, ...further] = [...this.#watches.values()].map((watch) => watch.start());
    await first;
    // With its first look at a database, a process forgets what it knew of it.
    await Promise.race([Promise.all(further), delay(FIRST_LOOK_MS, undefined, { ref: false })]);
    const moves = this.#moves;
    const rows = await this.first.database.all<{ companyId: string; shard: string }>(ALL, [MOST_REMEMBERED]);
    if (moves !== this.#moves) return;
    for (const { companyId, shard } of rows) {
      const known = this.#named(shard);
      if (known !== undefined) this.#places.set(companyId, known);
    }
  }

  stop(): void {
    for (const watch of this.#watches.values()) watch.stop();
  }

  /** What this process found last; it may have moved since. */
  remembered(companyId: string): Shard | undefined {
    return this.#places.get(companyId);
  }

  /**
   * Where the company is. That holds for reading. A write asks again under its lock, see `fence.ts`.
   * @throws DatabaseUnavailableError when it is in one that DATABASE_SHARDS does not name; what the first database says otherwise.
   */
  async find(companyId: string): Promise<Shard> {
    const known = this.#places.get(companyId);
    if (known !== undefined && this.isSettled(companyId, known)) return known;
    const moves = this.#moves;
    const name = (await this.first.database.get<{ shard: string }>(PLACE, [companyId]))?.shard ?? FIRST_SHARD;
    const shard = this.#named(name);
    if (shard === undefined) {
      throw new DatabaseUnavailableError(`a company is in "${name}", which DATABASE_SHARDS does not name`, undefined);
    }
    if (moves === this.#moves) this.#places.set(companyId, shard);
    return shard;
  }

  /** Whether it is certain that the company neither leaves this database nor has just arrived there. */
  isSettled(companyId: string, shard: Shard): boolean {
    return this.#watches.get(shard)?.isSettled(companyId) === true;
  }

  /** The place of a company, or of all, is asked for again. */
  forget(companyId?: string): void {
    this.#moves += 1;
    if (companyId === undefined) this.#places.clear();
    else this.#places.delete(companyId);
  }

  /** The company, or any, may have left this database; those elsewhere have not. */
  #left(shard: Shard, companyId: string | undefined): void {
    this.#moves += 1;
    if (companyId !== undefined) this.#places.delete(companyId);
    else for (const [known, place] of [...this.#places.entries()]) if (place === shard) this.#places.delete(known);
  }

  /** Gives a new company its place; one that has a place keeps it. To be done before anybody asks for it. */
  async place(companyId: string): Promise<void> {
    await this.first.database.run(PUT, [companyId, this.#chosen(companyId).name]);
  }

  /** By a hash of the id, so that each database gets as many. Written down, so that the number of databases may change. */
  #chosen(companyId: string): Shard {
    const hash = createHash("sha256").update(companyId).digest().readUInt32BE(0);
    return this.#forNew[hash % this.#forNew.length] ?? this.first;
  }

  #named(name: string): Shard | undefined {
    return this.shards.find((shard) => shard.name === name);
  }
}
