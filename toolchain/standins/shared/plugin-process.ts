import net from "node:net";
import { parseArgs } from "node:util";

import type * as grpc from "@grpc/grpc-js";

import { listen } from "./rpc";

/** How often a plugin looks whether the engine that started it is still there, milliseconds. */
const ENGINE_PROBE_INTERVAL_MS = 5_000;
/** How long running calls may take to end once the process was asked to stop, milliseconds (the engine kills a plugin after 5 s). */
const STOP_GRACE_MS = 4_000;

/** What the engine says on a plugin's command line. */
export interface PluginArguments {
  /** host:port of the engine; absent when the plugin is started by hand or attached to. */
  readonly engineAddress: string | undefined;
  /** Only print the version and end. */
  readonly version: boolean;
}

/**
 * Reads a plugin's command line: flags that the engine may put first (`--tracing URL`, `-v=N`, `--logtostderr`), then the engine's address.
 * Flags are accepted and ignored, as tracing and verbose logs are not part of the stand-ins.
 */
export function parsePluginArguments(argv: readonly string[]): PluginArguments {
  const { values, positionals } = parseArgs({
    // The engine writes -v=9 in Go's manner; parseArgs reads that as the value "=9".
    args: [...argv],
    allowPositionals: true,
    strict: true,
    options: {
      tracing: { type: "string" },
      runtime: { type: "string" },
      v: { type: "string", short: "v" },
      logtostderr: { type: "boolean" },
      version: { type: "boolean" },
    },
  });
  return { engineAddress: positionals[0], version: values.version ?? false };
}

/** What a plugin process does around its service. */
export interface PluginProcess {
  /** Adds the plugin's service. */
  readonly register: (server: grpc.Server) => void;
  /** host:port of the engine; the process ends when nothing listens there any more. */
  readonly engineAddress: string | undefined;
  /** Called once when the process was asked to end (SIGINT, SIGTERM, engine gone): ends what is running, so that its calls return. */
  readonly stop: () => void;
}

/**
 * Serves a plugin as the engine expects it: listens on a free loopback port, prints the port as the first line of stdout, ends on SIGINT, on
 * SIGTERM and when the engine has gone. Resolves once it is listening.
 */
export async function runPluginProcess({ register, engineAddress, stop }: PluginProcess): Promise<void> {
  const { server, port } = await listen(register);
  let stopping = false;
  const end = (): void => {
    if (stopping) return;
    stopping = true;
    stop();
    // Calls that are still running answer first; one that hangs must not keep the process.
    setTimeout(() => process.exit(0), STOP_GRACE_MS).unref();
    server.tryShutdown(() => process.exit(0));
  };
  process.on("SIGINT", end);
  process.on("SIGTERM", end);
  if (engineAddress !== undefined) watchEngine(engineAddress, end);
  process.stdout.write(`${port}\n`);
}

/** Calls `gone` when a connection to the engine is refused: the engine was killed and nobody will stop this plugin. */
export function watchEngine(address: string, gone: () => void, intervalMs = ENGINE_PROBE_INTERVAL_MS): void {
  const separator = address.lastIndexOf(":");
  const host = address.slice(0, separator);
  const port = Number(address.slice(separator + 1));
  const timer = setInterval(() => {
    const probe = net.connect({ host, port });
    probe.unref();
    probe.once("connect", () => probe.destroy());
    probe.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ECONNREFUSED") return;
      clearInterval(timer);
      gone();
    });
  }, intervalMs);
  timer.unref();
}
