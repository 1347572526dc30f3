import { createHash } from "node:crypto";
import { createId } from "../db/id";
import type { JobOptions, Priority, QueueName } from "./queue";

/** How the jobs of one queue are run. */
export interface QueueDefinition {
  /** Starts of one job at most. */
  readonly attempts: number;
  /** Longest run of one attempt, ms. Then it counts as failed, whatever the processor still does. */
  readonly timeoutMs: number;
  /** Jobs one worker process runs at the same time. CPU work is in threads, so this is about waiting for files and rows. */
  readonly concurrency: number;
}

/**
 * A computation takes a millisecond; extracting the text of a PDF of a hundred pages was measured at 1 to 2 s; checksums run at the
 * speed of the disk; reading an image may take 60 s (`threads.ts`), after another one that did as well. The timeouts leave room for a loaded machine, and are what ends a file made to hang the parser.
 */
export const DEFINITIONS: Readonly<Record<QueueName, QueueDefinition>> = {
  "tax-computation": { attempts: 3, timeoutMs: 10_000, concurrency: 4 },
  "ocr-processing": { attempts: 3, timeoutMs: 150_000, concurrency: 2 },
  "document-processing": { attempts: 5, timeoutMs: 120_000, concurrency: 2 },
};

/** 1 is taken first. BullMQ knows 0 as well, which would go before everything with a priority. */
export const PRIORITY_NUMBERS: Readonly<Record<Priority, number>> = { high: 1, normal: 2, low: 3 };

/** How long finished jobs are remembered, so that a repeated key still finds its job; ms. */
export const KEEP_FINISHED_MS = 3_600_000;

/** Dead letters are kept this long, ms, */
export const KEEP_DEAD_MS = 14 * 24 * 3_600_000;

/** and at most this many a queue. */
export const MOST_DEAD = 10_000;

/** Longest message of an error that is kept, in characters. */
const ERROR_CHARACTERS = 500;

/** Pause before the first retry, ms. @default of both drivers */
export const RETRY_BASE_MS = 1000;

/** Longest pause before a retry, ms. */
const RETRY_CAP_MS = 300_000;

/**
 * Pause before the next attempt: doubles with every failed one, and is drawn from its upper half, so that jobs that failed together
 * do not come back together.
 * @param failed attempts that failed so far, from 1.
 */
export function retryDelayMs(failed: number, baseMs = RETRY_BASE_MS, random: () => number = Math.random): number {
  const whole = Math.min(RETRY_CAP_MS, baseMs * 2 ** Math.min(30, Math.max(0, failed - 1)));
  return Math.round(whole * (0.5 + random() / 2));
}

/** The id of a new job. The same key in the same queue always gives the same id. */
export function jobId(queue: QueueName, options: JobOptions): string {
  if (options.id !== undefined) return options.id;
  if (options.idempotencyKey === undefined) return createId();
  return createHash("sha256").update(`${queue}\0${options.idempotencyKey}`).digest("hex").slice(0, 40);
}

export function errorText(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, ERROR_CHARACTERS);
}
