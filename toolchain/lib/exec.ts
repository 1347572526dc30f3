import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { constants } from "node:os";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { UserError, messageOf } from "./errors";
import { forwardSignals, onSignal, stopIfInterrupted } from "./interrupt";

export { which, whichAll } from "./which";

/** Lines of output that an error quotes. */
const QUOTED_LINES = 15;
/** Bytes of standard output that are kept; what comes before is dropped. */
const KEPT_BYTES = 4 * 1024 * 1024;
/** Default of {@link ExecOptions.graceMs}. */
const KILL_GRACE_MS = 3_000;

export interface ExecOptions {
  /** Milliseconds after which the child and everything it started are ended. Every external process has a limit. */
  readonly timeoutMs: number;
  readonly cwd?: string;
  /** Complete environment of the child. @default process.env */
  readonly env?: NodeJS.ProcessEnv;
  /** Text or stream for standard input. @default nothing */
  readonly input?: string | Readable;
  /** Called with every line of standard output and standard error, for progress. */
  readonly onLine?: (line: string) => void;
  /** What the user can do by hand when it fails or hangs; becomes the hint of the error. */
  readonly fix?: string;
  /** Milliseconds between asking it to end (SIGTERM: time limit, Ctrl-C) and ending it (SIGKILL). @default 3 s */
  readonly graceMs?: number;
  /** @default true: an exit code other than 0 throws. */
  readonly check?: boolean;
}

export interface ExecResult {
  /** Exit code; 128 + number of the signal when a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  /** The last lines of standard output and standard error, in the order they came. */
  readonly tail: string;
  readonly durationMs: number;
}

/** A child process failed, could not be started, or was ended because it took too long. */
export class ExecError extends UserError {
  override readonly name = "ExecError";

  constructor(
    message: string,
    hint: string | undefined,
    readonly tail: string,
    /** Undefined when the process could not be started or was ended. */
    readonly code?: number,
  ) {
    super(message, hint);
  }
}

/**
 * Runs a program to its end with its output captured. The child leads a process group of its own, so that a time limit or
 * Ctrl-C ends what it started too.
 *
 * @throws ExecError with the last lines of output when it fails, hangs or cannot be started; InterruptedError after Ctrl-C
 */
export async function exec(file: string, args: readonly string[], options: ExecOptions): Promise<ExecResult> {
  stopIfInterrupted();
  const started = performance.now();
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    detached: process.platform !== "win32",
    windowsHide: true,
  });
  const output = capture(child, options.onLine);
  const guard = supervise(child, options.timeoutMs, options.graceMs ?? KILL_GRACE_MS);
  try {
    const [code] = await Promise.all([ended(child, file, options), feed(child, options.input)]);
    const durationMs = performance.now() - started;
    stopIfInterrupted();
    if (guard.timedOut()) {
      const limit = formatDuration(options.timeoutMs);
      throw new ExecError(
        `${describe(file, args)} did not finish within ${limit} and was ended${quote(output.tail())}`,
        options.fix,
        output.tail(),
      );
    }
    if (code !== 0 && options.check !== false) {
      throw new ExecError(`${describe(file, args)} failed with exit code ${code}${quote(output.tail())}`, options.fix, output.tail(), code);
    }
    return { code, stdout: output.stdout(), tail: output.tail(), durationMs };
  } finally {
    guard.release();
  }
}

/**
 * Runs a program on the user's own terminal (for example `pulumi up`) and returns its exit code. On a terminal, Ctrl-C
 * reaches the child directly and this process waits for it; elsewhere the signal is passed on exactly once, because Pulumi
 * takes a second one as "stop at once".
 */
export async function interactive(
  file: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<number> {
  stopIfInterrupted();
  const terminal = process.stdin.isTTY;
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: "inherit",
    // Not on a terminal: a group of its own, so that a signal to our group does not reach it a second time.
    detached: !terminal && process.platform !== "win32",
  });
  const release = forwardSignals(child);
  try {
    return await ended(child, file, {});
  } finally {
    release();
  }
}

