import type { Queries, SqlValue, TenantDatabase, Transaction, TransactionOptions, WriteMark } from "../database";
import { markOnShard, onShard, UNSEEN } from "../write-mark";
import { type Directory, FIRST_SHARD, type Shard } from "./directory";
import { companyLock, CompanyMovedError, confirmPlace } from "./fence";

/** A company that moves from one database to the next while it is looked for has to do so this many times to be missed. */
const MOST_ATTEMPTS = 4;

/** Where the rows of one company are, wherever that is: asked of the directory each time. */
export class CompanyDatabase implements TenantDatabase {
  readonly maxLagMs?: number;
  readonly #directory: Directory;
  readonly #companyId: string;

  constructor(directory: Directory, companyId: string, maxLagMs: number | undefined) {
    this.#directory = directory;
    this.#companyId = companyId;
    if (maxLagMs !== undefined) this.maxLagMs = maxLagMs;
  }

  async all<Row extends object>(sql: string, parameters?: readonly SqlValue[]): Promise<Row[]> {
    return (await this.#shard()).database.all<Row>(sql, parameters);
  }

  async get<Row extends object>(sql: string, parameters?: readonly SqlValue[]): Promise<Row | undefined> {
    return (await this.#shard()).database.get<Row>(sql, parameters);
  }

  run(sql: string, parameters?: readonly SqlValue[]): Promise<number> {
    return this.transaction((inside) => inside.run(sql, parameters));
  }

  /** Always under the company's lock, which is what a move takes to be alone. */
  async transaction<Result>(work: (transaction: Transaction) => Promise<Result>, options?: TransactionOptions): Promise<Result> {
    const guarded = { ...options, lock: companyLock(this.#companyId) };
    for (let attempt = 1; ; attempt += 1) {
      const shard = await this.#shard();
      try {
        return await shard.database.transaction(async (inside) => {
          await confirmPlace(this.#directory, shard, this.#companyId, inside);
          return work(inside);
        }, guarded);
      } catch (error) {
        if (!(error instanceof CompanyMovedError) || attempt >= MOST_ATTEMPTS) throw error;
        this.#directory.forget(this.#companyId);
      }
    }
  }

  reader(afterWrite?: WriteMark): Queries {
    return new CompanyReader(() => this.#readFrom(afterWrite));
  }

  /** {@link UNSEEN} where this process does not know where the company is: then it has not written there. */
  writeMark(): WriteMark | undefined {
    const shard = this.#directory.remembered(this.#companyId);
    if (shard === undefined) return this.maxLagMs === undefined ? undefined : UNSEEN;
    const mark = shard.database.writeMark();
    return mark === undefined || shard.name === FIRST_SHARD ? mark : onShard(shard.name, mark);
  }

  async #readFrom(afterWrite: WriteMark | undefined): Promise<Queries> {
    const shard = await this.#shard();
    const { name, database } = shard;
    // A replica may not have the rows yet of a company that has just arrived, which is worse than rows that are a little old.
    if (!this.#directory.isSettled(this.#companyId, shard)) return database;
    if (afterWrite === undefined) return database.reader();
    return database.reader(markOnShard(name === FIRST_SHARD ? undefined : name, afterWrite));
  }

  #shard(): Promise<Shard> {
    return this.#directory.find(this.#companyId);
  }
}

/** What is chosen with the first statement, for as long as this is used. */
class CompanyReader implements Queries {
  readonly #choose: () => Promise<Queries>;
  #chosen: Promise<Queries> | undefined;

  constructor(choose: () => Promise<Queries>) {
    this.#choose = choose;
  }

  async all<Row extends object>(sql: string, parameters?: readonly SqlValue[]): Promise<Row[]> {
    return (await this.#reader()).all<Row>(sql, parameters);
  }

  async get<Row extends object>(sql: string, parameters?: readonly SqlValue[]): Promise<Row | undefined> {
    return (await this.#reader()).get<Row>(sql, parameters);
  }

  async run(sql: string, parameters?: readonly SqlValue[]): Promise<number> {
    return (await this.#reader()).run(sql, parameters);
  }

  #reader(): Promise<Queries> {
    return (this.#chosen ??= this.#choose());
  }
}
