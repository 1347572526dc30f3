import type { Database, Queries } from "./database";

/** Told about every change of tenants' rows that goes through `TenantScope`; see {@link observeChanges}. */
export interface ChangeObserver {
  /** In the transaction of the change, as its last statement. */
  changing(transaction: Queries, companyId: string, tables: ReadonlySet<string>): Promise<void>;
  /** After the commit and before whoever made the change hears of it; never rejects. Also when a commit's outcome is unknown. */
  changed(companyId: string, tables: ReadonlySet<string>): Promise<void>;
}

const observers = new WeakMap<Database, ChangeObserver>();

/** One observer a database; a later one takes the place of the one before. */
export function observeChanges(database: Database, observer: ChangeObserver): void {
  observers.set(database, observer);
}

export function observerOf(database: Database): ChangeObserver | undefined {
  return observers.get(database);
}
