import path from "node:path";
import {
  type Database,
  type DatabaseFigures,
  DatabaseUnavailableError,
  type Queries,
  type SqlValue,
  type Transaction,
  type TransactionOptions,
} from "../../../app/src/db/database";
import { migrate } from "../../../app/src/db/migrate";
import { ShardedDatabase } from "../../../app/src/db/shards/sharded";
import { SqliteDatabase } from "../../../app/src/db/sqlite";
import { MIGRATIONS } from "../db/support";

/** Tables with rows of companies, children first: only the database of a company may have any of its rows. */
export const COMPANY_TABLES = [
  ...["sessions", "quota_usage", "exams", "patients", "order_items", "orders", "products", "filing_transitions", "filings"],
  ...["tax_computations", "chat_messages", "chat_conversations", "company_jobs", "documents", "document_usage", "idempotency_keys"],
  ...["event_streams", "event_outbox", "cache_generations", "users", "companies"],
] as const;

/** A database that can be away: every statement then fails as one of a server that cannot be reached, or is not answered at all. */
class Interruptible implements Database {
  away = false;
  /** What statements wait for. */
  answering: Promise<void> = Promise.resolve();
  readonly kind: Database["kind"];

  constructor(readonly inner: Database) {
    this.kind = inner.kind;
  }

  async all<Row extends object>(sql: string, parameters?: readonly SqlValue[]): Promise<Row[]> {
    return (await this.#there()).all<Row>(sql, parameters);
  }

  async get<Row extends object>(sql: string, parameters?: readonly SqlValue[]): Promise<Row | undefined> {
    return (await this.#there()).get<Row>(sql, parameters);
  }

  async run(sql: string, parameters?: readonly SqlValue[]): Promise<number> {
    return (await this.#there()).run(sql, parameters);
  }

  async transaction<Result>(work: (transaction: Transaction) => Promise<Result>, options?: TransactionOptions): Promise<Result> {
    return (await this.#there()).transaction(work, options);
  }

  reader(): Queries {
    return this;
  }

  writeMark(): undefined {
    return undefined;
  }

  figures(): DatabaseFigures {
    return this.inner.figures();
  }

  async ping(): Promise<number> {
    return (await this.#there()).ping();
  }

  shrink(): Promise<void> {
    return this.inner.shrink();
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  async #there(): Promise<Database> {
    await this.answering;
    if (this.away) throw new DatabaseUnavailableError("it is away", undefined);
    return this.inner;
  }
}

/** How {@link TestShards} are opened. */
export interface TestShardsOptions {
  /** Of those after the first. @default s2 */
  readonly names?: readonly string[];
  /** Where new companies are placed. @default all of them */
  readonly forNew?: readonly string[];
}

/** Several files of SQLite as several databases. The configuration allows that of Postgres only; what is routed is the same. */
export class TestShards {
  readonly sharded: ShardedDatabase;
  readonly #each: ReadonlyMap<string, Interruptible>;

  private constructor(each: ReadonlyMap<string, Interruptible>, forNew: readonly string[] | undefined) {
    this.#each = each;
    const [first, ...more] = [...each].map(([name, database]) => ({ name, database }));
    if (first === undefined) throw new Error("There is no first database.");
    this.sharded = new ShardedDatabase([first, ...more], forNew);
  }

  /** Each further one in a file of its name. */
  static async open(first: Database, directory: string, { names = ["s2"], forNew }: TestShardsOptions = {}): Promise<TestShards> {
    const each = new Map([["first", new Interruptible(first)]]);
    for (const name of names) {
      const database = await SqliteDatabase.open({ file: path.join(directory, `${name}.db`) });
      await migrate(database, MIGRATIONS);
      each.set(name, new Interruptible(database));
    }
    const shards = new TestShards(each, forNew);
    await shards.sharded.directory.start();
    return shards;
  }

  of(name: string): Database {
    return this.#known(name).inner;
  }

  setAway(name: string, away: boolean): void {
    this.#known(name).away = away;
  }

  /** Nothing is answered from now on, until what this returns is called. */
  hang(name: string): () => void {
    let answer: () => void = () => undefined;
    this.#known(name).answering = new Promise((resolve) => (answer = resolve));
    return answer;
  }

  /** Names of those that have rows of a company. */
  async holdersOf(companyId: string): Promise<string[]> {
    const holders: string[] = [];
    for (const [name, { inner }] of this.#each) {
      let rows = 0;
      for (const table of COMPANY_TABLES) {
        const column = table === "companies" ? "id" : "company_id";
        rows += (await inner.get<{ rows: number }>(`SELECT count(*) AS rows FROM ${table} WHERE ${column} = ?`, [companyId]))?.rows ?? 0;
      }
      if (rows > 0) holders.push(name);
    }
    return holders;
  }

  #known(name: string): Interruptible {
    const known = this.#each.get(name);
    if (known === undefined) throw new Error(`There is no database ${name}.`);
    return known;
  }
}
