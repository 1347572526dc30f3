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

/** Forgets what is old now and then, until the timer is cleared. */
export function purgeRegularly(database: Database, logger: Logger): NodeJS.Timeout {
  return setInterval(() => {
    purgeEffects(database).catch((error: unknown) => logger.warn({ reason: String(error) }, "old events could not be forgotten"));
  }, defaults.purgeMs).unref();
}

/** Waits before reading is tried again: longer after each failure, and at random, so that not all come back together. @param failures in a row */
export async function pauseAfter(failures: number, signal: AbortSignal): Promise<void> {
  const pause = Math.min(defaults.retryMostMs, defaults.retryFirstMs * 2 ** Math.min(10, failures - 1));
  await delay(pause * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
}
