import { createHash, randomBytes } from "node:crypto";
import type { Database, Queries, SqlValue } from "../db/database";
import { homeOf } from "../db/shards/reach";
import { UnchangedMemo } from "../db/unchanged";
import type { Logger } from "../observability/logger";
import type { RedisConnection } from "../redis/client";
import { RedisUnavailableError } from "../redis/errors";
import type { RedisFence } from "./fence";

/** Everything of a company. */
export const WHOLE_COMPANY = "*";

/**
 * Tags such as `user:123` share this many generations, so that a company has a bounded number of them. Two tags in one bucket are
 * invalidated together, which costs a reload and nothing else.
 */
const TAG_BUCKETS = 16;

/** Companies whose generations are remembered while the database does not change. */
const MOST_REMEMBERED = 2000;

/** Rows of one company: its tables and namespaces, which are constants of the program, and the buckets. */
const MOST_NAMES = 200;

/** Generations in Redis that nobody asks for go after this; ms. Losing them makes entries old, never wrong. */
const REDIS_LIFETIME_MS = 86_400_000;

const RANDOM_BYTES = 9;

/** Under which name the generation of a table, a namespace or a tag is kept. Tags have a colon. */
export function generationName(dependency: string): string {
  if (!dependency.includes(":")) return dependency;
  return `#${createHash("sha256").update(dependency).digest().readUInt8(0) % TAG_BUCKETS}`;
}

/** Never the same twice: a generation that was lost and made anew does not equal the lost one. */
export function newGeneration(): string {
  return randomBytes(RANDOM_BYTES).toString("base64url");
}

/** The generations of one company at one moment. */
export class GenerationSet {
  readonly #source: string;
  readonly #values: Readonly<Record<string, string>>;

  /** @param source where they come from; generations of different sources are never compared. */
  constructor(source: string, values: Readonly<Record<string, string>>) {
    this.#source = source;
    this.#values = values;
  }

  /** What an entry carries that was made now and depends on these names; equal to a later one only if none of them changed meanwhile. */
  stamp(names: readonly string[]): string {
    let stamp = `${this.#source}|${this.#values[WHOLE_COMPANY] ?? ""}`;
    for (const name of names) stamp += `|${this.#values[name] ?? ""}`;
    return stamp;
  }
}

const READ = "SELECT name, generation FROM cache_generations WHERE company_id = ? LIMIT ?";

/**
 * Generations in the database, changed in the transaction that changes the rows they stand for: what every process of every instance
 * goes by when there is no Redis, or while it is away.
 */
export class DatabaseGenerations {
  readonly #database: Database;
  readonly #memo: UnchangedMemo<GenerationSet>;

  constructor(database: Database) {
    this.#database = database;
    this.#memo = new UnchangedMemo(database, MOST_REMEMBERED);
  }

  async read(companyId: string): Promise<GenerationSet> {
    return this.#memo.get(companyId) ?? ((await this.#memo.read(companyId, () => this.#read(companyId))) as GenerationSet);
  }

  /**
   * Whether `reader` sees every change there has been so far to what these names stand for: generations change in the same transaction
   * as the rows, so whoever shows the primary's generations shows its rows as well. Two queries at once.
   */
  async seenBy(companyId: string, names: readonly string[], reader: Queries): Promise<boolean> {
    const [primary, seen] = await Promise.all([this.#read(companyId), this.#read(companyId, reader)]);
    return primary.stamp(names) === seen.stamp(names);
  }

  async #read(companyId: string, queries: Queries = homeOf(this.#database, companyId)): Promise<GenerationSet> {
    const rows = await queries.all<{ name: string; generation: string }>(READ, [companyId, MOST_NAMES]);
    return new GenerationSet("d", Object.fromEntries(rows.map(({ name, generation }) => [name, generation])));
  }

  /** Gives these names new generations. */
  async change(companyId: string, names: readonly string[], queries: Queries = homeOf(this.#database, companyId)): Promise<void> {
    // Sorted, so that two transactions never wait for each other's rows.
    const values = [...names].sort().flatMap((name): SqlValue[] => [companyId, name, newGeneration()]);
    const rows = names.map(() => "(?, ?, ?)").join(", ");
    await queries.run(
      `INSERT INTO cache_generations (company_id, name, generation) VALUES ${rows} ON CONFLICT (company_id, name) DO UPDATE SET generation = excluded.generation`,
      values,
    );
  }
}

/**
 * The same in Redis, faster to read: changed after the commit and before the change is answered. While Redis cannot be told, its
 * fence is raised, and everyone goes by the database.
 */
export class RedisGenerations {
  readonly #connection: RedisConnection;
  readonly #fence: RedisFence;
  readonly #logger: Logger;

  constructor(connection: RedisConnection, fence: RedisFence, logger: Logger) {
    this.#connection = connection;
    this.#fence = fence;
    this.#logger = logger;
  }

  /** `undefined` while Redis is away or not to be believed. */
  async read(companyId: string): Promise<GenerationSet | undefined> {
    const prefix = this.#fence.prefix();
    if (prefix === undefined) return undefined;
    const key = `${prefix}generations:${companyId}`;
    try {
      let values = await this.#connection.call((redis) => redis.hgetall(key));
      if (values[WHOLE_COMPANY] === undefined) values = await this.#create(key);
      // Asked again: what was read may have been put out of reach while it was on its way.
      return this.#fence.prefix() === prefix ? new GenerationSet(prefix, values) : undefined;
    } catch (error) {
      if (!(error instanceof RedisUnavailableError)) this.#logger.warn({ err: error }, "generations could not be read from Redis");
      return undefined;
    }
  }

  /** Gives these names new generations, or sees to it that nobody goes by the old ones; never rejects. */
  async change(companyId: string, names: readonly string[]): Promise<void> {
    const prefix = this.#fence.prefix();
    try {
      if (prefix === undefined) throw new RedisUnavailableError(this.#connection.name, "not believed now");
      const key = `${prefix}generations:${companyId}`;
      const values = names.flatMap((name) => [name, newGeneration()]);
      await this.#connection.call((redis) =>
        redis
          .pipeline()
          .hset(key, ...values)
          .pexpire(key, REDIS_LIFETIME_MS)
          .exec()
          .then(firstError),
      );
    } catch (error) {
      if (!(error instanceof RedisUnavailableError)) this.#logger.warn({ err: error }, "generations could not be changed in Redis");
      await this.#fence.raise().catch((failure: unknown) => {
        this.#logger.error({ err: failure }, "the epoch of Redis could not be raised; Redis is not used until it is");
      });
    }
  }

  async #create(key: string): Promise<Record<string, string>> {
    return this.#connection.call(async (redis) => {
      const answers = await redis
        .pipeline()
        .hsetnx(key, WHOLE_COMPANY, newGeneration())
        .pexpire(key, REDIS_LIFETIME_MS)
        .hgetall(key)
        .exec()
        .then(firstError);
      return answers[2]?.[1] as Record<string, string>;
    });
  }
}

type Answers = [error: Error | null, result: unknown][];

/** A pipeline resolves also when its commands failed. */
function firstError(answers: Answers | null): Answers {
  const failed = answers?.find(([error]) => error !== null)?.[0];
  if (failed !== undefined && failed !== null) throw failed;
  return answers ?? [];
}
