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
  readonly acknowledged: Acknowledged[] = [];
  readonly failures: Failure[] = [];
  readonly rounds: PrimaryRound[] = [];
  #file: WriteStream;

  /** @param file gets `time ack|fail channel id|reason` and what happened; its directory is made. */
  constructor(readonly file: string) {
    mkdirSync(path.dirname(file), { recursive: true });
    this.#file = createWriteStream(file, { flags: "a" });
  }

  acknowledge(write: Acknowledged): void {
    this.acknowledged.push(write);
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
      this.within(span).flatMap((write) => (write.channel === channel ? [write.at] : [])),
      span,
    );
  }

  within({ from, to }: Span): Acknowledged[] {
    return this.acknowledged.filter(({ at }) => at >= from && at <= to);
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
