import type { Database } from "../db/database";
import { onReachableShards } from "../db/shards/reach";
import type { TenantMetricsStore } from "../observability/tenant-metrics-store";
import { sumRows } from "../observability/tenant-metrics-store";

/** Companies that are shown. */
const MOST_SHOWN = 8;

/** A company with many requests in the running hour. */
export interface BusyCompany {
  readonly id: string;
  /** `null` when it is gone. */
  readonly name: string | null;
  readonly plan: string | null;
  readonly requests: number;
  /** Requests refused by a limit. */
  readonly limited: number;
  readonly serverErrors: number;
  readonly p95Ms: number | null;
}

/** The companies with the most requests in the hour that holds `now`, the busiest first; as old as COMPANY_METRICS_FLUSH_MS allows. */
export async function busiestCompanies(database: Database, store: TenantMetricsStore, now: number): Promise<BusyCompany[]> {
  const rows = await store.busiest("hour", now, MOST_SHOWN);
  if (rows.length === 0) return [];
  const ids = rows.map(({ companyId }) => companyId);
  const sql = `SELECT id AS "id", name AS "name", plan AS "plan" FROM companies WHERE id IN (${ids.map(() => "?").join(", ")})`;
  const known = await onReachableShards(database, (shard) => shard.all<{ id: string; name: string; plan: string }>(sql, ids));
  const companies = new Map(known.flat().map((company) => [company.id, company]));
  return rows.map((row) => {
    const sum = sumRows([row]);
    const company = companies.get(row.companyId);
    const p95 = sum?.digest.quantileMs(0.95) ?? null;
    return {
      id: row.companyId,
      name: company?.name ?? null,
      plan: company?.plan ?? null,
      requests: sum?.requests ?? 0,
      limited: sum?.limited ?? 0,
      serverErrors: sum?.serverErrors ?? 0,
      p95Ms: p95 === null ? null : Math.round(p95),
    };
  });
}
