import { observerOf } from "./changes";
import { CommitUnknownError, type Database, type Queries, type TenantDatabase, type TransactionOptions } from "./database";
import type { DomainEvent, NewEvent } from "../events/event";
import { recordEvent, sinkOf } from "../events/outbox";
import { doOnce, type OnceKey } from "./once";
import { companyLock } from "./shards/fence";
import { homeOf } from "./shards/reach";
import type { TableDefinition } from "./tables";
import { TenantTable, type Write } from "./tenant-table";

export type { Group, GroupQuery, PageQuery } from "./tenant-queries";
export { TenantTable } from "./tenant-table";

/**
 * Everything one company may see. The only way from a request to tenants' tables: each statement is built here and carries the
 * company's id, so no caller can forget it, and none can name another company's rows.
 */
export class TenantScope {
  readonly #queries: Queries;
  readonly #database: Database;
  /** Where the company's rows are. */
  readonly #home: TenantDatabase;
  readonly #published: DomainEvent[] | undefined;
  readonly #changed: Set<string> | undefined;
  /** Answers reads in place of the database. */
  #reader: Queries | undefined;
  #once: OnceKey | undefined;
  #isRepeated = false;

  /**
   * @param published collects the events of a transaction; only {@link transaction} knows when they have happened.
   * @param changed collects the tables it writes to, likewise.
   */
  constructor(
    database: Database,
    readonly companyId: string,
    queries?: Queries,
    published?: DomainEvent[],
    changed?: Set<string>,
  ) {
    if (companyId === "") throw new Error("A tenant scope needs a company id.");
    this.#database = database;
    this.#home = homeOf(database, companyId);
    this.#queries = queries ?? this.#home;
    this.#published = published;
    this.#changed = changed;
  }

  /** A scope whose reads outside of transactions go to `reader`, which {@link TenantDatabase.reader} gave, and its writes to the database. */
  static reading(database: Database, companyId: string, reader: Queries): TenantScope {
    const scope = new TenantScope(database, companyId);
    scope.#reader = reader;
    return scope;
  }

  /**
   * The same scope for one request that has a key: its next transaction is done once, however often requests with this key are sent, and
   * resolves with what it resolved with the first time. That also settles what became of a commit whose answer was lost.
   */
  once(key: OnceKey): TenantScope {
    const scope = new TenantScope(this.#database, this.companyId);
    scope.#once = key;
    return scope;
  }

  /** Whether the transaction of {@link once} had been done before. */
  get isRepeated(): boolean {
    return this.#isRepeated;
  }

  table<Row extends { readonly id: string }>(definition: TableDefinition<Row>): TenantTable<Row> {
    return new TenantTable(this.#reader ?? this.#queries, this.companyId, definition, this.#write);
  }

  readonly #write: Write = async (table, work) => {
    const observer = observerOf(this.#database);
    if (observer === undefined) return work(this.#queries);
    if (this.#changed !== undefined) {
      this.#changed.add(table);
      return work(this.#queries);
    }
    // On its own: the change and what the observer keeps about it are one transaction.
    if (this.#queries === this.#home) return this.transaction((inside) => inside.#write(table, work));
    // Inside a transaction that somebody else opened, whose commit is not known here.
    const result = await work(this.#queries);
    await observer.changing(this.#queries, this.companyId, new Set([table]));
    return result;
  };

  /**
   * The same scope inside one write transaction; see {@link Database.transaction}. Transactions of one company wait for each other, so
   * that what was counted or read still holds when it is written; those of other companies do not.
   * @throws KeyReusedError when the key of {@link once} belongs to another request.
   */
  async transaction<Result>(
    work: (scope: TenantScope) => Promise<Result>,
    options: Omit<TransactionOptions, "lock"> = {},
  ): Promise<Result> {
    const once = this.#once;
    this.#once = undefined;
    const published: DomainEvent[] = [];
    // Work may be run again. What an earlier run changed may have been committed all the same, so it is never taken out.
    const changed = new Set<string>();
    let hasRun = false;
    const observer = observerOf(this.#database);
    const result = await this.#home
      .transaction(
        async (transaction) => {
          const earlier = published.splice(0);
          const inside = new TenantScope(this.#database, this.companyId, transaction, published, changed);
          const run = (): Promise<Result> => {
            hasRun = true;
            return work(inside);
          };
          const { result: done, isRepeated } =
            once === undefined ? { result: await run(), isRepeated: false } : await doOnce(transaction, this.companyId, once, run);
          // If it was in this very call, the run before was committed, and what it published has happened.
          if (isRepeated) published.push(...earlier);
          this.#isRepeated = isRepeated && !hasRun;
          if (changed.size > 0) await observer?.changing(transaction, this.companyId, changed);
          return done;
        },
        { ...options, ...(once !== undefined && { idempotent: true }), lock: companyLock(this.companyId) },
      )
      .catch(async (error: unknown) => {
        if (error instanceof CommitUnknownError) await observer?.changed(this.companyId, changed);
        throw error;
      });
    if (changed.size > 0) await observer?.changed(this.companyId, changed);
    for (const event of published) sinkOf(this.#database)?.committed(event);
    return result;
  }

  /** See {@link file://../events/outbox.ts publish}. @throws Error outside of a transaction of this company. */
  async publish(event: NewEvent): Promise<void> {
    if (this.#published === undefined) throw new Error("An event can only be published inside the transaction of its change.");
    const sink = sinkOf(this.#database);
    if (sink !== undefined) this.#published.push(await recordEvent(sink, this.#queries, this.companyId, event));
  }
}
