import { quotaStatus, type QuotaStatus } from "../billing/quotas";
import { exams, filings, type ExamRow, type FilingState } from "../db/domain-tables";
import { orders, type OrderRow, type OrderStatus } from "../db/tables";
import type { TenantScope } from "../db/tenant";

/** Days that the sums of orders and filings look back. */
export const DASHBOARD_DAYS = 30;

/** Rows each sum looks at, at most; `complete` says whether those were all. */
export const DASHBOARD_CAP = 10_000;

/** Tables it is made from: a write to one of them makes a cached dashboard invalid. */
export const DASHBOARD_TABLES: readonly string[] = ["companies", "quota_usage", "orders", "filings", "exams"];

const SHOWN_ROWS = 5;
const DAY_MS = 86_400_000;

export interface Dashboard {
  readonly generatedAt: string;
  readonly days: number;
  readonly plan: QuotaStatus["plan"];
  /** Rows of each resource; users only while they are active. */
  readonly totals: Readonly<Record<keyof QuotaStatus["resources"], number>>;
  readonly orders: {
    readonly byStatus: readonly {
      readonly status: OrderStatus;
      readonly currency: string;
      readonly count: number;
      readonly totalCents: number;
    }[];
    readonly complete: boolean;
    readonly latest: readonly Pick<OrderRow, "id" | "number" | "customerName" | "status" | "totalCents" | "currency" | "createdAt">[];
  };
  readonly filings: {
    readonly byStatus: readonly { readonly status: FilingState; readonly count: number }[];
    readonly complete: boolean;
  };
  readonly exams: { readonly next: readonly Pick<ExamRow, "id" | "patientId" | "kind" | "scheduledAt">[] };
}

/** What a company has been doing: six queries, each over a bounded number of rows, however large the company. */
export async function loadDashboard(scope: TenantScope, now = Date.now()): Promise<Dashboard> {
  const since = { property: "createdAt", value: new Date(now - DASHBOARD_DAYS * DAY_MS).toISOString() } as const;
  const [quotas, orderGroups, filingGroups, latest, next] = await Promise.all([
    quotaStatus(scope),
    scope.table(orders).groups({ by: ["status", "currency"], sum: "totalCents", since, cap: DASHBOARD_CAP }),
    scope.table(filings).groups({ by: ["status"], since, cap: DASHBOARD_CAP }),
    scope.table(orders).page({ sort: "createdAt", descending: true, limit: SHOWN_ROWS }),
    scope.table(exams).page({
      where: { status: "scheduled" },
      sort: "scheduledAt",
      descending: false,
      limit: SHOWN_ROWS,
      // Every id is larger than the empty one, so this is "from now on".
      after: { value: new Date(now).toISOString(), id: "" },
    }),
  ]);
  return {
    generatedAt: new Date(now).toISOString(),
    days: DASHBOARD_DAYS,
    plan: quotas.plan,
    totals: Object.fromEntries(Object.entries(quotas.resources).map(([name, { used }]) => [name, used])) as Dashboard["totals"],
    orders: {
      byStatus: inOrder(orderGroups).map(({ status, currency, count, sum }) => ({ status, currency, count, totalCents: sum })),
      complete: countOf(orderGroups) < DASHBOARD_CAP,
      latest: latest.map(({ id, number, customerName, status, totalCents, currency, createdAt }) => ({
        id,
        number,
        customerName,
        status,
        totalCents,
        currency,
        createdAt,
      })),
    },
    filings: {
      byStatus: inOrder(filingGroups).map(({ status, count }) => ({ status, count })),
      complete: countOf(filingGroups) < DASHBOARD_CAP,
    },
    exams: { next: next.map(({ id, patientId, kind, scheduledAt }) => ({ id, patientId, kind, scheduledAt })) },
  };
}

/** Databases return groups in any order. */
function inOrder<Group extends object>(groups: readonly Group[]): Group[] {
  const key = (group: Group): string => JSON.stringify(group);
  return groups.toSorted((one, two) => (key(one) < key(two) ? -1 : 1));
}

function countOf(groups: readonly { readonly count: number }[]): number {
  return groups.reduce((sum, { count }) => sum + count, 0);
}
