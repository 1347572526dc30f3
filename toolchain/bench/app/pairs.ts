import { median } from "../../lib/load";
import type { Run, Target } from "./load";

/** Two targets measured in turn: the ratio is `subject ÷ base`. */
export interface Pair {
  readonly id: string;
  readonly subject: Target;
  readonly base: Target;
}

/** All runs of a pair, in the order they came. */
export interface PairRuns {
  readonly id: string;
  readonly subject: readonly Run[];
  readonly base: readonly Run[];
}

/** What a pair says: medians of the rounds' own ratios, because both sides of a round saw the same machine. */
export interface PairResult {
  readonly id: string;
  /** Requests a second of the subject ÷ those of the base. */
  readonly ratio: number;
  /** CPU time a request of the subject ÷ that of the base. */
  readonly cpuRatio: number | undefined;
  readonly perSecond: number;
  readonly cpuMicros: number | undefined;
  readonly basePerSecond: number;
  readonly baseCpuMicros: number | undefined;
  readonly errors: number;
}

/**
 * Runs pairs A/B, B/A, A/B … A first run of each side warms it up and is not counted.
 * @param rounds counted rounds of each pair
 * @param runOnce one run against one target
 */
export async function measurePair(pair: Pair, rounds: number, runOnce: (target: Target, round: number) => Promise<Run>): Promise<PairRuns> {
  const subject: Run[] = [];
  const base: Run[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    const sides = [
      async () => ({ into: subject, run: await runOnce(pair.subject, round) }),
      async () => ({ into: base, run: await runOnce(pair.base, round) }),
    ];
    for (const side of round % 2 === 0 ? sides : sides.reverse()) {
      const { into, run } = await side();
      if (round > 0) into.push(run);
    }
  }
  return { id: pair.id, subject, base };
}

/** Medians of a pair's runs. */
export function pairResult({ id, subject, base }: PairRuns): PairResult {
  const cpu = (runs: readonly Run[]): number | undefined => {
    const known = runs.flatMap((run) => (run.cpuMicros === undefined ? [] : [run.cpuMicros]));
    return known.length === 0 ? undefined : median(known);
  };
  const cpuRatios = subject.flatMap((run, index) => {
    const other = base[index]?.cpuMicros;
    return run.cpuMicros === undefined || other === undefined || other === 0 ? [] : [run.cpuMicros / other];
  });
  return {
    id,
    ratio: median(subject.flatMap((run, index) => ratio(run.perSecond, base[index]?.perSecond))),
    cpuRatio: cpuRatios.length === 0 ? undefined : median(cpuRatios),
    perSecond: median(subject.map((run) => run.perSecond)),
    cpuMicros: cpu(subject),
    basePerSecond: median(base.map((run) => run.perSecond)),
    baseCpuMicros: cpu(base),
    errors: [...subject, ...base].reduce((sum, run) => sum + run.errors, 0),
  };
}

function ratio(one: number, other: number | undefined): number[] {
  return other === undefined || other === 0 ? [] : [one / other];
}
