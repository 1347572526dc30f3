import { Router } from "express";
import { z } from "zod";
import type { Container } from "../../container";
import { FILING_STATES, filings } from "../../db/domain-tables";
import {
  createFiling,
  DECISIONS,
  deleteFiling,
  FILING_LIST,
  getFiling,
  moveFiling,
  updateFiling,
  type Filing,
  type FilingDetail,
} from "../../filings/filings";
import { TAX_YEARS } from "../../tax/schedule";
import { sendCached } from "../cached";
import { sendCreated } from "../create";
import { calendarDate, name, notes, rowId } from "../fields";
import { sessionOf, tenantOf } from "../middleware/authenticate";
import { jsonBody } from "../middleware/body";
import * as shown from "../openapi/fields";
import { resource, type Operation } from "../openapi/operation";
import { listPage, parseListRequest } from "../pagination";
import { expectedVersion, versionHeaders } from "../precondition";
import { HttpProblem } from "../problem";
import { sendJson, sendNothing } from "../respond";
import { pathId, validate } from "../validate";

const computationId = rowId.nullable().describe("the id of a tax computation of the same year, or null");

const newFilingSchema = z.strictObject({
  taxpayerName: name,
  taxYear: z.literal(TAX_YEARS).describe(`one of ${TAX_YEARS.join(", ")}`),
  dueOn: calendarDate,
  computationId: computationId.default(null),
});

const changesSchema = z.strictObject({
  taxpayerName: name.optional(),
  dueOn: calendarDate.optional(),
  computationId: computationId.optional(),
});

const moveSchema = z.strictObject({
  to: z.enum(FILING_STATES).describe(`one of ${FILING_STATES.join(", ")}`),
  note: notes.default(""),
});

const filingFields = {
  id: shown.id,
  taxpayerName: z.string(),
  taxYear: z.int(),
  dueOn: shown.date,
  computationId: shown.id.nullable(),
  status: z.enum(FILING_STATES),
  version: shown.versionNumber,
  createdBy: shown.id,
  ...shown.times,
} as const;

export const filingSchema: z.ZodType<Filing> = z.strictObject(filingFields);

const filingDetailSchema: z.ZodType<FilingDetail> = z.strictObject({
  ...filingFields,
  history: z.array(
    z.strictObject({
      from: z.enum(FILING_STATES),
      to: z.enum(FILING_STATES),
      note: z.string(),
      createdBy: shown.id,
      createdAt: shown.time,
    }),
  ),
});

export const filingOperations: readonly Operation[] = [
  ...resource({
    tag: "filings",
    path: "/api/filings",
    one: "a tax filing",
    list: FILING_LIST,
    listItem: filingSchema,
    item: filingDetailSchema,
    create: newFilingSchema,
    change: changesSchema,
    deletes: true,
    repeatable: true,
  }),
  {
    tag: "filings",
    method: "post",
    path: "/api/filings/{id}/transitions",
    summary: "Moves a filing to another status; only admins enter accepted and rejected",
    body: moveSchema,
    versioned: true,
    answers: { 200: { description: "As it is now", schema: filingDetailSchema, headers: ["ETag"] } },
  },
];

/** `/api/filings`: tax returns on their way. Every user prepares and submits, admins enter decisions and delete drafts. */
export function filingRoutes(container: Container): Router {
  const { database } = container;
  const router = Router();

  router.get("/", async (request, response) => {
    const list = parseListRequest(request.query, FILING_LIST);
    await sendCached(container, request, response, { name: "filings", query: list, tags: [filings.table] }, (scope) =>
      listPage(scope.table(filings), list, (filing) => filing),
    );
  });

  router.post("/", jsonBody(), async (request, response) => {
    const filing = validate(newFilingSchema, request.body, "The request body");
    const { userId } = sessionOf(request);
    await sendCreated(request, response, database, "/api/filings", (scope) => createFiling(scope, userId, filing));
  });

  router.get("/:id", async (request, response) => {
    const filing = await getFiling(tenantOf(request, database), pathId(request));
    sendJson(request, response, 200, filing, versionHeaders(filing));
  });

  router.patch("/:id", jsonBody(), async (request, response) => {
    const expected = expectedVersion(request);
    const changes = validate(changesSchema, request.body, "The request body");
    const filing = await updateFiling(tenantOf(request, database), pathId(request), expected, changes);
    sendJson(request, response, 200, filing, versionHeaders(filing));
  });

  router.post("/:id/transitions", jsonBody(), async (request, response) => {
    const expected = expectedVersion(request);
    const move = validate(moveSchema, request.body, "The request body");
    const { role, userId } = sessionOf(request);
    if (DECISIONS.includes(move.to) && role !== "admin") {
      throw new HttpProblem("forbidden", `Only an admin of the company may enter that a filing was ${move.to}.`);
    }
    const filing = await moveFiling(tenantOf(request, database), pathId(request), expected, { ...move, by: userId });
    sendJson(request, response, 200, filing, versionHeaders(filing));
  });

  router.delete("/:id", async (request, response) => {
    await deleteFiling(tenantOf(request, database), pathId(request));
    sendNothing(request, response);
  });

  return router;
}
