import { setTimeout as delay } from "node:timers/promises";
import { ConstraintError, type Database } from "../db/database";
import type { Logger } from "../observability/logger";
import { applyEvent } from "./effects";
import { MalformedEventError, parseEvent } from "./event";
import { consumedTotal } from "./metrics";

/** A record as it was read, with its place for the log and for the dead letter. */
export interface ReceivedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly key: string | undefined;
  readonly value: string | undefined;
}

/** What became of a record. */
export type Outcome = "applied" | "duplicate" | "ignored" | "dead-letter";

export interface HandlerOptions {
  readonly database: Database;
  readonly logger: Logger;
  /** Keeps a record that cannot be handled; rejects when it could not be kept. */
  readonly deadLetter: (record: ReceivedRecord, reason: string) => Promise<void>;
  /** Ends waiting for a database or a dead-letter topic that is away. */
  readonly signal: AbortSignal;
  /** @default {@link applyEvent} */
  readonly apply?: typeof applyEvent;
}

const defaults = {
  /** Attempts at a record with a database that answers; then the record is what is wrong. */
  strikes: 3,
  /** First and longest pause between attempts, milliseconds. */
  pauseFirstMs: 50,
  pauseMostMs: 2000,
} as const;

/**
 * Handles one record: its effect in one transaction, or the dead-letter topic when it can have none. While the database is away it waits,
 * however long that takes: the records behind it could not be handled either.
 */
export class EventHandler {
  readonly #options: HandlerOptions;

  constructor(options: HandlerOptions) {
    this.#options = options;
  }

  /** @throws AbortError when the signal ended it; the record is not handled then. */
  async handle(record: ReceivedRecord): Promise<Outcome> {
    const outcome = await this.#outcome(record);
    consumedTotal.inc({ outcome });
    return outcome;
  }

  async #outcome(record: ReceivedRecord): Promise<Outcome> {
    const { database, logger, apply = applyEvent } = this.#options;
    // Failures in a row that the database cannot be blamed for. One with a database that has just come back is not enough.
    let strikes = 0;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const event = parseEvent(record.value ?? "");
        if (event === undefined) return "ignored";
        return (await database.transaction((transaction) => apply(transaction, event))) ? "applied" : "duplicate";
      } catch (error) {
        if (isHopeless(error)) return this.#bury(record, error);
        strikes = (await this.#databaseAnswers()) ? strikes + 1 : 0;
        if (strikes >= defaults.strikes) return this.#bury(record, error);
        if (attempt === 1) logger.warn({ ...place(record), reason: String(error) }, "an event could not be handled; trying again");
        await this.#pause(attempt);
      }
    }
  }

  async #bury(record: ReceivedRecord, error: unknown): Promise<Outcome> {
    const { logger, deadLetter } = this.#options;
    const reason = error instanceof Error ? error.message : String(error);
    logger.error({ ...place(record), reason }, "an event cannot be handled; it goes to the dead-letter topic");
    for (let attempt = 1; ; attempt += 1) {
      try {
        await deadLetter(record, reason);
        return "dead-letter";
      } catch (failure) {
        // Going on would lose it.
        if (attempt === 1) logger.warn({ ...place(record), reason: String(failure) }, "the dead-letter topic is away; trying again");
        await this.#pause(attempt);
      }
    }
  }

  async #databaseAnswers(): Promise<boolean> {
    try {
      await this.#options.database.ping();
      return true;
    } catch {
      // That it is away is what was asked.
      return false;
    }
  }

  #pause(attempt: number): Promise<void> {
    const pause = Math.min(defaults.pauseMostMs, defaults.pauseFirstMs * 2 ** Math.min(10, attempt - 1));
    return delay(pause, undefined, { signal: this.#options.signal });
  }
}

/** Errors that the same record would cause again, whatever the state of the servers. */
function isHopeless(error: unknown): boolean {
  return error instanceof MalformedEventError || error instanceof ConstraintError;
}

function place({ topic, partition, offset }: ReceivedRecord): Record<string, unknown> {
  return { topic, partition, offset: offset.toString() };
}
