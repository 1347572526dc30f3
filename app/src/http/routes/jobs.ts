import type { Request } from "express";
import { Router } from "express";
import { z } from "zod";
import type { Container } from "../../container";
import { createId } from "../../db/id";
import { JOB_LIST, type CompanyJobView } from "../../jobs/company-job";
import { type JobRecord, PRIORITIES, type QueueName, QUEUES } from "../../jobs/queue";
import { companyJobs } from "../../jobs/tables";
import { idempotencyKey } from "../create";
import { sessionOf, tenantOf } from "../middleware/authenticate";
import { jsonBody } from "../middleware/body";
import * as shown from "../openapi/fields";
import { type Operation, resource } from "../openapi/operation";
import { listPage, parseListRequest } from "../pagination";
import { HttpProblem } from "../problem";
import { sendJson, sendNothing } from "../respond";
import { pathId, validate } from "../validate";
import { taxInputSchema } from "./tax";

/** Longest delay of a job: a day. */
const MOST_DELAY_MS = 86_400_000;

const taxJobSchema = taxInputSchema.extend({
  priority: z
    .enum(PRIORITIES)
    .default("normal")
    .describe(`one of ${PRIORITIES.join(", ")}`),
  delayMs: z.int().min(0).max(MOST_DELAY_MS).default(0).describe(`a whole number of milliseconds from 0 to ${MOST_DELAY_MS}`),
});

const status = z.enum(["waiting", "delayed", "active", "completed", "failed", "cancelled"]);
const result = z.looseObject({}).nullable();

export const jobSchema: z.ZodType<CompanyJobView> = z.strictObject({
  id: shown.id,
  queue: z.enum(QUEUES),
  status,
  priority: z.enum(PRIORITIES),
  subjectId: shown.id.describe("the document or the computation it is about"),
  progress: z.int().min(0).max(100),
  attempts: shown.count.nullable(),
  maxAttempts: shown.count.nullable(),
  result,
  error: z.string().nullable(),
  createdBy: shown.id,
  createdAt: shown.time,
  finishedAt: shown.time.nullable(),
});

const accepted = { 202: { description: "Accepted; Location is the job", schema: jobSchema, headers: ["Location"] as const } };

export const jobOperations: readonly Operation[] = [
  ...resource({ tag: "jobs", path: "/api/jobs", one: "a background job", list: JOB_LIST, listItem: jobSchema, versioned: false }),
  {
    tag: "jobs",
    method: "post",
    path: "/api/jobs/{id}/cancel",
    summary: "Cancels a job that is not over",
    answers: { 200: { description: "As it is now", schema: jobSchema } },
  },
  {
    tag: "jobs",
    method: "post",
    path: "/api/jobs/tax-computations",
    summary: "Computes a tax in the background; Idempotency-Key makes it safe to repeat",
    body: taxJobSchema,
    answers: accepted,
  },
];

/** `/api/jobs`: the background jobs of a company. */
export function jobRoutes({ database, jobs }: Container): Router {
  const router = Router();

  router.get("/", async (request, response) => {
    const list = parseListRequest(request.query, JOB_LIST);
    const page = await listPage(tenantOf(request, database).table(companyJobs), list, (row) => row);
    sendJson(request, response, 200, { ...page, data: await jobs.company.present(page.data) });
  });

  router.post("/tax-computations", jsonBody(), async (request, response) => {
    const key = idempotencyKey(request);
    const { priority, delayMs, ...input } = validate(taxJobSchema, request.body, "The request body");
    const scope = tenantOf(request, database);
    const job = {
      queue: "tax-computation",
      subjectId: createId(),
      createdBy: sessionOf(request).userId,
      input,
      priority,
      delayMs,
    } as const;
    const { row, isNew } = await scope.transaction((inside) =>
      jobs.company.accept(inside, { ...job, ...(key !== undefined && { idempotencyKey: key }) }),
    );
    if (isNew) await jobs.company.dispatch(row);
    sendJson(request, response, 202, await jobs.company.get(scope, row.id), { location: `/api/jobs/${row.id}` });
  });

  router.get("/:id", async (request, response) => {
    sendJson(request, response, 200, await jobs.company.get(tenantOf(request, database), pathId(request)));
  });

  router.post("/:id/cancel", async (request, response) => {
    sendJson(request, response, 200, await jobs.company.cancel(tenantOf(request, database), pathId(request)));
  });

  return router;
}

