import { errorText } from "./definitions";
import { type Job, type JsonObject, PermanentJobError, type Processor } from "./queue";

/** Why an attempt is cut short from outside. */
export type AbortReason = "cancelled" | "drain" | "lease-lost";

export type AttemptOutcome =
  | { readonly kind: "completed"; readonly result: JsonObject }
  | { readonly kind: "failed"; readonly error: string; readonly permanent: boolean }
  | { readonly kind: AbortReason };

/**
 * One run of a processor. It ends when the processor does, at the timeout, or when it is aborted, whichever is first; a processor that
 * does not listen to its signal no longer counts, and what it still returns is ignored.
 */
export class Attempt {
  private readonly controller = new AbortController();
  private cutShort!: (outcome: AttemptOutcome) => void;
  private readonly aborted = new Promise<AttemptOutcome>((resolve) => (this.cutShort = resolve));

  constructor(
    readonly job: Job,
    private readonly processor: Processor,
    private readonly timeoutMs: number,
  ) {}

  abort(reason: AbortReason): void {
    this.cutShort({ kind: reason });
    this.controller.abort(new Error(reason));
  }

  async run(progress: (percent: number) => Promise<void>): Promise<AttemptOutcome> {
    const timer = setTimeout(() => {
      const error = `It did not end within ${this.timeoutMs} ms.`;
      this.cutShort({ kind: "failed", error, permanent: false });
      this.controller.abort(new Error(error));
    }, this.timeoutMs);
    try {
      return await Promise.race([this.aborted, this.process(progress)]);
    } finally {
      clearTimeout(timer);
    }
  }

  private async process(progress: (percent: number) => Promise<void>): Promise<AttemptOutcome> {
    const { signal } = this.controller;
    try {
      const result = await this.processor(this.job, {
        signal,
        progress: (percent) => (signal.aborted ? Promise.resolve() : progress(Math.max(0, Math.min(100, Math.round(percent))))),
      });
      return { kind: "completed", result };
    } catch (error) {
      return { kind: "failed", error: errorText(error), permanent: error instanceof PermanentJobError };
    }
  }
}
