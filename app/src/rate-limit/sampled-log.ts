import type { Logger } from "../observability/logger";

/** Least time between two lines about the same matter, milliseconds: under attack the log must not become the load. */
const INTERVAL_MS = 10_000;

/** Warnings of which only one every ten seconds is written, with the number of those left out. Matters are few and named by the code. */
export class SampledLog {
  readonly #matters = new Map<string, { lastAt: number; suppressed: number }>();

  constructor(private readonly logger: Logger) {}

  warn(matter: string, fields: Readonly<Record<string, unknown>>, message: string): void {
    const now = performance.now();
    const known = this.#matters.get(matter);
    if (known !== undefined && now - known.lastAt < INTERVAL_MS) {
      known.suppressed += 1;
      return;
    }
    this.#matters.set(matter, { lastAt: now, suppressed: 0 });
    this.logger.warn({ ...fields, suppressed: known?.suppressed ?? 0 }, message);
  }
}
