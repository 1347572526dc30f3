import { answerInPrimary, askPrimary } from "./channel";

const TOPIC = "drain-worker";

/** The primary only looks the worker up; booting its replacement is not waited for. Milliseconds. */
const DEADLINE_MS = 1000;

/**
 * - `accepted`: its replacement boots, or is on its way already.
 * - `starting`: it does not serve yet. `unknown`: no process has this number. `alone`: a single process, which nobody could take over from.
 */
export type DrainOutcome = "accepted" | "starting" | "unknown" | "alone";

/** To be called in the primary, or the only process, before workers start. @param drain gets the number of the process */
export function answerDrains(drain: (worker: number) => DrainOutcome): void {
  answerInPrimary(TOPIC, (worker) => drain(Number(worker)));
}

/**
 * Replaces one worker of this instance without a failed request: a new one boots, takes over, and the old one finishes what it has.
 * @param worker number of the process, not of its slot: a second request does not hit the replacement.
 * @throws when the primary does not answer within 1 s.
 */
export function drainWorker(worker: number): Promise<DrainOutcome> {
  return askPrimary<DrainOutcome>(TOPIC, worker, DEADLINE_MS);
}
