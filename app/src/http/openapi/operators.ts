import { z } from "zod";
import { summaryQuery } from "../routes/admin-metrics";
import { instanceQuery } from "../routes/admin";
import { invalidationSchema } from "../routes/admin-cache";
import * as shown from "./fields";
import type { Operation } from "./operation";

/** Reports say more with each version: what is named here stays, what is not may come and go. */
const report = <Shape extends z.ZodRawShape>(shape: Shape) => z.looseObject(shape);

const verdict = z.enum(["ok", "warning", "critical", "disabled"]);
const figures = report({
  requests: shown.count,
  requestsPerMinute: z.number(),
  errorShare: z.number(),
  p95Ms: z.number().nullable(),
  p99Ms: z.number().nullable(),
});
const problems = z.array(
  report({ companyId: shown.id, problem: z.string(), reason: z.string(), value: z.number(), threshold: z.number() }),
);

function get(tag: string, path: string, summary: string, schema: z.ZodType, more: Partial<Operation> = {}): Operation {
  return { tag, method: "get", path, summary, answers: { 200: { description: summary, schema } }, ...more };
}

const begun = z.strictObject({ accepted: z.literal(true), outcome: z.string() });

const fullReport = report({ status: verdict, version: z.string(), checkedAt: shown.time, components: z.record(z.string(), report({})) });

const databaseReport = report({ kind: z.enum(["sqlite", "postgres"]), status: verdict });

/** What operators and machines ask. */
export const operatorOperations: readonly Operation[] = [
  get(
    "health",
    "/health",
    "Liveness, and what the instance is made of",
    report({ status: z.string(), version: z.string(), uptime: shown.count }),
  ),
  {
    tag: "health",
    method: "get",
    path: "/ready",
    summary: "Readiness",
    answers: {
      200: { description: "Ready for requests", schema: z.strictObject({ status: z.literal("ready") }) },
      503: {
        description: "Booting, draining, or its rows were moved to another database",
        schema: z.strictObject({ status: z.enum(["draining", "starting", "moved"]) }),
      },
    },
  },
  {
    tag: "health",
    method: "get",
    path: "/metrics",
    summary: "Figures of all workers in Prometheus' text format; through a proxy for the admin token only",
    answers: { 200: { description: "The figures", schema: z.string(), contentType: "text/plain" } },
  },
  {
    tag: "health",
    method: "get",
    path: "/api/health/full",
    summary: "Every component against its thresholds",
    answers: {
      200: { description: "Nothing is critical", schema: fullReport },
      503: { description: "Something is critical", schema: fullReport },
    },
  },
  {
    tag: "health",
    method: "get",
    path: "/api/health/database",
    summary: "Latency, connection pools and read replicas of the database",
    answers: {
      200: { description: "The database answers", schema: databaseReport },
      503: { description: "It does not", schema: databaseReport },
    },
  },
  get("health", "/api/health/metrics", "Figures of requests", report({})),
  get("health", "/api/health/cache", "Figures of the cache", report({})),
  get("health", "/api/health/queue", "Figures of background jobs", report({})),
  get("health", "/api/health/scaling", "What the instance has, uses and should change", report({ phase: z.string(), workers: report({}) })),
  get(
    "admin",
    "/api/admin/metrics/summary",
    "All companies together, and the busiest of them",
    report({ now: figures, current: figures }),
    {
      query: summaryQuery,
    },
  ),
  get(
    "admin",
    "/api/admin/metrics/company/{id}",
    "What one company does, by hour, day and week",
    report({ company: report({ id: shown.id }), now: figures, problems }),
  ),
  get("admin", "/api/admin/metrics/problems", "Companies that have problems", report({ checkedAt: shown.time, problems })),
  get("admin", "/api/admin/cache/{id}", "What this worker's cache did for a company", report({ companyId: shown.id })),
  {
    tag: "admin",
    method: "delete",
    path: "/api/admin/cache/{id}",
    summary: "Makes all caches forget a company, or a part of it",
    query: invalidationSchema,
    answers: { 204: { description: "Forgotten" } },
  },
  {
    tag: "admin",
    method: "post",
    path: "/api/admin/reload",
    summary: "Replaces every worker, one at a time",
    query: instanceQuery,
    answers: { 202: { description: "Begun", schema: begun } },
  },
  {
    tag: "admin",
    method: "post",
    path: "/api/admin/workers/{id}/drain",
    summary: "Replaces one worker, by the number of its process",
    query: instanceQuery,
    answers: { 202: { description: "Begun", schema: begun } },
  },
  get(
    "admin",
    "/api/admin/console",
    "Counters and figures of the instance that answers, of which the console makes its plots",
    report({
      instance: z.uuid(),
      takenAt: shown.time,
      requests: report({ total: shown.count }),
      workers: z.array(report({ id: shown.count })),
    }),
  ),
  get("openapi", "/openapi.json", "This description", report({ openapi: z.literal("3.1.0"), paths: z.record(z.string(), report({})) })),
];
