import { existsSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { Piscina } from "piscina";
import { PermanentJobError } from "./queue";
import type { ThreadAnswer, ThreadAnswers, ThreadTask } from "./thread";

const defaults = {
  /** A thread that has nothing to do for this long ends, ms: an idle instance keeps no memory for it. */
  idleTimeoutMs: 10_000,
  /** Memory of one thread, MiB; a document that needs more fails alone. */
  heapMb: 256,
  /** Threads of one process at most; requests are served on the same CPUs. */
  mostThreads: 2,
} as const;

/** Threads for the CPU work of jobs. The first task starts the first one. */
export class Threads {
  private readonly pool: Piscina<ThreadTask, ThreadAnswer>;

  constructor() {
    const { filename, execArgv } = threadProgram();
    this.pool = new Piscina({
      filename,
      execArgv,
      minThreads: 0,
      maxThreads: Math.max(1, Math.min(defaults.mostThreads, os.availableParallelism())),
      idleTimeout: defaults.idleTimeoutMs,
      resourceLimits: { maxOldGenerationSizeMb: defaults.heapMb },
      // Only what the tasks need; the environment of the process holds secrets.
      env: {},
    });
  }

  /** @param signal ends the thread in the middle of its work when it aborts. @throws PermanentJobError when the content itself is at fault. */
  async run<Kind extends ThreadTask["kind"]>(
    task: ThreadTask & { readonly kind: Kind },
    signal: AbortSignal,
  ): Promise<ThreadAnswers[Kind]> {
    const answer = await this.pool.run(task, { signal });
    if ("unreadable" in answer) throw new PermanentJobError(answer.unreadable);
    return answer.value as ThreadAnswers[Kind];
  }

  async close(): Promise<void> {
    await this.pool.destroy();
  }
}

/** In the image `job-thread.js` beside the bundle; in the source tree TypeScript, which the thread has to learn to read. */
function threadProgram(): { readonly filename: string; readonly execArgv: string[] } {
  const bundled = path.join(__dirname, "job-thread.js");
  if (existsSync(bundled)) return { filename: bundled, execArgv: [] };
  return { filename: path.join(__dirname, "thread.ts"), execArgv: ["--import", "tsx"] };
}
