import { Router } from "express";
import { z } from "zod";
import type { Container } from "../../container";
import { EXAM_KINDS, EXAM_STATUSES, exams, type ExamRow } from "../../db/domain-tables";
import { createExam, deleteExam, EXAM_LIST, getExam, updateExam } from "../../exams/exams";
import { sendCached } from "../cached";
import { sendCreated } from "../create";
import { moment, notes, rowId } from "../fields";
import { sessionOf, tenantOf } from "../middleware/authenticate";
import { jsonBody } from "../middleware/body";
import * as shown from "../openapi/fields";
import { resource } from "../openapi/operation";
import { listPage, parseListRequest } from "../pagination";
import { expectedVersion, versionHeaders } from "../precondition";
import { sendJson, sendNothing } from "../respond";
import { pathId, validate } from "../validate";

const newExamSchema = z.strictObject({
  patientId: rowId,
  kind: z.enum(EXAM_KINDS).describe(`one of ${EXAM_KINDS.join(", ")}`),
  scheduledAt: moment,
  findings: notes.default(""),
});

const changesSchema = z.strictObject({
  scheduledAt: moment.optional(),
  findings: notes.optional(),
  status: z
    .enum(EXAM_STATUSES)
    .optional()
    .describe(`one of ${EXAM_STATUSES.join(", ")}`),
});

export const examSchema: z.ZodType<ExamRow> = z.strictObject({
  id: shown.id,
  patientId: shown.id,
  kind: z.enum(EXAM_KINDS),
  status: z.enum(EXAM_STATUSES),
  scheduledAt: shown.time,
  findings: z.string(),
  version: shown.versionNumber,
  createdBy: shown.id,
  ...shown.times,
});

export const examOperations = resource({
  tag: "exams",
  path: "/api/exams",
  one: "an exam",
  list: EXAM_LIST,
  listItem: examSchema,
  create: newExamSchema,
  change: changesSchema,
  deletes: true,
  repeatable: true,
});

/** `/api/exams`: eye exams of the company's patients. Every user works with them, admins delete them. */
export function examRoutes(container: Container): Router {
  const { database } = container;
  const router = Router();

  router.get("/", async (request, response) => {
    const list = parseListRequest(request.query, EXAM_LIST);
    await sendCached(container, request, response, { name: "exams", query: list, tags: [exams.table] }, (scope) =>
      listPage(scope.table(exams), list, (exam) => exam),
    );
  });

  router.post("/", jsonBody(), async (request, response) => {
    const exam = validate(newExamSchema, request.body, "The request body");
    const { userId } = sessionOf(request);
    await sendCreated(request, response, database, "/api/exams", (scope) => createExam(scope, userId, exam));
  });

  router.get("/:id", async (request, response) => {
    const exam = await getExam(tenantOf(request, database), pathId(request));
    sendJson(request, response, 200, exam, versionHeaders(exam));
  });

  router.patch("/:id", jsonBody(), async (request, response) => {
    const expected = expectedVersion(request);
    const changes = validate(changesSchema, request.body, "The request body");
    const exam = await updateExam(tenantOf(request, database), pathId(request), expected, changes);
    sendJson(request, response, 200, exam, versionHeaders(exam));
  });

  router.delete("/:id", async (request, response) => {
    await deleteExam(tenantOf(request, database), pathId(request));
    sendNothing(request, response);
  });

  return router;
}
