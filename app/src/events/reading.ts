import { setTimeout as delay } from "node:timers/promises";
import type { Database } from "../db/database";
import type { Logger } from "../observability/logger";
import { purgeEffects } from "./effects";

const defaults = {
  /** Pause after a lost connection: first and longest, milliseconds. */
  retryFirstMs: 200,
  retryMostMs: 5000,
  purgeMs: 600_000,
} as const;

/** Forgets what is old every ten minutes, until the signal ends it, also in the middle of much. What fails is logged, and tried again the next time. */
export function purgeRegularly(database: Database, logger: Logger, signal: AbortSignal): void {
  let purging = false;
  const purge = async (): Promise<void> => {
    // Much may take longer than the time between two.
    if (purging) return;
    purging = true;
    try {
      await purgeEffects(database, Date.now(), signal);
    } catch (error) {
      logger.warn({ reason: String(error) }, "old events could not be forgotten");
    } finally {
      purging = false;
    }
  };
  const timer = setInterval(() => void purge(), defaults.purgeMs).unref();
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
}

/** Waits before reading is tried again: longer after each failure, and at random, so that not all come back together. @param failures in a row */
export async function pauseAfter(failures: number, signal: AbortSignal): Promise<void> {
  const pause = Math.min(defaults.retryMostMs, defaults.retryFirstMs * 2 ** Math.min(10, failures - 1));
  await delay(pause * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
}
