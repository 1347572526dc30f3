import { setTimeout as delay } from "node:timers/promises";

/** How long to go on trying, and what is worth it. */
export interface RetryOptions {
  /** No attempt starts later than this after the first, ms. */
  readonly budgetMs: number;
  /** Whether another attempt may go better, and does no harm. */
  readonly retryable: (error: unknown) => boolean;
  /** Told before each further attempt. */
  readonly onRetry?: (error: unknown) => void;
  /** @default Math.random */
  readonly random?: () => number;
}

/** The first pause is at most this long, ms. */
const FIRST_PAUSE_MS = 10;

/** And the longest, ms. */
export const LONGEST_PAUSE_MS = 1000;

/** Longest pause before attempt number `retry` (1 is the first repetition), ms: doubles each time up to a second. */
export function pauseBound(retry: number): number {
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(retry - 1, 20));
}

/**
 * Repeats `attempt` while that may help. Pauses are drawn at random between nothing and a growing bound, so that many requests that
 * lost the same server do not come back to it together.
 * @throws the error of the last attempt.
 */
export async function retrying<Result>(attempt: () => Promise<Result>, options: RetryOptions): Promise<Result> {
  const { budgetMs, retryable, onRetry, random = Math.random } = options;
  const start = performance.now();
  for (let retry = 1; ; retry++) {
    try {
      return await attempt();
    } catch (error) {
      if (!retryable(error)) throw error;
      const pause = random() * pauseBound(retry);
      if (performance.now() - start + pause > budgetMs) throw error;
      await delay(pause);
      onRetry?.(error);
    }
  }
}
