import { CONVERSATION_LIST, MESSAGE_LIST } from "../../../app/src/chat/chat";
import type { SqlValue } from "../../../app/src/db/database";
import { conversations, exams, filings, messages, patients, products, taxComputations } from "../../../app/src/db/domain-tables";
import { orders, users, type TableDefinition } from "../../../app/src/db/tables";
import type { TenantScope } from "../../../app/src/db/tenant";
import { documents } from "../../../app/src/documents/tables";
import { DOCUMENT_LIST } from "../../../app/src/documents/documents";
import { EXAM_LIST } from "../../../app/src/exams/exams";
import { FILING_LIST } from "../../../app/src/filings/filings";
import type { ListDefinition } from "../../../app/src/http/pagination";
import { JOB_LIST } from "../../../app/src/jobs/company-job";
import { companyJobs } from "../../../app/src/jobs/tables";
import { ORDER_LIST } from "../../../app/src/orders/orders";
import { PATIENT_LIST } from "../../../app/src/patients/patients";
import { PRODUCT_LIST } from "../../../app/src/products/products";
import { TAX_COMPUTATION_LIST } from "../../../app/src/tax/computations";
import { USER_LIST } from "../../../app/src/users/users";

interface AnyRow {
  readonly id: string;
}

interface ListOfTable {
  readonly definition: TableDefinition<AnyRow>;
  readonly list: ListDefinition<Record<string, unknown>>;
}

function of<Row extends AnyRow>(definition: TableDefinition<Row>, list: ListDefinition<Row>): ListOfTable {
  return { definition: definition, list: list };
}

/** Every list of the API with its table. */
export const LISTS: readonly ListOfTable[] = [
  of(users, USER_LIST),
  of(orders, ORDER_LIST),
  of(products, PRODUCT_LIST),
  of(patients, PATIENT_LIST),
  of(exams, EXAM_LIST),
  of(taxComputations, TAX_COMPUTATION_LIST),
  of(filings, FILING_LIST),
  of(conversations, CONVERSATION_LIST),
  of(messages, MESSAGE_LIST),
  of(documents, DOCUMENT_LIST),
  of(companyJobs, JOB_LIST),
];

export interface ListStatement {
  readonly table: string;
  /** Columns with a fixed value, beside the company's. */
  readonly fixed: number;
  readonly sql: string;
  readonly values: readonly SqlValue[];
}

/** Each statement that a list can send: every combination of filters × sort × direction, by offset and by cursor, and the count. */
export function listStatements(scope: TenantScope, sample: Readonly<Record<string, SqlValue>> = {}): ListStatement[] {
  return LISTS.flatMap(({ definition, list }) => {
    const table = scope.table(definition);
    const within = Object.fromEntries((list.within ?? []).map((name) => [name, sample[name] ?? "x"]));
    const filters = Object.entries(list.filters).map(([name, values]) => [name, values === "id" ? "x" : (values?.[0] ?? "x")] as const);
    return subsets(filters).flatMap((subset) => {
      const where = { ...within, ...Object.fromEntries(subset) } as unknown as Partial<AnyRow>;
      const fixed = Object.keys(where).length;
      const counted = { table: definition.table, fixed, ...table.countStatement(where, 10) };
      const pages = list.sorts.flatMap((sort) =>
        [false, true].flatMap((descending) =>
          [undefined, { value: isNumeric(sort) ? 1 : "2026-11-21T00:00:00.000Z", id: "x" }].map((after) => ({
            table: definition.table,
            fixed,
            ...table.pageStatement({ where, sort: sort as "id", descending, limit: 10, ...(after !== undefined && { after }) }),
          })),
        ),
      );
      return [counted, ...pages];
    });
  });
}

function isNumeric(property: string): boolean {
  return /Cents$|^position$|Bytes$/.test(property);
}

function subsets<Item>(items: readonly Item[]): Item[][] {
  return items.reduce<Item[][]>((all, item) => [...all, ...all.map((subset) => [...subset, item])], [[]]);
}