const deadLetterQuery = z.strictObject({
  limit: z
    .string()
    .regex(/^[1-9][0-9]{0,2}$/)
    .transform(Number)
    .pipe(z.number().max(100))
    .default(20)
    .describe("a whole number from 1 to 100"),
  offset: z
    .string()
    .regex(/^(0|[1-9][0-9]{0,4})$/)
    .transform(Number)
    .default(0)
    .describe("a whole number from 0 to 99999"),
});

const counts = { waiting: shown.count, active: shown.count, delayed: shown.count, completed: shown.count, failed: shown.count };
const queueSchema = z.strictObject({ queue: z.enum(QUEUES), ...counts, paused: z.boolean() });
const queuesSchema = z.strictObject({ driver: z.enum(["sqlite", "redis", "postgres"]), data: z.array(queueSchema) });
const recordSchema: z.ZodType<JobRecord> = z.strictObject({
  id: shown.id,
  queue: z.enum(QUEUES),
  state: status,
  payload: z.looseObject({}),
  progress: z.int().min(0).max(100),
  attemptsStarted: shown.count,
  maxAttempts: shown.count,
  createdAt: shown.time,
  finishedAt: shown.time.nullable(),
  result,
  error: z.string().nullable(),
});

const answer = (description: string, schema: z.ZodType): Operation["answers"] => ({ 200: { description, schema } });
const QUEUES_PATH = "/api/admin/queues";

export const queueOperations: readonly Operation[] = [
  { tag: "admin", method: "get", path: QUEUES_PATH, summary: "Counts of every queue", answers: answer("The queues", queuesSchema) },
  ...(["pause", "resume"] as const).map((action): Operation => {
    const path = `${QUEUES_PATH}/{id}/${action}`;
    return { tag: "admin", method: "post", path, summary: `Makes a queue ${action}`, answers: answer("The queues", queuesSchema) };
  }),
  {
    tag: "admin",
    method: "get",
    path: `${QUEUES_PATH}/{id}/dead-letters`,
    summary: "Jobs of a queue that failed for good, the newest first",
    query: deadLetterQuery,
    answers: answer("Dead letters", z.strictObject({ data: z.array(recordSchema) })),
  },
  {
    tag: "admin",
    method: "post",
    path: `${QUEUES_PATH}/dead-letters/{id}/retry`,
    summary: "Puts a dead letter back with all its attempts",
    answers: { 204: { description: "It waits again" } },
  },
  {
    tag: "admin",
    method: "delete",
    path: `${QUEUES_PATH}/dead-letters/{id}`,
    summary: "Forgets a dead letter; its job stays failed",
    answers: { 204: { description: "Gone" } },
  },
];

/** `/api/admin/queues`: for operators, all companies together. */
export function queueRoutes({ jobs, logger }: Container): Router {
  const router = Router();
  const overview = async () => {
    const stats = await jobs.queue.stats();
    return { driver: jobs.queue.kind, data: QUEUES.map((queue) => ({ queue, ...stats[queue] })) };
  };

  router.get("/", async (request, response) => {
    sendJson(request, response, 200, await overview());
  });

  for (const action of ["pause", "resume"] as const) {
    router.post(`/:id/${action}`, async (request, response) => {
      const queue = queueOf(request);
      await jobs.queue[action](queue);
      logger.info({ queue, action, requestId: request.context.requestId }, "a job queue was paused or resumed");
      sendJson(request, response, 200, await overview());
    });
  }

  router.get("/:id/dead-letters", async (request, response) => {
    const { limit, offset } = validate(deadLetterQuery, request.query, "The query");
    sendJson(request, response, 200, { data: await jobs.queue.deadLetters(queueOf(request), limit, offset) });
  });

  router.post("/dead-letters/:id/retry", async (request, response) => {
    if (!(await jobs.company.retry(pathId(request)))) throw noSuchDeadLetter();
    sendNothing(request, response);
  });

  router.delete("/dead-letters/:id", async (request, response) => {
    if (!(await jobs.queue.discard(pathId(request)))) throw noSuchDeadLetter();
    sendNothing(request, response);
  });

  return router;
}

function queueOf(request: Request): QueueName {
  const wanted = pathId(request);
  const queue = QUEUES.find((name) => name === wanted);
  if (queue === undefined) throw new HttpProblem("not-found", `There is no such queue; there are ${QUEUES.join(", ")}.`);
  return queue;
}

function noSuchDeadLetter(): HttpProblem {
  return new HttpProblem("not-found", "There is no such dead letter.");
}
