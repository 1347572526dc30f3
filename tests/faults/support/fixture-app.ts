import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import v8 from "node:v8";
import { drainWorker } from "../../../app/src/cluster/drain-worker";
import { clusterStatus, requestReload } from "../../../app/src/cluster/ipc";
import { collectGarbage, sampleMemory } from "../../../app/src/cluster/memory-monitor";
import type { AppConfig } from "../../../app/src/config";
import { runApp } from "../../../app/src/lifecycle/run";
import type { RunningWorker, WorkerLifecycle } from "../../../app/src/lifecycle/types";
import { countRequest } from "../../../app/src/observability/metrics";
import { metricsText } from "../../../app/src/observability/metrics-aggregator";
import { HttpDrain } from "./http-drain";

/**
 * A program under the real process manager that misbehaves on demand. FIXTURE_BOOT names a file that stands for the program's code:
 * every worker reads it when it boots. `fail` throws, `hang` never listens, anything else serves.
 */
const leaked: number[][] = [];
const cached: number[][] = [];
/** Times the process manager asked to drop caches; a cache that was dropped is not filled on. */
let cleanups = 0;

/** 512 KiB of the heap in pieces of 64 KiB: a large one has pages of its own, which V8 counts at twice its size. */
function pieces(): number[][] {
  return Array.from({ length: 8 }, () => new Array<number>(8192).fill(Math.random()));
}

/**
 * Keeps chunks until the worker's pressure, garbage left out, reaches `share`. The last part goes at about 20 MB a second:
 * V8 ends a process whose heap is 80 % full while it does little but collect, which a faster leak makes it do.
 */
async function fillTo(share: number, config: AppConfig, keep: number[][]): Promise<void> {
  const pressure = (): number => sampleMemory(config.cluster).pressure;
  const full = (): boolean => pressure() >= share || (keep === cached && cleanups > 0);
  while (!full()) {
    while (!full()) {
      keep.push(...pieces());
      await delay(pressure() < 0.75 ? 1 : 25);
    }
    collectGarbage();
  }
}

async function answer(url: URL, config: AppConfig, lifecycle: WorkerLifecycle): Promise<unknown> {
  const amount = Number(url.searchParams.get("n"));
  switch (url.pathname) {
    case "/":
      return { pid: process.pid, id: lifecycle.workerId };
    case "/slow":
      await delay(amount);
      return { pid: process.pid };
    case "/busy": {
      const until = performance.now() + amount;
      while (performance.now() < until);
      return { pid: process.pid };
    }
    case "/leak":
      await fillTo(amount, config, leaked);
      return sampleMemory(config.cluster);
    case "/cache":
      await fillTo(amount, config, cached);
      return sampleMemory(config.cluster);
    case "/heap":
      return { pid: process.pid, limitBytes: v8.getHeapStatistics().heap_size_limit, options: process.execArgv };
    case "/throw":
      setImmediate(() => {
        throw new Error("thrown on demand");
      });
      return {};
    case "/status":
      return clusterStatus();
    case "/reload":
      return requestReload();
    case "/drain":
      return drainWorker(amount);
    default:
      throw new Error(`no route ${url.pathname}`);
  }
}

async function startWorker(config: AppConfig, lifecycle: WorkerLifecycle): Promise<RunningWorker> {
  const boot = readFileSync(process.env["FIXTURE_BOOT"] ?? "", "utf8").trim();
  if (boot === "fail") throw new Error("boom on boot");
  if (boot === "hang") await new Promise(() => undefined);
  let ready = true;
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? "/", "http://fixture");
    if (url.pathname === "/ready") {
      response.writeHead(ready ? 200 : 503).end();
      return;
    }
    if (url.pathname === "/metrics") {
      response.writeHead(200).end(await metricsText());
      return;
    }
    const body = JSON.stringify(await answer(url, config, lifecycle));
    countRequest(request.method ?? "GET", url.pathname, 200, 0.001);
    response.writeHead(200, { "Content-Type": "application/json" }).end(body);
  };
  const server = createServer({ keepAliveTimeout: config.keepAliveTimeoutMs }, (request, response) => {
    serve(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  const drain = new HttpDrain(server);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(config.port, config.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    beginDrain: (scope) => {
      if (scope === "instance") ready = false;
      drain.begin();
    },
    close: async (deadlineMs) => {
      await drain.close(deadlineMs);
    },
    cleanupMemory: () => {
      cleanups += 1;
      cached.length = 0;
      return Promise.resolve();
    },
  };
}

void runApp({ startWorker, prepare: () => Promise.resolve() });
