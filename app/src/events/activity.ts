import type { Queries, SqlValue } from "../db/database";
import type { PageQuery } from "../db/tenant";
import type { ListDefinition } from "../http/pagination";

/** A line of the activity log: what an event told, for people. */
export interface Activity {
  /** Of the event. */
  readonly id: string;
  readonly companyId: string;
  /** Place in the company's stream of events, from 1 without gaps. */
  readonly number: number;
  /** Such as `order.created`; a newer version may have written one that this one does not know. */
  readonly type: string;
  readonly summary: string;
  /** ISO 8601. */
  readonly occurredAt: string;
}

/** By time alone, and of one company alone: both have their index. */
export const ACTIVITY_LIST: ListDefinition<Activity> = {
  size: "medium",
  sorts: ["occurredAt"],
  defaultSort: "-occurredAt",
  filters: { companyId: "id" },
};

/**
 * The activity log of all companies, as the consumer of events writes it (`effects.ts`): empty where there is no Kafka, and kept for
 * 90 days. For operators: a tenant's own scope does not lead here.
 */
export class ActivityLog {
  readonly #queries: Queries;

  constructor(queries: Queries) {
    this.#queries = queries;
  }

  page(query: PageQuery<Activity>): Promise<Activity[]> {
    const { sql, values } = this.pageStatement(query);
    return this.#queries.all<Activity>(sql, values);
  }

  /** The statement behind {@link page}, so that a test can look at its plan. */
  pageStatement({ where = {}, descending, limit, offset = 0, after }: PageQuery<Activity>): {
    readonly sql: string;
    readonly values: readonly SqlValue[];
  } {
    const filter = companyFilter(where);
    const conditions = [...filter.conditions];
    const values = [...filter.values];
    const direction = descending ? "DESC" : "ASC";
    if (after !== undefined) {
      conditions.push(`(occurred_at, id) ${descending ? "<" : ">"} (?, ?)`);
      values.push(after.value, after.id);
    }
    const sql = `SELECT id AS "id", company_id AS "companyId", number AS "number", type AS "type", summary AS "summary",
      occurred_at AS "occurredAt" FROM company_activity ${whereClause(conditions)}
      ORDER BY occurred_at ${direction}, id ${direction} LIMIT ? OFFSET ?`;
    return { sql, values: [...values, limit, offset] };
  }

  /** Counted no further than `cap`. */
  async count(where: Partial<Activity>, cap: number): Promise<number> {
    const { conditions, values } = companyFilter(where);
    const sql = `SELECT count(*) AS count FROM (SELECT 1 FROM company_activity ${whereClause(conditions)} LIMIT ?) AS counted`;
    return (await this.#queries.get<{ count: number }>(sql, [...values, cap]))?.count ?? 0;
  }
}

function companyFilter({ companyId }: Partial<Activity>): { readonly conditions: string[]; readonly values: SqlValue[] } {
  return companyId === undefined ? { conditions: [], values: [] } : { conditions: ["company_id = ?"], values: [companyId] };
}

const whereClause = (conditions: readonly string[]): string => (conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`);
