import { FILING_STATES, filings, filingTransitions, taxComputations } from "../db/domain-tables";
import type { FilingRow, FilingState, FilingTransitionRow } from "../db/domain-tables";
import { createId } from "../db/id";
import type { TenantScope } from "../db/tenant";
import { changeVersioned, type Changes } from "../db/versioned";
import type { ListDefinition } from "../http/pagination";
import { HttpProblem } from "../http/problem";
import { requireNext } from "../http/transitions";
import { TAX_YEARS } from "../tax/schedule";

/** A filing as lists show it: the whole row. */
export type Filing = FilingRow;

/** One change of status. */
export type FilingTransition = Omit<FilingTransitionRow, "id" | "filingId">;

/** A single filing, with how it came to its status, oldest first. */
export interface FilingDetail extends Filing {
  readonly history: readonly FilingTransition[];
}

export const FILING_LIST: ListDefinition<FilingRow> = {
  size: "large",
  sorts: ["createdAt", "dueOn"],
  defaultSort: "dueOn",
  filters: { status: FILING_STATES, taxYear: TAX_YEARS },
};

/** Where a filing may go from each status. A rejected one is corrected as a draft and submitted again. */
export const NEXT_FILING_STATES: Readonly<Record<FilingState, readonly FilingState[]>> = {
  draft: ["submitted", "withdrawn"],
  submitted: ["accepted", "rejected", "withdrawn"],
  rejected: ["draft", "withdrawn"],
  accepted: [],
  withdrawn: [],
};

/** Only admins of the company enter what the authority decided. */
export const DECISIONS: readonly FilingState[] = ["accepted", "rejected"];

/** Latest changes of status that are shown; drafts may go round and round. */
const SHOWN_TRANSITIONS = 100;

export type NewFiling = Pick<FilingRow, "taxpayerName" | "taxYear" | "dueOn" | "computationId">;
export type FilingChanges = Changes<Pick<FilingRow, "taxpayerName" | "dueOn" | "computationId">>;

/** What {@link moveFiling} does, and who does it. */
export interface FilingMove {
  readonly to: FilingState;
  readonly note: string;
  readonly by: string;
}

/** @throws HttpProblem when the company has no such computation, or it is of another year. */
export function createFiling(scope: TenantScope, createdBy: string, filing: NewFiling): Promise<FilingDetail> {
  return scope.transaction(async (inside) => {
    await requireComputation(inside, filing.computationId, filing.taxYear);
    const now = new Date().toISOString();
    const row: FilingRow = { id: createId(), ...filing, status: "draft", version: 1, createdBy, createdAt: now, updatedAt: now };
    await inside.table(filings).insert(row);
    return { ...row, history: [] };
  });
}

/** @throws HttpProblem when the company has no such filing. */
export async function getFiling(scope: TenantScope, id: string): Promise<FilingDetail> {
  const row = await scope.table(filings).find(id);
  if (row === undefined) throw noSuchFiling();
  return withHistory(scope, row);
}

/**
 * Changes a draft; what was submitted stays as it was submitted.
 * @param expected see {@link changeVersioned}, which also says what is thrown.
 * @throws HttpProblem when it is no draft, or the computation does not fit.
 */
export function updateFiling(scope: TenantScope, id: string, expected: number | undefined, changes: FilingChanges): Promise<FilingDetail> {
  return scope.transaction(async (inside) => {
    const after = await changeVersioned(inside, filings, "filing", id, expected, async (filing) => {
      if (filing.status !== "draft") throw new HttpProblem("conflict", `A ${filing.status} filing cannot be changed, only a draft.`);
      await requireComputation(inside, changes.computationId ?? null, filing.taxYear);
      return changes;
    });
    return withHistory(inside, after);
  });
}

/**
 * Moves a filing to another status and records who did it.
 * @throws HttpProblem when it cannot go there, or has no computation to submit.
 */
export function moveFiling(scope: TenantScope, id: string, expected: number | undefined, move: FilingMove): Promise<FilingDetail> {
  return scope.transaction(async (inside) => {
    const after = await changeVersioned(inside, filings, "filing", id, expected, async (filing) => {
      if (filing.status === move.to) throw new HttpProblem("conflict", `The filing is ${move.to} already.`);
      requireNext("filing", NEXT_FILING_STATES, filing.status, move.to);
      if (move.to === "submitted" && filing.computationId === null) {
        throw new HttpProblem("conflict", "A filing without a tax computation cannot be submitted.", {
          errors: [{ field: "computationId", allowed: "the id of a tax computation, set while the filing is a draft" }],
        });
      }
      await inside.table(filingTransitions).insert({
        id: createId(),
        filingId: id,
        from: filing.status,
        to: move.to,
        note: move.note,
        createdBy: move.by,
        createdAt: new Date().toISOString(),
      });
      return { status: move.to };
    });
    return withHistory(inside, after);
  });
}

/** @throws HttpProblem when the company has no such filing, or it is more than a draft. */
export function deleteFiling(scope: TenantScope, id: string): Promise<void> {
  return scope.transaction(async (inside) => {
    const row = await inside.table(filings).find(id);
    if (row === undefined) throw noSuchFiling();
    if (row.status !== "draft") throw new HttpProblem("conflict", `A ${row.status} filing cannot be deleted, only a draft.`);
    await inside.table(filings).delete({ id, status: "draft" });
  });
}

async function withHistory(scope: TenantScope, row: FilingRow): Promise<FilingDetail> {
  const transitions = await scope
    .table(filingTransitions)
    .page({ where: { filingId: row.id }, sort: "createdAt", descending: true, limit: SHOWN_TRANSITIONS });
  const history = transitions.reverse().map(({ from, to, note, createdBy, createdAt }) => ({ from, to, note, createdBy, createdAt }));
  return { ...row, history };
}

async function requireComputation(inside: TenantScope, id: string | null, taxYear: number): Promise<void> {
  if (id === null) return;
  const computation = await inside.table(taxComputations).find(id);
  if (computation?.taxYear === taxYear) return;
  const allowed = `the id of a tax computation of the company for ${taxYear}`;
  throw new HttpProblem("validation", `The request body is not valid: computationId must be ${allowed}.`, {
    errors: [{ field: "computationId", value: id, allowed }],
  });
}

function noSuchFiling(): HttpProblem {
  return new HttpProblem("not-found", "There is no such filing.");
}
