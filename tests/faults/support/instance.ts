import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import type { ClusterStatus } from "../../../app/src/cluster/types";
import { programs, type Programs } from "./programs";
import { get } from "./load";

/** One line of the app's log. */
export interface LogLine {
  readonly msg: string;
  readonly time: string;
  readonly [field: string]: unknown;
}

/** What {@link launch} runs. */
export type ProgramName = Exclude<keyof Programs, "directory">;

const LONGEST_WAIT_MS = 30_000;

/** One running instance of a program: the primary and its workers. */
export class Instance {
  readonly lines: LogLine[] = [];
  stderr = "";
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  port = 0;
  private readonly watchers = new Set<() => void>();
  private ended = false;

  constructor(
    private readonly child: ChildProcess,
    private readonly bootFile: string,
  ) {
    createInterface({ input: child.stdout! }).on("line", (line) => {
      this.lines.push(JSON.parse(line) as LogLine);
      for (const watcher of this.watchers) watcher();
    });
    child.stderr!.on("data", (data: Buffer) => (this.stderr += data.toString()));
    this.exited = new Promise((resolve) => {
      // "close": the streams are read to their end.
      child.once("close", (code, signal) => {
        this.ended = true;
        for (const watcher of this.watchers) watcher();
        resolve({ code, signal });
      });
    });
  }

  get pid(): number {
    return this.child.pid!;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The next line from `since` on for which `matches`; fails with the whole log when it does not come. */
  line(matches: (line: LogLine) => boolean, since = 0): Promise<LogLine> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const found = this.lines.slice(since).find(matches);
        if (found === undefined && !this.ended) return;
        finish();
        if (found !== undefined) resolve(found);
        else reject(new Error(`the process ended before the line came: ${this.transcript()}`));
      };
      const timer = setTimeout(() => {
        finish();
        reject(new Error(`no such line within ${LONGEST_WAIT_MS} ms: ${this.transcript()}`));
      }, LONGEST_WAIT_MS);
      const finish = (): void => {
        clearTimeout(timer);
        this.watchers.delete(look);
      };
      this.watchers.add(look);
      look();
    });
  }

  message(msg: string, since = 0): Promise<LogLine> {
    return this.line((line) => line.msg === msg, since);
  }

  transcript(): string {
    return `\n${this.lines
      .filter((line) => line.msg !== "request")
      .map((line) => JSON.stringify(line))
      .join("\n")}\n${this.stderr}`;
  }

  /** What the fixture's workers find when they boot from now on. */
  setBoot(behaviour: "ok" | "fail" | "hang"): void {
    writeFileSync(this.bootFile, behaviour);
  }

  /** State by the fixture's own route. */
  async status(): Promise<ClusterStatus> {
    return JSON.parse((await get(`${this.url}/status`)).body) as ClusterStatus;
  }

  signal(signal: NodeJS.Signals, pid = this.pid): void {
    process.kill(pid, signal);
  }

  /** Ends it hard, workers included; harmless when it already ended. */
  kill(): void {
    if (this.ended) return;
    try {
      // Its own process group, see launch: also reaches stopped workers.
      process.kill(-this.pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }

  /** The same, and waits until it has ended. */
  async destroy(): Promise<void> {
    this.kill();
    await this.exited;
  }
}

const running = new Set<Instance>();

// In a process group of its own, an instance would outlive the tests that are ended from outside.
process.on("exit", () => {
  for (const instance of running) instance.kill();
});

/** Starts a program without waiting for it. Small intervals: what takes minutes in production takes moments here. */
export function launch(program: ProgramName, environment: Readonly<Record<string, string>> = {}): Instance {
  const directory = mkdtempSync(path.join(programs().directory, "run-"));
  const bootFile = path.join(directory, "boot");
  writeFileSync(bootFile, "ok");
  const child = spawn(process.execPath, [programs()[program]], {
    cwd: directory,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"],
      NODE_ENV: "production",
      HOST: "127.0.0.1",
      PORT: "0",
      WORKERS: "2",
      SQLITE_PATH: path.join(directory, "app.db"),
      FIXTURE_BOOT: bootFile,
      DRAIN_DELAY_MS: "200",
      // A machine that is busy with other tests is not what these are about; overload has its own.
      OVERLOAD_DELAY_MS: "0",
      SHUTDOWN_TIMEOUT_MS: "5000",
      // Loads of tests come from one address; tests of limits set what they need.
      RATE_LIMITS: "off",
      ...environment,
    },
  });
  const instance = new Instance(child, bootFile);
  running.add(instance);
  return instance;
}

/** Starts a program and waits until all its workers serve. */
export async function startInstance(program: ProgramName, environment: Readonly<Record<string, string>> = {}): Promise<Instance> {
  const instance = launch(program, environment);
  const workers = Number(environment["WORKERS"] ?? 2);
  if (workers === 1) instance.port = (await instance.message("ready"))["port"] as number;
  for (let slot = 1; slot <= workers && workers > 1; slot++) {
    instance.port = (await instance.line((line) => line.msg === "worker ready" && line["slot"] === slot))["port"] as number;
  }
  return instance;
}

/** To be called after each test. */
export async function destroyInstances(): Promise<void> {
  await Promise.all([...running].map((instance) => instance.destroy()));
  running.clear();
}

/** Waits until a process is gone; zombies count as gone, their parent just has not asked yet. */
export async function processGone(pid: number): Promise<void> {
  const { readFileSync } = await import("node:fs");
  const { setTimeout: delay } = await import("node:timers/promises");
  const deadline = performance.now() + LONGEST_WAIT_MS;
  while (performance.now() < deadline) {
    try {
      process.kill(pid, 0);
      if (/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))) return;
    } catch (error) {
      if (["ESRCH", "ENOENT"].includes((error as NodeJS.ErrnoException).code ?? "")) return;
      throw error;
    }
    await delay(10);
  }
  throw new Error(`process ${pid} is still there after ${LONGEST_WAIT_MS} ms`);
}
