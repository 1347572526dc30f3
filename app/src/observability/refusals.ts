import { Counter } from "prom-client";
import type { Logger } from "./logger";
import { registry } from "./metrics";

/** Why a request was refused, or a connection ended, before Express saw anything of it. */
export type RefusalReason = "overload" | "malformed" | "too-large" | "slow" | "connections";

const refusedTotal = new Counter({
  name: "http_refused_total",
  help: "Requests refused and connections ended before Express, by reason.",
  labelNames: ["reason"],
  registers: [registry],
});

/** Refusals are logged together once in this many ms: a flood of requests must not become a flood of lines. */
const LOG_INTERVAL_MS = 10_000;

/** Counts what is refused before there is a request log, and says so now and then. */
export class Refusals {
  #since = new Map<RefusalReason, number>();
  #reporting = false;

  constructor(
    private readonly logger: Logger,
    private readonly intervalMs = LOG_INTERVAL_MS,
  ) {}

  count(reason: RefusalReason): void {
    refusedTotal.inc({ reason });
    this.#since.set(reason, (this.#since.get(reason) ?? 0) + 1);
    if (this.#reporting) return;
    this.#reporting = true;
    setTimeout(() => this.#report(), this.intervalMs).unref();
  }

  #report(): void {
    this.logger.warn({ refused: Object.fromEntries(this.#since), seconds: this.intervalMs / 1000 }, "requests refused before Express");
    this.#since = new Map();
    this.#reporting = false;
  }
}
