import { createWriteStream, mkdirSync, type WriteStream } from "node:fs";
import path from "node:path";
import { longestGap, type PrimaryRound, type Span } from "./measure";

/** How a write gets to the database: over HTTP through load balancer and app, or in SQL straight to PgBouncer. */
export type Channel = "app" | "direct";

/** A write that was answered with success. */
export interface Acknowledged {
  readonly channel: Channel;
  readonly id: string;
  /** When the answer was there. */
  readonly at: number;
  readonly tookMs: number;
}

/** A request that was not. */
export interface Failure {
  readonly channel: Channel | "read";
  readonly at: number;
  /** Status code or system error. */
  readonly why: string;
}

/** Everything that is remembered of one run, in memory and, for looking into afterwards, in a file with a line each. */
export class Recorder {
  /** In the order in which they were answered, by channel: whoever waits for writes to flow looks at the last seconds of hours. */
  readonly #acknowledged: Record<Channel, Acknowledged[]> = { app: [], direct: [] };
  readonly failures: Failure[] = [];
  readonly rounds: PrimaryRound[] = [];
  #file: WriteStream;

  /** @param file gets `time ack|fail channel id|reason` and what happened; its directory is made. */
  constructor(readonly file: string) {
    mkdirSync(path.dirname(file), { recursive: true });
    this.#file = createWriteStream(file, { flags: "a" });
  }

  acknowledge(write: Acknowledged): void {
    this.#acknowledged[write.channel].push(write);
    this.#line(write.at, `ack ${write.channel} ${write.id} ${write.tookMs.toFixed(0)}ms`);
  }

  fail(failure: Failure): void {
    this.failures.push(failure);
    this.#line(failure.at, `fail ${failure.channel} ${failure.why}`);
  }

  round(round: PrimaryRound): void {
    this.rounds.push(round);
  }

  /** A remark in the file. */
  note(text: string, at = Date.now()): void {
    this.#line(at, `-- ${text}`);
  }

  /** Longest time without an acknowledged write of a channel. */
  gap(channel: Channel, span: Span): number {
    return longestGap(
      this.within(channel, span).map(({ at }) => at),
      span,
    );
  }

  /** Writes of a channel that were acknowledged within a span. */
  within(channel: Channel, { from, to }: Span): Acknowledged[] {
    const all = this.#acknowledged[channel];
    let start = all.length;
    while (start > 0 && (all[start - 1]?.at ?? 0) >= from) start -= 1;
    return all.slice(start).filter(({ at }) => at <= to);
  }

  failuresOf(channel: Failure["channel"], { from, to }: Span): Failure[] {
    return this.failures.filter((failure) => failure.channel === channel && failure.at >= from && failure.at <= to);
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#file.end(() => resolve()));
  }

  #line(at: number, text: string): void {
    this.#file.write(`${new Date(at).toISOString()} ${text}\n`);
  }
}
