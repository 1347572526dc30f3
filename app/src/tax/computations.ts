import { taxComputations, type TaxComputationRow } from "../db/domain-tables";
import { createId } from "../db/id";
import type { TenantScope } from "../db/tenant";
import type { ListDefinition } from "../http/pagination";
import { HttpProblem } from "../http/problem";
import { computeTax, TAX_YEARS, type TaxedBracket, type TaxInput } from "./schedule";

/** A stored computation as the API shows it. */
export interface TaxComputation extends Omit<TaxComputationRow, "brackets"> {
  readonly brackets: readonly TaxedBracket[];
}

export const TAX_COMPUTATION_LIST: ListDefinition<TaxComputationRow> = {
  size: "large",
  sorts: ["createdAt", "taxCents"],
  defaultSort: "-createdAt",
  filters: { taxYear: TAX_YEARS },
};

/** The row of a computation made now. The endpoint computes it in the request, the job processor in a thread. */
export function taxComputationRow(
  id: string,
  createdBy: string,
  input: TaxInput,
  result: ReturnType<typeof computeTax>,
): TaxComputationRow {
  return {
    id,
    taxYear: input.taxYear,
    filingStatus: input.filingStatus,
    grossIncomeCents: input.grossIncomeCents,
    adjustmentsCents: input.adjustmentsCents,
    deductionKind: result.deductionKind,
    deductionCents: result.deductionCents,
    taxableIncomeCents: result.taxableIncomeCents,
    taxCents: result.taxCents,
    marginalRateBp: result.marginalRateBp,
    effectiveRateBp: result.effectiveRateBp,
    brackets: JSON.stringify(result.brackets),
    createdBy,
    createdAt: new Date().toISOString(),
  };
}

/**
 * Computes a tax and keeps the result.
 * @param scope of the company; inside a transaction or not.
 */
export async function createTaxComputation(scope: TenantScope, createdBy: string, input: TaxInput): Promise<TaxComputation> {
  const row = taxComputationRow(createId(), createdBy, input, computeTax(input));
  await scope.table(taxComputations).insert(row);
  return presentTaxComputation(row);
}

export function presentTaxComputation(row: TaxComputationRow): TaxComputation {
  return { ...row, brackets: JSON.parse(row.brackets) as TaxedBracket[] };
}

/** @throws HttpProblem when the company has no such computation. */
export async function getTaxComputation(scope: TenantScope, id: string): Promise<TaxComputation> {
  const row = await scope.table(taxComputations).find(id);
  if (row === undefined) throw new HttpProblem("not-found", "There is no such tax computation.");
  return presentTaxComputation(row);
}
