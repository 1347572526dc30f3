import { loadavg } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { type CompareOptions, compareWithSingle } from "../load/compare";
import type { Profile } from "../load/profiles";
import { BUSY_LOAD, type LoadResult } from "../load/result";
import { type LoadTarget, renderResult, runLoad } from "../load/run";
import { messageOf } from "../lib/errors";
import { interrupted } from "../lib/interrupt";
import { renderRows } from "./run";
import type { Row } from "./types";

const defaults = {
  /** Longest wait before a load for the machine to come to rest, ms: an average over a minute falls from 6 to 1 in that. */
  restMs: 120_000,
  /** The system itself brings the average up to date every 5 s. */
  restStepMs: 1000,
} as const;

/** What was found under load, as `--json` of `npm run verify` writes it beside the checks. */
export interface LoadProof {
  /** One result for each profile that was sent, in their order. */
  readonly loads: readonly LoadResult[];
  /** The rate that the stack carries ÷ that of the unscaled app (C9), where it was asked for: of the stack, and of no profile. */
  readonly compared: readonly Row[];
  /** What was asked for and is not among them; absent when everything is. */
  readonly notSent?: NotSent;
}

/** Loads that were not sent, and why. */
export interface NotSent {
  /** Names of profiles, and `--compare`. */
  readonly names: readonly string[];
  readonly reason: string;
}

export interface UnderLoadOptions {
  /** Also C9, once and after the loads. @default not */
  readonly compare?: Pick<CompareOptions, "cores"> | undefined;
  /** Nothing is printed. */
  readonly quiet: boolean;
  /** Called before the first load, after each, after the comparison, and when one cannot be sent, with all that there is by then. */
  readonly onLoad: (proof: LoadProof) => void;
  /** @default {@link runLoad} */
  readonly send?: typeof runLoad;
  /** @default {@link compareWithSingle} */
  readonly compareWith?: typeof compareWithSingle;
  /** Resolves when the next load, or the comparison, may be sent. @default when the machine is at rest, or 2 minutes are over */
  readonly rest?: () => Promise<void>;
}

/**
 * Sends loads one after the other, each to a machine that has come to rest, and prints the table of each, then one of all targets where there is
 * more than one. Ctrl-C ends the one that is being sent, and none follows.
 * @throws UserError when the stack is not on this machine, or does not let the companies sign up; `onLoad` has been told then what was not sent.
 */
export async function proveUnderLoad(profiles: readonly Profile[], target: LoadTarget, options: UnderLoadOptions): Promise<LoadProof> {
  const { compare, quiet, onLoad, send = runLoad, compareWith = compareWithSingle, rest = () => atRest(quiet) } = options;
  const print = (text: string): void => {
    if (!quiet) process.stdout.write(`\n${text}\n`);
  };
  const wanted = [...profiles.map(({ name }) => name), ...(compare === undefined ? [] : ["--compare"])];
  let proof: LoadProof = { loads: [], compared: [] };
  // Told before the first as well: whatever ends this process, the report that is there by then says what it does not have.
  const have = (more: Partial<LoadProof>, reason = "the run has not come to it"): LoadProof => {
    const { loads, compared } = { ...proof, ...more };
    const names = wanted.slice(loads.length + compared.length);
    proof = { loads, compared, ...(names.length > 0 && { notSent: { names, reason } }) };
    onLoad(proof);
    return proof;
  };
  try {
    have({});
    for (const profile of profiles) {
      await rest();
      if (interrupted.aborted) return have({}, "interrupted");
      if (!quiet) process.stderr.write("\n");
      const load = await send(profile, target, { quiet });
      have({ loads: [...proof.loads, load] });
      print(renderResult(load));
      if (load.interrupted) return have({}, "interrupted");
    }
    if (compare !== undefined) {
      await rest();
      if (interrupted.aborted) return have({}, "interrupted");
      have({ compared: [await compareWith(target, { ...compare, quiet })] });
    }
  } catch (error) {
    have({}, messageOf(error));
    throw error;
  }
  const together = rowsUnderLoad(proof);
  if (together.length > 0) print(renderRows(together));
  return proof;
}

/** All targets in one table, each with its profile's name; empty where the table of the only load has them all. */
export function rowsUnderLoad({ loads, compared }: LoadProof): readonly Row[] {
  if (loads.length < 2 && compared.length === 0) return [];
  return [...loads.flatMap(({ profile, rows }) => rows.map((row) => ({ ...row, title: `${profile}: ${row.title}` }))), ...compared];
}

/** Whether a target was missed under any of the loads, or by the comparison. */
export function hasMissed({ loads, compared }: LoadProof): boolean {
  return [...loads.flatMap(({ rows }) => rows), ...compared].some(({ verdict }) => verdict === "fail");
}

/** What checks, a load or others leave behind would be in the figures of the next load. */
async function atRest(quiet: boolean): Promise<void> {
  if ((loadavg()[0] ?? 0) < BUSY_LOAD) return;
  if (!quiet) process.stderr.write(`\nwaiting at most ${defaults.restMs / 1000} s for the machine to come to rest\n`);
  const deadline = performance.now() + defaults.restMs;
  while ((loadavg()[0] ?? 0) >= BUSY_LOAD && performance.now() < deadline && !interrupted.aborted) await delay(defaults.restStepMs);
}
