import type { ChildProcess } from "node:child_process";
import { InterruptedError } from "./errors";

/** A terminal sends Ctrl-C to every process of the foreground group and run.mjs forwards its own: closer than this is one. */
const SAME_KEYPRESS_MS = 500;
/** How long after Ctrl-C a command without child processes may take to tidy up before it is ended. */
const GRACE_MS = 3_000;

const controller = new AbortController();
const children = new Set<(signal: NodeJS.Signals) => void>();
let last = Number.NEGATIVE_INFINITY;
let count = 0;

/** Aborted once the user pressed Ctrl-C (or SIGTERM arrived): pass it to `fetch`, timers and waits. */
export const interrupted: AbortSignal = controller.signal;

/** Throws {@link InterruptedError} once the user pressed Ctrl-C; call it between steps. */
export function stopIfInterrupted(): void {
  if (interrupted.aborted) throw new InterruptedError();
}

/** What a promise gives; after Ctrl-C {@link InterruptedError} at once, whatever time that what it stands for takes to end. */
export async function unlessInterrupted<T>(promise: Promise<T>): Promise<T> {
  let give: () => void = () => undefined;
  const over = new Promise<never>((_resolve, reject) => (give = () => reject(new InterruptedError())));
  interrupted.addEventListener("abort", give, { once: true });
  if (interrupted.aborted) give();
  try {
    return await Promise.race([promise, over]);
  } finally {
    interrupted.removeEventListener("abort", give);
  }
}

/** Registers how a running child process is told of a signal; returns the function that unregisters it. */
export function onSignal(forward: (signal: NodeJS.Signals) => void): () => void {
  children.add(forward);
  return () => {
    children.delete(forward);
  };
}

/**
 * Passes signals on to a child of the same terminal, where Ctrl-C reaches it by itself: a terminal sends it to every process of its group.
 * @returns what ends that.
 */
export function forwardSignals(child: ChildProcess): () => void {
  return onSignal((signal) => {
    if (!process.stdin.isTTY || signal !== "SIGINT") child.kill(signal);
  });
}

/**
 * Installs the handling of SIGINT, SIGTERM and SIGHUP for this process, once, from main.ts: children get the signal, waits
 * are aborted, the command may tidy up. A second Ctrl-C is passed on again, a third ends the process at once.
 */
export function installInterruptHandling(): void {
  const receive = (signal: NodeJS.Signals): void => {
    const now = performance.now();
    if (now - last < SAME_KEYPRESS_MS) return;
    last = now;
    count += 1;
    if (count >= 3) process.exit(130);
    const busy = children.size > 0 || process.getActiveResourcesInfo().includes("ProcessWrap");
    // Pulumi dies of SIGHUP on the spot and leaves operations nobody knows the outcome of; at SIGTERM it finishes what is under way.
    for (const forward of children) forward(signal === "SIGHUP" ? "SIGTERM" : signal);
    controller.abort(new InterruptedError());
    if (!busy) setTimeout(() => process.exit(130), GRACE_MS).unref();
    else if (count === 1) process.stderr.write("\ninterrupted: waiting for what is running to stop (Ctrl-C again to insist)\n");
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, receive);
}
