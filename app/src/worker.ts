import type { Express } from "express";
import { createApp } from "./app";
import { warmCache } from "./cache/warm";
import { drainWorker } from "./cluster/drain-worker";
import { clusterStatus, requestReload } from "./cluster/ipc";
import type { AppConfig } from "./config";
import { runs } from "./config/role";
import { closeContainer, createContainer, type Container, type Instance } from "./container";
import { startConsumers } from "./events/events";
import { listenForAdmins } from "./http/admin-listener";
import type { RunningWorker, WorkerLifecycle } from "./lifecycle/types";
import { metricsText } from "./observability/metrics-aggregator";
import { listen } from "./server";

/**
 * Starts one worker on a schema that {@link prepare} brought up to date; resolves once connections are accepted.
 * @param build makes what answers requests; another app than ours by the library's `runScaled`.
 * @throws when the port is taken or the database cannot be opened.
 */
export async function startWorker(
  config: AppConfig,
  lifecycle: WorkerLifecycle,
  build: (container: Container) => Express | Promise<Express> = createApp,
): Promise<RunningWorker> {
  const instance: Instance = { status: clusterStatus, reload: requestReload, drain: drainWorker, metricsText };
  const container = await createContainer(config, lifecycle, instance);
  const { logger, state } = container;
  try {
    const app = await build(container);
    const server = await listen(container, app);
    const admin = await listenForAdmins(config.protection, app);
    state.ready = true;
    logger.info({ port: server.port, phase: config.phase }, "worker accepts connections");
    // In the background: requests are served meanwhile.
    void warmCache(container);
    container.jobs.start();
    if (runs(config.role, "consumer")) startConsumers(container);
    return {
      port: server.port,
      beginDrain(scope) {
        state.draining = true;
        // When only this worker leaves, its siblings serve on, and the instance stays ready.
        if (scope === "instance") state.ready = false;
      },
      async close(deadlineMs) {
        state.draining = true;
        // At the moment the listener closes: whoever comes back reaches another worker.
        container.realtime.drain();
        await Promise.all([server.close(deadlineMs), container.jobs.drain(deadlineMs)]);
        await admin?.close();
        await closeContainer(container);
        logger.info("worker closed");
      },
      cleanupMemory: async () => {
        container.cache.shrink();
        await container.database.shrink();
      },
    };
  } catch (error) {
    await closeContainer(container);
    throw error;
  }
}
