import { createHash } from "node:crypto";
import type { LRUCache } from "lru-cache";
import { latest } from "../../bounded";
import { type Database, DatabaseUnavailableError } from "../database";

/** What the first database is called: the one with the directory, and with the companies that are not in it. */
export const FIRST_SHARD = "first";

/** One of several databases. */
export interface Shard {
  readonly name: string;
  readonly database: Database;
}

/** Companies whose place a process remembers; about 150 bytes each. */
const MOST_REMEMBERED = 50_000;

const PLACE = "SELECT shard FROM company_shards WHERE company_id = ?";
const PUT = "INSERT INTO company_shards (company_id, shard) VALUES (?, ?) ON CONFLICT (company_id) DO NOTHING";
const ALL = 'SELECT company_id AS "companyId", shard FROM company_shards LIMIT ?';

/** Which company is in which database: kept in the first one, and remembered by each process. */
export class Directory {
  readonly shards: readonly Shard[];
  readonly #first: Shard;
  readonly #forNew: readonly Shard[];
  readonly #places: LRUCache<string, Shard> = latest(MOST_REMEMBERED);

  /**
   * @param shards the first one has the directory.
   * @param forNew names of those that new companies are placed in; @default all
   */
  constructor(shards: readonly [Shard, ...Shard[]], forNew: readonly string[] = shards.map(({ name }) => name)) {
    this.shards = shards;
    this.#first = shards[0];
    this.#forNew = shards.filter(({ name }) => forNew.includes(name));
  }

  /** Learns the places there are, so that those elsewhere are found while the first database is away. */
  async load(): Promise<void> {
    const rows = await this.#first.database.all<{ companyId: string; shard: string }>(ALL, [MOST_REMEMBERED]);
    for (const { companyId, shard } of rows) {
      const known = this.#named(shard);
      if (known !== undefined) this.#places.set(companyId, known);
    }
  }

  /** What this process remembers. */
  remembered(companyId: string): Shard | undefined {
    return this.#places.get(companyId);
  }

  /** @throws DatabaseUnavailableError when it is in one that DATABASE_SHARDS does not name; what the first database says otherwise. */
  async find(companyId: string): Promise<Shard> {
    const known = this.#places.get(companyId);
    if (known !== undefined) return known;
    const name = (await this.#first.database.get<{ shard: string }>(PLACE, [companyId]))?.shard ?? FIRST_SHARD;
    const shard = this.#named(name);
    if (shard === undefined) {
      throw new DatabaseUnavailableError(`a company is in "${name}", which DATABASE_SHARDS does not name`, undefined);
    }
    this.#places.set(companyId, shard);
    return shard;
  }

  /** Gives a new company its place; one that has a place keeps it. To be done before anybody asks for it. */
  async place(companyId: string): Promise<void> {
    await this.#first.database.run(PUT, [companyId, this.#chosen(companyId).name]);
  }

  /** By a hash of the id, so that each database gets as many. Written down, so that the number of databases may change. */
  #chosen(companyId: string): Shard {
    const hash = createHash("sha256").update(companyId).digest().readUInt32BE(0);
    return this.#forNew[hash % this.#forNew.length] ?? this.#first;
  }

  #named(name: string): Shard | undefined {
    return this.shards.find((shard) => shard.name === name);
  }
}
