import { HttpProblem } from "../http/problem";
import type { TableDefinition } from "./tables";
import type { TenantScope } from "./tenant";

/** A row that several people may edit: its version grows by one with every change. */
export interface VersionedRow {
  readonly id: string;
  readonly version: number;
  readonly updatedAt: string;
}

/** Some properties of a row; those that are absent or `undefined` stay as they are. */
export type Changes<Row> = { readonly [Property in keyof Row]?: Row[Property] | undefined };

/**
 * Changes one row within a transaction that is already open: reads it, lets `decide` work out the changes, and writes them only
 * if the row is still what was read.
 *
 * @param what the row's name in refusals, such as `patient`.
 * @param expected version the caller has seen (`If-Match`); `undefined` changes whatever is there.
 * @throws HttpProblem not-found; precondition-failed when `expected` is not the version; conflict when another change was faster.
 */
export async function changeVersioned<Row extends VersionedRow>(
  inside: TenantScope,
  definition: TableDefinition<Row>,
  what: string,
  id: string,
  expected: number | undefined,
  decide: (row: Row) => Changes<NoInfer<Row>> | Promise<Changes<NoInfer<Row>>>,
): Promise<Row> {
  const table = inside.table(definition);
  const row = await table.find(id);
  if (row === undefined) throw new HttpProblem("not-found", `There is no such ${what}.`);
  requireVersion(row, what, expected);
  // The version is the last one: no decision of a caller may set it.
  const changes = { ...(await decide(row)), version: row.version + 1, updatedAt: new Date().toISOString() } as unknown as Partial<Row>;
  if (!(await table.update(id, changes, { version: row.version } as Partial<Row>))) {
    throw new HttpProblem("conflict", `The ${what} was changed by someone else at the same moment; read it again and repeat.`);
  }
  return { ...row, ...definedOnly(changes) };
}

/** The time of a change of a row without a version: later than the change before, so that no two look alike; ISO 8601. */
export function changeTime({ updatedAt }: Pick<VersionedRow, "updatedAt">): string {
  return new Date(Math.max(Date.now(), Date.parse(updatedAt) + 1)).toISOString();
}

/** @throws HttpProblem when the caller has seen another version. */
export function requireVersion(row: VersionedRow, what: string, expected: number | undefined): void {
  if (expected === undefined || expected === row.version) return;
  throw new HttpProblem(
    "precondition-failed",
    `The ${what} has been changed: it is at version ${row.version}, not ${expected}; read it again.`,
    {
      errors: [{ field: "If-Match", value: String(expected), allowed: `"${row.version}", the ETag of the current version` }],
    },
  );
}

function definedOnly<Row>(changes: Partial<Row>): Partial<Row> {
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined)) as Partial<Row>;
}
