import { setTimeout as pause } from "node:timers/promises";
import { interrupted, stopIfInterrupted } from "../lib/interrupt";

/** Between two looks, milliseconds. */
const EVERY_MS = 250;

/**
 * Looks again and again until something is found or the time is up.
 * @param seconds longest time; there is at least one look
 * @returns what was found, `undefined` when nothing was in time
 */
export async function until<Found>(seconds: number, look: () => Promise<Found | undefined>): Promise<Found | undefined> {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    stopIfInterrupted();
    const found = await look();
    if (found !== undefined || performance.now() > deadline) return found;
    // Ctrl-C ends the pause; the next look says so.
    await pause(EVERY_MS, undefined, { signal: interrupted }).catch(() => undefined);
  }
}
