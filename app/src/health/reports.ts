import os from "node:os";
import type { Cache } from "../cache/cache";
import { sampleMemory } from "../cluster/memory-monitor";
import type { ClusterStatus } from "../cluster/types";
import type { Container } from "../container";
import { checkDatabase, databaseReport } from "./database";
import { withoutPids } from "./details";
import { redisHealth } from "../redis/health";
import { queueReport } from "../jobs/health";
import type { EventLoopFigures } from "./event-loop";
import { recommend } from "./recommendation";
import { judge, THRESHOLDS, worst, type ComponentStatus } from "./thresholds";

/** A worker's cache, as far as strangers may see it. */
function cacheSummary(cache: Cache) {
  const { size, maxSize, enabled } = cache.stats();
  return { size, maxSize, enabled };
}

/** `GET /health` (feature C6): that the process lives, and what it is made of. A part that is missing says so. */
export async function healthReport(container: Container): Promise<Record<string, unknown>> {
  const { config, lifecycle, state } = container;
  const database = await checkDatabase(container);
  return {
    status: state.draining ? "draining" : database.status === "up" ? "ok" : "degraded",
    version: config.appVersion,
    phase: config.phase,
    worker: lifecycle.workerId,
    uptime: Math.round(process.uptime()),
    cache: cacheSummary(container.cache),
    scaling: { compression: true, rateLimiting: container.limits.enabled, clustering: lifecycle.clustered },
    database,
  };
}

/**
 * `GET /api/health/full` (feature A6): every component with its state and its figures; `status` is the worst of them.
 * @param details whether ids of processes are shown: to operators, not to everybody.
 */
export async function fullReport(container: Container, details: boolean) {
  const { config, lifecycle, eventLoop, cache } = container;
  const [database, cluster, queue] = await Promise.all([
    databaseReport(container, details),
    clusterHealth(container, details),
    queueReport(container.jobs.queue),
  ]);
  const loop = eventLoop.figures();
  const memory = sampleMemory(config.cluster);
  const components = {
    database,
    memory: { status: judge(memory.pressure, THRESHOLDS.memoryPressure), ...memory },
    eventLoop: {
      status: judgeEventLoop(loop),
      ...loop,
    },
    cluster,
    cache: { status: cache.enabled ? "ok" : "disabled", ...cacheSummary(cache) },
    rateLimiting: { status: container.limits.enabled ? "ok" : "disabled", ...container.limits.status() },
    ...redisHealth(container.redis),
    queue,
    events: container.events.status(),
    realtime: container.realtime.status(),
  } satisfies Record<string, { readonly status: ComponentStatus }>;
  return {
    status: worst(Object.values(components).map(({ status }) => status)),
    version: config.appVersion,
    phase: config.phase,
    worker: lifecycle.workerId,
    uptime: Math.round(process.uptime()),
    checkedAt: new Date().toISOString(),
    components,
    thresholds: THRESHOLDS,
  };
}

/** The processes of the instance; a primary that does not answer is the finding, not a failure of the report. */
async function clusterHealth({ instance, logger }: Container, details: boolean) {
  try {
    const cluster = await instance.status();
    const ready = readyWorkers(cluster);
    const workers: ComponentStatus = ready === 0 ? "critical" : ready < cluster.workersWanted ? "warning" : "ok";
    return {
      status: worst([workers, judge(budgetUsed(cluster), THRESHOLDS.respawnBudget)]),
      workersReady: ready,
      ...(details ? cluster : withoutPids(cluster)),
    };
  } catch (error) {
    logger.error({ err: error }, "the primary process does not answer a health check");
    return { status: "critical" as const, reason: "The primary process does not answer." };
  }
}

function judgeEventLoop({ settled, delayP99Ms, utilization }: EventLoopFigures): ComponentStatus {
  if (!settled) return "ok";
  return worst([judge(delayP99Ms, THRESHOLDS.eventLoopDelayMs), judge(utilization, THRESHOLDS.eventLoopUtilization)]);
}

/** `GET /api/health/scaling`: what this instance has, what it uses, and what to change. */
export async function scalingReport({ config, eventLoop, instance }: Container) {
  const cluster = await instance.status();
  const loop = eventLoop.figures();
  const pressures = cluster.workers.map((worker) => worker.memory?.pressure ?? 0);
  const memoryPressure = Math.max(0, ...pressures);
  const workersReady = readyWorkers(cluster);
  const cpus = os.availableParallelism();
  const { limitPerMinute, usedLastMinute, total } = cluster.respawns;
  return {
    phase: config.phase,
    clustering: cluster.clustering,
    workers: { wanted: cluster.workersWanted, ready: workersReady, cpus },
    memory: {
      highestPressure: memoryPressure,
      workerLimitMb: config.cluster.residentLimitMb ?? null,
      heapLimitMb: config.cluster.heapMb ?? null,
    },
    eventLoop: { utilization: loop.utilization, delayP99Ms: loop.delayP99Ms },
    respawnBudget: { limitPerMinute, usedLastMinute, remaining: Math.max(0, limitPerMinute - usedLastMinute), total },
    recommendation: recommend({
      workersWanted: cluster.workersWanted,
      workersReady,
      cpus,
      memoryPressure,
      eventLoopUtilization: loop.settled ? loop.utilization : 0,
      respawnBudgetUsed: budgetUsed(cluster),
    }),
    thresholds: THRESHOLDS,
  };
}

function readyWorkers(cluster: ClusterStatus): number {
  return cluster.workers.filter(({ state }) => state === "ready").length;
}

function budgetUsed({ respawns }: ClusterStatus): number {
  return respawns.limitPerMinute === 0 ? Math.min(1, respawns.usedLastMinute) : respawns.usedLastMinute / respawns.limitPerMinute;
}
