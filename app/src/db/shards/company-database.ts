import type { Queries, SqlValue, TenantDatabase, Transaction, TransactionOptions, WriteMark } from "../database";
import { markOnShard, onShard, UNSEEN } from "../write-mark";
import type { Directory, Shard } from "./directory";
import { FIRST_SHARD } from "./directory";

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

  async run(sql: string, parameters?: readonly SqlValue[]): Promise<number> {
    return (await this.#shard()).database.run(sql, parameters);
  }

  async transaction<Result>(work: (transaction: Transaction) => Promise<Result>, options?: TransactionOptions): Promise<Result> {
    return (await this.#shard()).database.transaction(work, options);
  }

  reader(afterWrite?: WriteMark): Queries {
    return new CompanyReader(() => this.#shard(), afterWrite);
  }

  /** {@link UNSEEN} where this process does not know where the company is: then it has not written there. */
  writeMark(): WriteMark | undefined {
    const shard = this.#directory.remembered(this.#companyId);
    if (shard === undefined) return this.maxLagMs === undefined ? undefined : UNSEEN;
    const mark = shard.database.writeMark();
    return mark === undefined || shard.name === FIRST_SHARD ? mark : onShard(shard.name, mark);
  }

  #shard(): Promise<Shard> {
    return this.#directory.find(this.#companyId);
  }
}

/** A replica of the company's database, the same one for as long as this is used. */
class CompanyReader implements Queries {
  readonly #find: () => Promise<Shard>;
  readonly #afterWrite: WriteMark | undefined;
  #chosen: Promise<Queries> | undefined;

  constructor(find: () => Promise<Shard>, afterWrite: WriteMark | undefined) {
    this.#find = find;
    this.#afterWrite = afterWrite;
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

  async #choose(): Promise<Queries> {
    const { name, database } = await this.#find();
    if (this.#afterWrite === undefined) return database.reader();
    return database.reader(markOnShard(name === FIRST_SHARD ? undefined : name, this.#afterWrite));
  }
}
