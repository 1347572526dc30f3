import { answerInPrimary, askPrimary } from "../cluster/channel";

/** Topic of the questions; the payload says whether the worker wants to run jobs or stops doing so. */
const TOPIC = "job-runner";

/** A runner that does not ask again for this long has hung or died, ms. */
const TERM_MS = 6000;

/** Runners ask again this often, ms. */
export const ASK_EVERY_MS = 2000;

/** Longest wait for the primary's answer, ms. */
const ANSWER_MS = 1000;

type Ask = "run" | "leave";

/** In the primary: one worker of the instance runs background jobs, the others only serve. */
export function electRunners(now: () => number = () => performance.now()): void {
  let holder: number | undefined;
  let until = 0;
  answerInPrimary(TOPIC, (payload, worker) => {
    if ((payload as Ask) === "leave") {
      if (holder === worker) holder = undefined;
      return false;
    }
    if (holder !== undefined && holder !== worker && now() < until) return false;
    holder = worker;
    until = now() + TERM_MS;
    return true;
  });
}

/** Whether this worker is the one. Between two terms there may be two for a moment; leases keep them from running the same job. */
export function askToRun(): Promise<boolean> {
  return askPrimary<boolean>(TOPIC, "run" satisfies Ask, ANSWER_MS);
}

export async function stopRunning(): Promise<void> {
  await askPrimary<boolean>(TOPIC, "leave" satisfies Ask, ANSWER_MS);
}
