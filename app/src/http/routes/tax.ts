import { Router } from "express";
import { z } from "zod";
import type { Container } from "../../container";
import { taxComputations } from "../../db/domain-tables";
import {
  createTaxComputation,
  getTaxComputation,
  presentTaxComputation,
  TAX_COMPUTATION_LIST,
  type TaxComputation,
} from "../../tax/computations";
import { FILING_STATUSES, MOST_TAX_CENTS, TAX_SCHEDULES, TAX_YEARS, type TaxInput } from "../../tax/schedule";
import { sendCached } from "../cached";
import { sendCreated } from "../create";
import { sessionOf, tenantOf } from "../middleware/authenticate";
import { jsonBody } from "../middleware/body";
import * as shown from "../openapi/fields";
import { resource, type Operation } from "../openapi/operation";
import { listPage, parseListRequest } from "../pagination";
import { sendJson } from "../respond";
import { pathId, validate } from "../validate";

const amount = z.int().min(0).max(MOST_TAX_CENTS).describe(`a whole number of cents from 0 to ${MOST_TAX_CENTS}`);

/** What a tax is computed from, as a request or a job gives it. */
export const taxInputSchema = z.strictObject({
  taxYear: z.literal(TAX_YEARS).describe(`one of ${TAX_YEARS.join(", ")}`),
  filingStatus: z.enum(FILING_STATUSES).describe(`one of ${FILING_STATUSES.join(", ")}`),
  grossIncomeCents: amount,
  adjustmentsCents: amount.default(0),
  itemizedDeductionsCents: amount.default(0),
  additionalDeductions: z
    .int()
    .min(0)
    .max(4)
    .default(0)
    .describe("a whole number from 0 to 4: aged 65 and blind count once each, for each of the taxpayers"),
}) satisfies z.ZodType<TaxInput>;

const rate = z.int().min(0).max(10_000).describe("basis points, hundredths of a percent");

const computationSchema: z.ZodType<TaxComputation> = z.strictObject({
  id: shown.id,
  taxYear: z.int(),
  filingStatus: z.enum(FILING_STATUSES),
  grossIncomeCents: shown.count,
  adjustmentsCents: shown.count,
  deductionKind: z.enum(["standard", "itemized"]),
  deductionCents: shown.count,
  taxableIncomeCents: shown.count,
  taxCents: shown.count,
  marginalRateBp: rate,
  effectiveRateBp: rate,
  brackets: z.array(z.strictObject({ rateBp: rate, fromCents: shown.count, toCents: shown.count.nullable(), taxedCents: shown.count })),
  createdBy: shown.id,
  createdAt: shown.time,
});

const perStatus = <Value extends z.ZodType>(value: Value) => z.record(z.enum(FILING_STATUSES), value);

const scheduleSchema = z.strictObject({
  taxYear: z.int(),
  source: z.string(),
  brackets: perStatus(z.array(z.strictObject({ upToDollars: shown.count.nullable(), rateBp: rate }))),
  standardDeductionDollars: perStatus(shown.count),
  additionalDeductionDollars: perStatus(shown.count),
});

export const taxOperations: readonly Operation[] = [
  ...resource({
    tag: "tax",
    path: "/api/tax/computations",
    one: "a tax computation",
    list: TAX_COMPUTATION_LIST,
    listItem: computationSchema,
    create: taxInputSchema,
    versioned: false,
    repeatable: true,
  }),
  {
    tag: "tax",
    method: "get",
    path: "/api/tax/schedules",
    summary: "The brackets and deductions that taxes are computed by, with their source",
    answers: { 200: { description: "One schedule a year", schema: z.strictObject({ data: z.array(scheduleSchema) }) } },
  },
];

const SCHEDULES = { data: TAX_YEARS.map((taxYear) => ({ taxYear, ...TAX_SCHEDULES[taxYear] })) };

/** `/api/tax`: federal income tax, computed at once and kept. Long runs go through the job queue. */
export function taxRoutes(container: Container): Router {
  const { database } = container;
  const router = Router();

  router.get("/schedules", (request, response) => {
    sendJson(request, response, 200, SCHEDULES);
  });

  router.get("/computations", async (request, response) => {
    const list = parseListRequest(request.query, TAX_COMPUTATION_LIST);
    await sendCached(container, request, response, { name: "tax-computations", query: list, tags: [taxComputations.table] }, (scope) =>
      listPage(scope.table(taxComputations), list, presentTaxComputation),
    );
  });

  router.post("/computations", jsonBody(), async (request, response) => {
    const input = validate(taxInputSchema, request.body, "The request body");
    const { userId } = sessionOf(request);
    await sendCreated(request, response, database, "/api/tax/computations", (scope) =>
      scope.transaction((inside) => createTaxComputation(inside, userId, input)),
    );
  });

  router.get("/computations/:id", async (request, response) => {
    sendJson(request, response, 200, await getTaxComputation(tenantOf(request, database), pathId(request)));
  });

  return router;
}
