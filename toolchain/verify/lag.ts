/** What the primary knew at one moment. Positions are bytes of the log. */
export interface LagSample {
  /** Milliseconds, by the primary's clock. */
  readonly at: number;
  readonly written: number;
  /** What each replica has replayed, by its name. */
  readonly replayed: Readonly<Record<string, number>>;
}

/** @param lines `milliseconds|written|name|replayed`, those of one moment together; others are left out */
export function lagSamples(lines: readonly string[]): LagSample[] {
  const samples: (LagSample & { replayed: Record<string, number> })[] = [];
  for (const line of lines) {
    const [, at, written, name, replayed] = /^(\d+(?:\.\d+)?)\|(\d+)\|([^|]+)\|(\d+)$/.exec(line) ?? [];
    if (name === undefined) continue;
    const last = samples.at(-1);
    if (last?.at === Number(at)) last.replayed[name] = Number(replayed);
    else samples.push({ at: Number(at), written: Number(written), replayed: { [name]: Number(replayed) } });
  }
  return samples;
}

/**
 * How far behind a replica was at each moment, milliseconds: not less than it was, and at most the time between two samples more. 0 when
 * it had everything. Postgres' own `replay_lag` stands still when a replica does.
 */
export function lagsOf(samples: readonly LagSample[], replica: string): number[] {
  return samples.flatMap(({ at, written, replayed }) => {
    const position = replayed[replica];
    if (position === undefined) return [];
    if (position >= written) return [0];
    // Behind since before the first sample: at least since that.
    const since = samples.findLast((earlier) => earlier.at < at && earlier.written <= position) ?? samples[0];
    return [at - (since?.at ?? at)];
  });
}

/** The smallest value that is not below the given share of all. @param share 0 to 1 */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
