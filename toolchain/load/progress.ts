import { coloursFor } from "../lib/colours";

/** How often the bar is drawn, and without a terminal a line written, in milliseconds. */
const EVERY_MS = { terminal: 500, plain: 15_000 } as const;
const BAR_WIDTH = 24;

/** How far a run is. */
export interface Position {
  /** Seconds of the plan that have passed, and all of them. */
  readonly seconds: number;
  readonly of: number;
  readonly stage: string;
  readonly done: number;
  readonly failed: number;
}

/** One line that says how far a run is. @param bar whether with a bar */
export function progressLine({ seconds, of, stage, done, failed }: Position, bar: boolean): string {
  const share = of === 0 ? 1 : Math.min(1, seconds / of);
  const filled = Math.round(share * BAR_WIDTH);
  const drawn = bar ? `[${"#".repeat(filled)}${"-".repeat(BAR_WIDTH - filled)}] ` : "";
  return `${drawn}${(share * 100).toFixed(0).padStart(3)} %  ${stage}: ${seconds.toFixed(0)} of ${of.toFixed(0)} s, ${done} requests, ${failed} failed`;
}

/** Shows how far a run is on standard error: a bar that is redrawn on a terminal, else a line every 15 s. */
export class ProgressBar {
  readonly #stream = process.stderr;
  readonly #colours = coloursFor(process.stderr);
  #timer: NodeJS.Timeout | undefined;
  #said = performance.now();

  /** Draws until {@link stop}. */
  start(position: () => Position): void {
    const terminal = this.#stream.isTTY;
    this.#timer = setInterval(() => this.#draw(position()), terminal ? EVERY_MS.terminal : EVERY_MS.plain);
  }

  /** A line that stays. */
  say(text: string): void {
    this.#clear();
    this.#stream.write(`${this.#colours.dim(text)}\n`);
  }

  /** A line that the next one replaces; without a terminal one that stays, every 15 s. */
  detail(text: string): void {
    if (!this.#stream.isTTY) {
      if (performance.now() - this.#said < EVERY_MS.plain) return;
      this.#said = performance.now();
      this.#stream.write(`${text}\n`);
      return;
    }
    this.#clear();
    this.#stream.write(text.slice(0, this.#stream.columns - 1));
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#clear();
  }

  #draw(position: Position): void {
    if (this.#stream.isTTY) this.detail(progressLine(position, true));
    else this.#stream.write(`${progressLine(position, false)}\n`);
  }

  #clear(): void {
    if (this.#stream.isTTY) this.#stream.write("\r\u001b[2K");
  }
}
