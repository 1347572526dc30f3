import { setTimeout as delay } from "node:timers/promises";
import { ConstraintError, type Database, DatabaseBusyError, DatabaseUnavailableError } from "../db/database";
import type { Logger } from "../observability/logger";
import { applyEvent } from "./effects";
import { MalformedEventError, parseEvent } from "./event";
import { consumedTotal, type Outcome, OUTCOMES } from "./metrics";

/** A record as it was read. */
export interface ReceivedRecord {
  readonly value: string | undefined;
  /** Where it was read, for the log. */
  readonly place: Readonly<Record<string, string | number>>;
}

export interface HandlerOptions<Received extends ReceivedRecord> {
  readonly database: Database;
  readonly logger: Logger;
  /** Keeps a record that cannot be handled; rejects when it could not be kept. */
  readonly deadLetter: (record: Received, reason: string) => Promise<void>;
  /** Ends waiting for a database or a place for dead letters that is away. */
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
 * Handles one record: its effect in one transaction, or the dead letters when it can have none. While the database is away it waits,
 * however long that takes: the records behind it could not be handled either.
 */
export class EventHandler<Received extends ReceivedRecord> {
  readonly #options: HandlerOptions<Received>;

  constructor(options: HandlerOptions<Received>) {
    this.#options = options;
    // Of a series that begins with its first dead letter, Prometheus would see no increase.
    for (const outcome of OUTCOMES) consumedTotal.inc({ outcome }, 0);
  }

  /** @throws AbortError when the signal ended it; the record is not handled then. */
  async handle(record: Received): Promise<Outcome> {
    const outcome = await this.#outcome(record);
    consumedTotal.inc({ outcome });
    return outcome;
  }

  async #outcome(record: Received): Promise<Outcome> {
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
        strikes = !isRefusedToAll(error) && (await this.#databaseAnswers()) ? strikes + 1 : 0;
        if (strikes >= defaults.strikes) return this.#bury(record, error);
        if (attempt === 1) logger.warn({ ...record.place, reason: String(error) }, "an event could not be handled; trying again");
        await this.#pause(attempt);
      }
    }
  }

  async #bury(record: Received, error: unknown): Promise<Outcome> {
    const { logger, deadLetter } = this.#options;
    const reason = error instanceof Error ? error.message : String(error);
    logger.error({ ...record.place, reason }, "an event cannot be handled; it goes to the dead letters");
    for (let attempt = 1; ; attempt += 1) {
      try {
        await deadLetter(record, reason);
        return "dead-letter";
      } catch (failure) {
        // Going on would lose it.
        if (attempt === 1) logger.warn({ ...record.place, reason: String(failure) }, "the place for dead letters is away; trying again");
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

/**
 * What the database says to everybody who writes, whatever the record: no primary, a full disk, rows that are held or were moved. It may answer
 * reads meanwhile.
 */
function isRefusedToAll(error: unknown): boolean {
  return error instanceof DatabaseUnavailableError || error instanceof DatabaseBusyError;
}

/** Errors that the same record would cause again, whatever the state of the servers. */
function isHopeless(error: unknown): boolean {
  return error instanceof MalformedEventError || error instanceof ConstraintError;
}
