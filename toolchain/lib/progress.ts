import { createColors } from "picocolors";
import { coloursFor } from "./colours";
import { formatDuration } from "./exec";

/** Without a terminal: how often a running step reports that it still runs. */
const REPORT_EVERY_MS = 15_000;
/** On a terminal: how often the elapsed time is redrawn. */
const REDRAW_EVERY_MS = 200;

/** What a running step may say. */
export interface Progress {
  /** What it does right now; shown beside the step, replaced by the next one. */
  readonly detail: (text: string) => void;
  /** A line that stays. */
  readonly line: (text: string) => void;
}

interface Running {
  readonly title: string;
  readonly started: number;
  detail: string;
  reported: number;
}

export interface StepListOptions {
  /** @default process.stdout */
  readonly stream?: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  /** @default true on a terminal that is not NO_COLOR, see coloursFor */
  readonly colors?: boolean;
}

/**
 * Shows steps with their elapsed time. On a terminal the running steps are redrawn in place; elsewhere every step prints one
 * line when it is done, and one every 15 s while it runs:
 * `[  12.3 s] Docker Engine … done (4.1 s)`. The time in brackets counts from the creation of the list.
 */
export class StepList {
  readonly #stream: NonNullable<StepListOptions["stream"]>;
  readonly #colors: ReturnType<typeof createColors>;
  readonly #started = performance.now();
  readonly #running = new Set<Running>();
  #timer: NodeJS.Timeout | undefined;
  #drawn = 0;

  constructor(options: StepListOptions = {}) {
    this.#stream = options.stream ?? process.stdout;
    this.#colors = options.colors === undefined ? coloursFor(this.#stream) : createColors(options.colors);
  }

  /**
   * Runs one step and shows how it ends. Steps may run at the same time.
   *
   * @param outcome what to print instead of "done"; given the step's result
   * @throws whatever the step throws, after showing that it failed
   */
  async run<T>(title: string, step: (progress: Progress) => Promise<T>, outcome?: (result: T) => string): Promise<T> {
    const running: Running = { title, started: performance.now(), detail: "", reported: performance.now() };
    this.#running.add(running);
    this.#startTimer();
    try {
      const result = await step({
        detail: (text) => {
          running.detail = text.trim();
        },
        line: (text) => this.#print(`${this.#clock()} ${title}: ${text}`),
      });
      this.#finish(running, this.#colors.green(outcome?.(result) ?? "done"));
      return result;
    } catch (error) {
      this.#finish(running, this.#colors.red("failed"));
      throw error;
    } finally {
      this.#running.delete(running);
      if (this.#running.size === 0) this.#stopTimer();
    }
  }

  /** A step that needed nothing: one line, without a time of its own. */
  note(title: string, text: string): void {
    this.#print(`${this.#clock()} ${title} … ${text}`);
  }

  #finish(running: Running, text: string): void {
    this.#running.delete(running);
    this.#print(`${this.#clock()} ${running.title} … ${text} (${formatDuration(performance.now() - running.started)})`);
  }

  #clock(): string {
    return this.#colors.dim(`[${((performance.now() - this.#started) / 1000).toFixed(1).padStart(6)} s]`);
  }

  #print(line: string): void {
    this.#erase();
    this.#stream.write(`${line}\n`);
    this.#draw();
  }

  #startTimer(): void {
    if (this.#timer) return;
    this.#timer = setInterval(() => this.#tick(), this.#stream.isTTY ? REDRAW_EVERY_MS : 1_000);
    this.#timer.unref();
  }

  #stopTimer(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#erase();
  }

  #tick(): void {
    if (this.#stream.isTTY) {
      this.#erase();
      this.#draw();
      return;
    }
    const now = performance.now();
    for (const running of this.#running) {
      if (now - running.reported < REPORT_EVERY_MS) continue;
      running.reported = now;
      this.#print(`${this.#clock()} ${this.#describe(running)}`);
    }
  }

  #describe(running: Running): string {
    const elapsed = formatDuration(Math.floor((performance.now() - running.started) / 1000) * 1000);
    return `${running.title} … running (${elapsed})${running.detail === "" ? "" : ` ${running.detail}`}`;
  }

  #draw(): void {
    if (!this.#stream.isTTY) return;
    const width = this.#stream.columns ?? 80;
    for (const running of this.#running) {
      const text = `${" ".repeat(11)}${this.#describe(running)}`;
      // A line that wraps could not be erased by moving up one line.
      this.#stream.write(`${text.slice(0, width - 1)}\n`);
      this.#drawn += 1;
    }
  }

  #erase(): void {
    if (this.#drawn === 0) return;
    this.#stream.write(`\u001b[${this.#drawn}A\u001b[0J`);
    this.#drawn = 0;
  }
}
