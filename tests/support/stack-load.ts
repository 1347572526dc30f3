import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { HttpLoad } from "../../toolchain/chaos/http-load";
import { type Failure, Recorder } from "../../toolchain/chaos/recorder";
import type { DatabaseStack } from "./database-stack";

/** What clients saw while something happened to a stack. */
export interface Seen {
  /** Orders that were answered 201. */
  readonly acknowledged: number;
  /** Of these, what is not on the primary afterwards. */
  readonly lost: readonly string[];
  /** Requests that were answered otherwise, or not at all. */
  readonly failures: readonly Failure[];
  /** Longest time without an acknowledged order, in milliseconds. */
  readonly gapMs: number;
}

/**
 * Orders a second, beside half as many reads. Images are built and instances start meanwhile, perhaps on a host that others use: at 40 a
 * second and a load of 20 on two cores companies had to wait their 5 s. What is asserted is that nobody is refused, not how much it carries.
 */
const WRITES_PER_SECOND = 20;

/** Time before and after, in milliseconds: a gap needs a beginning and an end. */
const AROUND_MS = 2000;

/** Orders and reads at a fixed rate, from before something happens until writes flow again after it; nothing is sent twice. */
export async function underLoad(
  stack: DatabaseStack,
  url: string,
  adminToken: string,
  happens: () => Promise<unknown>,
  writesPerSecond = WRITES_PER_SECOND,
): Promise<Seen> {
  const directory = mkdtempSync(path.join(tmpdir(), "phased-load-"));
  const recorder = new Recorder(path.join(directory, "writes.log"));
  const load = new HttpLoad(url, recorder, writesPerSecond, { "x-rate-limit-bypass": adminToken });
  try {
    await load.signUp();
    load.start();
    const from = Date.now();
    await delay(AROUND_MS);
    await happens();
    await flowing(recorder);
    // Giving up what is under way is no failure of the stack.
    const [to, failures] = [Date.now(), [...recorder.failures]];
    load.stop();
    const present = new Set((await stack.sql(await stack.primary(), "SELECT id FROM orders")).split("\n"));
    const written = recorder.within("app", { from, to });
    return {
      acknowledged: written.length,
      lost: written.filter(({ id }) => !present.has(id)).map(({ id }) => id),
      failures,
      gapMs: recorder.gap("app", { from, to }),
    };
  } finally {
    load.stop();
    await recorder.close();
    rmSync(directory, { recursive: true });
  }
}

/** How many requests failed, in which ways, and when, in one line. @param failures at least one */
export function told(failures: readonly Failure[]): string {
  const kinds = [...new Set(failures.map(({ channel, why }) => `${channel}: ${why}`))].join("; ");
  const [first, last] = [failures[0], failures.at(-1)].map((failure) => new Date(failure?.at ?? 0).toISOString());
  return `${failures.length} requests failed (${kinds}) from ${first} to ${last}`;
}

/** Waits until orders have been acknowledged without a pause for a while. */
async function flowing(recorder: Recorder): Promise<void> {
  const deadline = Date.now() + 60_000;
  const begun = Date.now();
  for (;;) {
    const span = { from: Date.now() - AROUND_MS, to: Date.now() };
    if (span.from >= begun && recorder.gap("app", span) < AROUND_MS / 2) return;
    if (Date.now() > deadline) throw new Error("orders are not acknowledged again within 60 s");
    await delay(100);
  }
}