/** `850 ms`, `4.1 s`, `3 min 5 s`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  if (ms < 100_000) return `${trimZero((ms / 1000).toFixed(1))} s`;
  const seconds = Math.round(ms / 1000);
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

function trimZero(text: string): string {
  return text.replace(/\.0$/, "");
}

function describe(file: string, args: readonly string[]): string {
  const line = [file, ...args].join(" ");
  return `\`${line.length > 160 ? `${line.slice(0, 157)}…` : line}\``;
}

function quote(tail: string): string {
  const lines = tail.split("\n").slice(-QUOTED_LINES);
  return tail === "" ? "" : `; its last output:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}

interface Captured {
  stdout(): string;
  tail(): string;
}

function capture(child: ChildProcess, onLine: ((line: string) => void) | undefined): Captured {
  const chunks: Buffer[] = [];
  let kept = 0;
  const lines: string[] = [];
  const line = (text: string): void => {
    lines.push(text);
    if (lines.length > QUOTED_LINES * 3) lines.shift();
    onLine?.(text);
  };
  child.stdout?.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    kept += chunk.length;
    while (chunks.length > 1 && kept > KEPT_BYTES) kept -= chunks.shift()?.length ?? 0;
  });
  for (const stream of [child.stdout, child.stderr]) {
    if (!stream) continue;
    let rest = "";
    const decoder = new TextDecoder();
    stream.on("data", (chunk: Buffer) => {
      // A carriage return redraws a progress line: each redraw counts as a line of its own.
      const parts = (rest + decoder.decode(chunk, { stream: true })).split(/\r?\n|\r/);
      rest = parts.pop() ?? "";
      for (const part of parts) if (part.trim() !== "") line(part);
    });
    stream.on("end", () => {
      if (rest.trim() !== "") line(rest);
    });
  }
  return { stdout: () => Buffer.concat(chunks).toString("utf8"), tail: () => lines.join("\n") };
}

/** Resolves to the exit code once the child has ended and its output is read to the end. */
function ended(child: ChildProcess, file: string, options: Pick<ExecOptions, "fix">): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", (error: NodeJS.ErrnoException) => {
      const why = error.code === "ENOENT" ? "it is not installed or not on PATH" : error.message;
      reject(new ExecError(`\`${file}\` cannot be started: ${why}`, options.fix, ""));
    });
    child.once("close", (code, signal) => {
      resolve(code ?? 128 + (signal ? constants.signals[signal] : 0));
    });
  });
}

async function feed(child: ChildProcess, input: string | Readable | undefined): Promise<void> {
  if (input === undefined || !child.stdin) return;
  try {
    await pipeline(typeof input === "string" ? [input] : input, child.stdin);
  } catch (error) {
    // The child may end without reading its input; its exit code then says whether that was all right.
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "EPIPE" && code !== "ERR_STREAM_PREMATURE_CLOSE" && code !== "ERR_STREAM_DESTROYED") {
      throw new UserError(`writing to a child process failed: ${messageOf(error)}`);
    }
  }
}

/** Ends the child's process group at its time limit and on Ctrl-C: first SIGTERM, then SIGKILL. (Not SIGINT: shells let their background processes ignore it.) */
function supervise(child: ChildProcess, timeoutMs: number, graceMs: number): { timedOut(): boolean; release(): void } {
  const limit = timeLimit((signal) => signalGroup(child, signal), timeoutMs, graceMs);
  const unregister = onSignal(limit.end);
  return {
    timedOut: limit.expired,
    release: () => {
      limit.release();
      unregister();
    },
  };
}

/** How long something may take, and how it is ended then. */
export interface TimeLimit {
  /** Ends it before its time: asks it to, and after the grace makes it. */
  readonly end: () => void;
  readonly expired: () => boolean;
  /** It has ended: nothing is sent any more. */
  readonly release: () => void;
}

/**
 * Asks a process to end when its time is over (SIGTERM), and makes it when that does not help (SIGKILL).
 * @param send reaches the process, or its group
 * @param timeoutMs `undefined`: as long as it takes
 */
export function timeLimit(send: (signal: NodeJS.Signals) => void, timeoutMs: number | undefined, graceMs = KILL_GRACE_MS): TimeLimit {
  let expired = false;
  let kill: NodeJS.Timeout | undefined;
  const end = (): void => {
    send("SIGTERM");
    kill ??= setTimeout(() => send("SIGKILL"), graceMs);
  };
  const expire = (): void => {
    expired = true;
    end();
  };
  const limit = timeoutMs === undefined ? undefined : setTimeout(expire, timeoutMs);
  return {
    end,
    expired: () => expired,
    release: () => {
      clearTimeout(limit);
      clearTimeout(kill);
    },
  };
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  if (process.platform === "win32") {
    spawnSync("taskkill", ["/pid", String(child.pid), "/T", "/F"]);
    return;
  }
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    // The whole group has ended meanwhile.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
