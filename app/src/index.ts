/**
 * The scaling middleware for an Express app of your own.
 *
 * ```ts
 * import { runScaled } from "@phased-stack/app";
 * import { createShop } from "./shop";
 *
 * void runScaled(({ cache, metrics }) => createShop(cache, metrics));
 * ```
 *
 * That is a program with one process for every CPU, rolling reload on SIGHUP, shutdown without a failed request on SIGTERM, health and
 * readiness, Prometheus metrics over all workers, one log line a request, limits per address, overload protection, compression, security
 * headers and a cache in two levels. With REDIS_URL, DATABASE_URL and the other variables of `config.ts` it is shared by all instances.
 */
import type { AppConfig } from "./config";
import { prepare } from "./container";
import { runApp } from "./lifecycle/run";
import { wrapApp, type CreateApp, type ScalingOptions } from "./library/scaled-app";
import { startWorker } from "./worker";

/**
 * Runs an app with everything around it; to be called once, as the last thing of a program's main file, which every worker executes
 * again, as a single process does that is given a heap. Reads its configuration from the environment; mistakes in it end the process with one sentence each.
 */
export function runScaled(createApp: CreateApp, options: ScalingOptions = {}): Promise<void> {
  return runApp({
    prepare: (config) => prepare(config),
    startWorker: (config, lifecycle) => startWorker(config, lifecycle, (container) => wrapApp(container, createApp, options)),
  });
}

export { wrapApp, type CreateApp, type Scaling, type ScalingOptions } from "./library/scaled-app";
export { Cache, type CacheOptions, type CacheScope } from "./cache/cache";
export { ConfigError, loadConfig } from "./config";
export type { AppConfig };
export { closeContainer, createContainer, prepare, type Container, type Instance } from "./container";
export { listen, type AppServer } from "./server";
export { HttpProblem, type FieldError, type ProblemKind, type ProblemOptions } from "./http/problem";
export { validate } from "./http/validate";
export { jsonBody } from "./http/middleware/body";
export { sendJson, sendNothing } from "./http/respond";
export { Admission } from "./lifecycle/admission";
export { OverloadGuard, PRIORITIES, type OverloadOptions, type OverloadStats, type Priority } from "./lifecycle/overload";
export { TenantMetrics, type MetricsDelta, type RouteClass } from "./observability/tenant-metrics";
export { loginAccount } from "./rate-limit/account-limit";
export { RateLimits } from "./rate-limit/limiter";
