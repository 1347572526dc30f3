import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { exec } from "./exec";
import { onSignal } from "./interrupt";
import { stripAnsi } from "./update-failures";

/** How a run of Pulumi on the user's terminal ended. */
export interface UpdateRun {
  /** Exit code; 128 + number of the signal when one ended it. */
  readonly code: number;
  /** Whether the user pressed Ctrl-C while it ran. */
  readonly cancelled: boolean;
  /** What it complained about: its standard error and the errors of the resources, without colours. */
  readonly complaints: string;
  /** Resources by what was done to them (`create`, `same`, …); empty when it did not get that far. */
  readonly changes: Readonly<Record<string, number>>;
}

/** One event of the engine's log that matters here. */
interface EngineEvent {
  readonly stdoutEvent?: { readonly message?: string };
  readonly diagnosticEvent?: { readonly message?: string; readonly severity?: string };
  readonly summaryEvent?: { readonly resourceChanges?: Readonly<Record<string, number>> };
}

/**
 * Runs `pulumi ARGS` with Pulumi's own live display on this terminal, and keeps what it complained about.
 *
 * Its standard output stays the terminal (otherwise Pulumi would not draw); errors of resources are read from the engine's event
 * log, everything else from standard error, which is shown as it comes.
 */
export async function runUpdate(
  pulumi: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<UpdateRun> {
  const directory = mkdtempSync(path.join(tmpdir(), "phased-update-"));
  const eventLog = path.join(directory, "events.jsonl");
  try {
    const terminal = process.stdin.isTTY;
    const child = spawn(pulumi, [...args, "--event-log", eventLog], {
      cwd: options.cwd,
      // The event log is an option of the CLI's debug set.
      env: { ...options.env, PULUMI_DEBUG_COMMANDS: "true" },
      stdio: ["inherit", "inherit", "pipe"],
      // On a terminal Ctrl-C reaches Pulumi directly. Elsewhere it is passed on, exactly once: a second one means "stop at once".
      detached: !terminal && process.platform !== "win32",
    });
    let cancelled = false;
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => {
      process.stderr.write(chunk);
      errors += chunk.toString();
    });
    const release = onSignal((signal) => {
      cancelled = true;
      if (!terminal || signal !== "SIGINT") child.kill(signal);
    });
    try {
      const code = await ended(child);
      const events = parseEvents(readLog(eventLog));
      const complaints = stripAnsi(`${errors}\n${events.errors.join("\n")}`);
      // Pulumi's live display reads the keyboard: there Ctrl-C is a key, and no process gets a signal.
      cancelled ||= code !== 0 && events.cancelled;
      return { code, cancelled, complaints, changes: events.changes };
    } finally {
      release();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** How a preview ended, and what it found. */
export interface PreviewRun {
  readonly code: number;
  /** The last lines that it printed. */
  readonly tail: string;
  /** The engine's event log: one JSON object a line. */
  readonly log: string;
}

/**
 * Runs `pulumi ARGS` of a preview with its output captured, to be judged by its event log. An exit code other than 0 is no error here: that is
 * how `--expect-no-changes` says that there are some.
 */
export async function capturePreview(
  args: readonly string[],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv; readonly timeoutMs: number },
): Promise<PreviewRun> {
  const directory = mkdtempSync(path.join(tmpdir(), "phased-preview-"));
  const eventLog = path.join(directory, "events.jsonl");
  try {
    const { code, tail } = await exec("pulumi", [...args, "--non-interactive", "--color", "never", "--event-log", eventLog], {
      ...options,
      env: { ...options.env, PULUMI_DEBUG_COMMANDS: "true" },
      check: false,
    });
    return { code, tail, log: readLog(eventLog) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function ended(child: ReturnType<typeof spawn>): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    // `close`, not `exit`: standard error has then been read to its end.
    child.once("close", (code, signal) => {
      resolve(code ?? (signal === "SIGINT" ? 130 : 143));
    });
  });
}

/** Pulumi makes the log when the update begins; a run that was refused before has none. */
function readLog(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

/** What Pulumi's CLI says when its display reads Ctrl-C (pkg/backend/display, 3.259). */
const CTRL_C = "^C received";

/** Errors, counts and whether the user ended it, of an engine event log (one JSON object a line; the last may be cut off when the CLI was killed). */
export function parseEvents(log: string): {
  readonly errors: string[];
  readonly changes: Readonly<Record<string, number>>;
  readonly cancelled: boolean;
} {
  const errors: string[] = [];
  let cancelled = false;
  let changes: Readonly<Record<string, number>> = {};
  for (const line of log.split("\n")) {
    if (!line.endsWith("}")) continue;
    const event = JSON.parse(line) as EngineEvent;
    cancelled ||= `${event.stdoutEvent?.message ?? ""}${event.diagnosticEvent?.message ?? ""}`.includes(CTRL_C);
    if (event.diagnosticEvent?.severity === "error") errors.push(event.diagnosticEvent.message ?? "");
    if (event.summaryEvent?.resourceChanges !== undefined) changes = event.summaryEvent.resourceChanges;
  }
  return { errors, changes, cancelled };
}
