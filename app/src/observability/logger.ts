import cluster from "node:cluster";
import pino from "pino";
import type { AppConfig } from "../config";
import { LineBuffer } from "./line-buffer";

export type Logger = pino.Logger;

/**
 * Characters collected before one write to stdout, about fifty lines; a lone line still leaves after {@link FLUSH_INTERVAL_MS}.
 * Workers share the stdout of their primary, usually a pipe, and a pipe keeps a write in one piece up to 4,096 bytes (PIPE_BUF of Linux):
 * in larger ones the lines of two workers would be torn into each other.
 */
const MOST_COLLECTED = cluster.isWorker ? 4096 : 16 * 1024;

/** Longest time a line waits in the buffer, in milliseconds. */
const FLUSH_INTERVAL_MS = 250;

let stdout: pino.DestinationStream | undefined;

/**
 * The process's one stdout stream: buffered, written without blocking, flushed when the process exits. It has no worker thread,
 * because the app is one bundled file and pino would have to load its transport from a path of its own.
 */
function destination(): pino.DestinationStream {
  if (stdout === undefined) {
    const stream = standardOutput({ sync: false });
    const lines = new LineBuffer(MOST_COLLECTED, (text) => stream.write(text));
    setInterval(() => lines.flush(), FLUSH_INTERVAL_MS).unref();
    process.on("exit", () => {
      stream.flushSync();
      // Node cancels writes that no thread has begun when a process exits: what is left is written here and now.
      const last = standardOutput({ sync: true });
      lines.flush((text) => last.write(text));
    });
    stdout = lines;
  }
  return stdout;
}

function standardOutput({ sync }: { readonly sync: boolean }) {
  const stream = pino.destination({ fd: 1, sync });
  // A reader that went away (`node main.js | head`) must not take the app down; there is nowhere left to report it.
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
  return stream;
}

let isoAt = Number.NaN;
let iso = "";

/** `,"time":"…"` as pino wants it. Lines of the same millisecond share the text. */
function isoTime(): string {
  const now = Date.now();
  if (now !== isoAt) {
    isoAt = now;
    iso = `,"time":"${new Date(now).toISOString()}"`;
  }
  return iso;
}

/** Writes a line whose fields are JSON already: `,"name":value` for each, in the order given. */
export type RawLine = (level: "info" | "warn" | "error", fields: string, message: string) => void;

/** What of a pino logger is needed to write its lines without its serialiser, under the symbols that pino exports. */
interface Internals {
  readonly [level: symbol]: unknown;
}

/**
 * Lines like those of `logger`, with the same level, time, bindings and destination, for the one line a request that every request pays
 * for. pino would walk an object, ask its redaction for each path and serialise it again: 10 µs against 1. Nothing is redacted here, so
 * the caller passes only fields that hold no secret.
 *
 * @param message without characters that JSON escapes.
 */
export function rawLines(logger: Logger): RawLine {
  const internals = logger as unknown as Internals;
  const { lsCacheSym, timeSym, chindingsSym, streamSym } = pino.symbols;
  const levels = internals[lsCacheSym] as Readonly<Record<number, string>>;
  const time = internals[timeSym] as () => string;
  const bindings = internals[chindingsSym] as string;
  const stream = internals[streamSym] as { write(line: string): void };
  return (level, fields, message) => {
    const value = pino.levels.values[level] ?? 0;
    if (value < logger.levelVal) return;
    stream.write(`${levels[value] ?? ""}${time()}${bindings}${fields},"msg":"${message}"}\n`);
  };
}

/**
 * A JSON logger on stdout. Fields of every line: `level` as a word, `time` as ISO 8601, `app`, `version`, and the bindings.
 *
 * @param bindings fields added to every line, e.g. `{ worker: 2 }`.
 * @param stream where to write instead of stdout; for tests.
 */
export function createLogger(
  config: Pick<AppConfig, "logLevel" | "appName" | "appVersion">,
  bindings: Readonly<Record<string, unknown>> = {},
  stream?: pino.DestinationStream,
): Logger {
  return pino(
    {
      level: config.logLevel,
      base: { app: config.appName, version: config.appVersion, pid: process.pid, ...bindings },
      timestamp: isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // The last line of defence: no code logs these on purpose.
      redact: { paths: ["password", "token", "*.password", "*.token", "*.authorization", "*.cookie"], censor: "[redacted]" },
    },
    stream ?? destination(),
  );
}
