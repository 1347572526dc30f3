import { existsSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { Piscina } from "piscina";
import { allowMemory } from "../cluster/memory-allowance";
import { THREAD_MB } from "../ocr/settings";
import { PermanentJobError } from "./queue";
import type { ThreadAnswer, ThreadAnswers, ThreadTask } from "./thread";

const defaults = {
  /** A thread that has nothing to do for this long ends, ms: an idle instance keeps no memory for it. */
  idleTimeoutMs: 10_000,
  /** Heap of one thread, MiB; a document that needs more fails alone. V8 does not count what is in array buffers, see {@link pdfMb}. */
  heapMb: 256,
  /**
   * By how much the process may grow while PDFs are read, MiB. Streams of a PDF are decompressed into array buffers, and a few KB may hold as many
   * GB: without this the kernel would end the worker, and those that try again after it.
   */
  pdfMb: 384,
  /** Distance of two looks at that, ms; data is decompressed at some hundred MB a second. */
  lookMs: 50,
  /** Threads of one process at most; requests are served on the same CPUs. */
  mostThreads: 2,
  /** Longest reading of one image, ms: a page of A4 at 300 dpi full of text was measured at 5 s, and at 22 s where others kept all CPUs busy. */
  imageTimeoutMs: 60_000,
  /** A thread that ends has given its memory back after this, ms. */
  endingMs: 2000,
} as const;

const BYTES_PER_MB = 1024 ** 2;

type ImageTask = Extract<ThreadTask, { kind: "image-text" }>;

/** Threads for the CPU work of jobs. The first task starts the first one. */
export class Threads {
  private readonly pool = createPool(Math.max(1, Math.min(defaults.mostThreads, os.availableParallelism())));
  /** A thread of its own for images, so that there is never more than one recogniser with its memory. */
  private readonly imagePool = createPool(1);
  private lastImage: Promise<unknown> = Promise.resolve();
  private giveBackMemory: () => void = () => undefined;
  private idle: NodeJS.Timeout | undefined;
  /** PDFs being read. */
  private pdfs = 0;

  constructor(
    private readonly imageTimeoutMs: number = defaults.imageTimeoutMs,
    private readonly pdfMb: number = defaults.pdfMb,
  ) {}

  /** @param signal ends the thread in the middle of its work when it aborts. @throws PermanentJobError when the content itself is at fault. */
  async run<Kind extends ThreadTask["kind"]>(
    task: ThreadTask & { readonly kind: Kind },
    signal: AbortSignal,
  ): Promise<ThreadAnswers[Kind]> {
    const any: ThreadTask = task;
    const answer = await this.answer(any, signal);
    if ("unreadable" in answer) throw new PermanentJobError(answer.unreadable);
    return answer.value as ThreadAnswers[Kind];
  }

  private answer(task: ThreadTask, signal: AbortSignal): Promise<ThreadAnswer> {
    if (task.kind === "image-text") return this.afterOthers(task, signal);
    if (task.kind === "tax") return this.pool.run(task, withSignal(task, signal));
    return this.withinMemory(task, signal);
  }

  /** Ends the thread when the process grows too much. Of two that are read at a time nobody knows which it was: both are tried again. */
  private async withinMemory(task: ThreadTask, signal: AbortSignal): Promise<ThreadAnswer> {
    const before = process.memoryUsage.rss();
    const tooMuch = new AbortController();
    const others = { were: false };
    this.pdfs += 1;
    const watch = setInterval(() => {
      if (tooMuch.signal.aborted || process.memoryUsage.rss() - before <= this.pdfMb * BYTES_PER_MB) return;
      others.were = this.pdfs > 1;
      tooMuch.abort();
    }, defaults.lookMs);
    try {
      return await this.pool.run(task, withSignal(task, AbortSignal.any([signal, tooMuch.signal])));
    } catch (error) {
      if (!tooMuch.signal.aborted || signal.aborted) throw error;
      const reason = `Reading the PDF takes more than the ${this.pdfMb} MiB of memory there are for it.`;
      if (others.were) throw new Error(reason, { cause: error });
      return { unreadable: reason };
    } finally {
      clearInterval(watch);
      this.pdfs -= 1;
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.pool.destroy(), this.imagePool.destroy()]);
    clearTimeout(this.idle);
    this.giveBackMemory();
  }

  /** Images wait for each other here, and the clock of each runs from its turn. */
  private afterOthers(task: ImageTask, signal: AbortSignal): Promise<ThreadAnswer> {
    const turn = this.lastImage.then(async () => {
      signal.throwIfAborted();
      this.takeMemory(task.settings.memoryMb + THREAD_MB);
      const deadline = AbortSignal.timeout(this.imageTimeoutMs);
      try {
        return await this.imagePool.run(task, withSignal(task, AbortSignal.any([signal, deadline])));
      } catch (error) {
        if (!deadline.aborted || signal.aborted) throw error;
        // It would take as long the next time.
        return { unreadable: `The text of the image was not found within ${this.imageTimeoutMs} ms; send a smaller or a clearer one.` };
      } finally {
        // The recogniser stays as long as its thread.
        this.idle = setTimeout(() => this.giveBackMemory(), defaults.idleTimeoutMs + defaults.endingMs).unref();
      }
    });
    this.lastImage = turn.catch(() => undefined);
    return turn;
  }

  private takeMemory(mb: number): void {
    clearTimeout(this.idle);
    this.giveBackMemory();
    this.giveBackMemory = allowMemory(mb);
  }
}

/** Content moves into the thread instead of being copied; its owner has no further use for it. */
function withSignal(task: ThreadTask, signal: AbortSignal): { readonly signal: AbortSignal; readonly transferList?: ArrayBuffer[] } {
  return "content" in task ? { signal, transferList: [task.content.buffer as ArrayBuffer] } : { signal };
}

function createPool(maxThreads: number): Piscina<ThreadTask, ThreadAnswer> {
  const { filename, execArgv } = threadProgram();
  return new Piscina({
    filename,
    execArgv,
    minThreads: 0,
    maxThreads,
    idleTimeout: defaults.idleTimeoutMs,
    resourceLimits: { maxOldGenerationSizeMb: defaults.heapMb },
    // Only what the tasks need; the environment of the process holds secrets.
    env: {},
  });
}

/** In the image `job-thread.js` beside the bundle; in the source tree TypeScript, which the thread has to learn to read. */
function threadProgram(): { readonly filename: string; readonly execArgv: string[] } {
  const bundled = path.join(__dirname, "job-thread.js");
  if (existsSync(bundled)) return { filename: bundled, execArgv: [] };
  return { filename: path.join(__dirname, "thread.ts"), execArgv: ["--import", "tsx"] };
}
