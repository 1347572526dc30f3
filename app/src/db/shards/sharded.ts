import type { Database, DatabaseFigures, Queries, SqlValue, TenantDatabase, Transaction, TransactionOptions, WriteMark } from "../database";
import { UNSEEN } from "../write-mark";
import { CompanyDatabase } from "./company-database";
import { Directory, type Shard } from "./directory";
import { claimLogin, companiesOfLogin } from "./logins";

/**
 * Several databases as one (feature A17). What belongs to a company is in one of them and reached by {@link ofCompany}; everything else, the
 * directory among it, is in the first, which is what the other methods are about.
 */
export class ShardedDatabase implements Database {
  readonly kind: Database["kind"];
  readonly maxLagMs?: number;
  readonly shards: readonly Shard[];
  readonly directory: Directory;
  readonly #first: Database;

  /**
   * @param shards the first one has the directory; they are closed with this.
   * @param forNew names of those that new companies are placed in; @default all
   */
  constructor(shards: readonly [Shard, ...Shard[]], forNew?: readonly string[]) {
    this.shards = shards;
    this.directory = new Directory(shards, forNew);
    this.#first = shards[0].database;
    this.kind = this.#first.kind;
    const lags = shards.flatMap(({ database }) => database.maxLagMs ?? []);
    if (lags.length > 0) this.maxLagMs = Math.max(...lags);
  }

  ofCompany(companyId: string): TenantDatabase {
    return new CompanyDatabase(this.directory, companyId, this.maxLagMs);
  }

  knownHome(companyId: string): Database | undefined {
    return this.directory.remembered(companyId)?.database;
  }

  async admitCompany(companyId: string): Promise<void> {
    await this.directory.place(companyId);
  }

  claimLogin(email: string, companyId: string): Promise<boolean> {
    return claimLogin(this, this.#first, email, companyId);
  }

  companiesOfLogin(email: string): Promise<readonly string[]> {
    return companiesOfLogin(this.#first, email);
  }

  all<Row extends object>(sql: string, parameters?: readonly SqlValue[]): Promise<Row[]> {
    return this.#first.all<Row>(sql, parameters);
  }

  get<Row extends object>(sql: string, parameters?: readonly SqlValue[]): Promise<Row | undefined> {
    return this.#first.get<Row>(sql, parameters);
  }

  run(sql: string, parameters?: readonly SqlValue[]): Promise<number> {
    return this.#first.run(sql, parameters);
  }

  transaction<Result>(work: (transaction: Transaction) => Promise<Result>, options?: TransactionOptions): Promise<Result> {
    return this.#first.transaction(work, options);
  }

  reader(afterWrite?: WriteMark): Queries {
    return this.#first.reader(afterWrite);
  }

  /** Of a write whose company is not known here, such as logging in: no replica of any database is known to have seen it. */
  writeMark(): WriteMark | undefined {
    return this.maxLagMs === undefined ? undefined : UNSEEN;
  }

  figures(): DatabaseFigures {
    const each = this.shards.map(({ database }) => database.figures());
    const sum = (value: (figures: DatabaseFigures) => number): number => each.reduce((total, figures) => total + value(figures), 0);
    return {
      pool: each[0]?.pool,
      shardPools: Object.fromEntries(
        this.shards.slice(1).flatMap(({ name }, index) => {
          const pool = each[index + 1]?.pool;
          return pool === undefined ? [] : [[name, pool]];
        }),
      ),
      replicas: each.flatMap(({ replicas }) => replicas),
      fallbacks: {
        behind: sum(({ fallbacks }) => fallbacks.behind),
        unhealthy: sum(({ fallbacks }) => fallbacks.unhealthy),
        failed: sum(({ fallbacks }) => fallbacks.failed),
      },
      retries: sum(({ retries }) => retries),
    };
  }

  ping(): Promise<number> {
    return this.#first.ping();
  }

  async shrink(): Promise<void> {
    await Promise.all(this.shards.map(({ database }) => database.shrink()));
  }

  async close(): Promise<void> {
    this.directory.stop();
    await Promise.all(this.shards.map(({ database }) => database.close()));
  }
}
