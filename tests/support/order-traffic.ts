import { setTimeout as delay } from "node:timers/promises";
import type { StackAnswer, StackClient } from "./stack-client";

/** Between two requests of one kind, ms: after 25 minutes the orders are still fewer than the plan of a new company allows, 5,000. */
const EVERY_MS = 300;

/**
 * Orders and reads of one company, a few a second, for as long as something happens to its stack. No order is sent twice, so that one which is
 * there twice was doubled on the way.
 */
export class OrderTraffic {
  /** Customer's name of every acknowledged order, by the order's id. */
  readonly acknowledged = new Map<string, string>();
  /** Reads that were not answered 200, with the time. */
  readonly failedReads: string[] = [];
  /** Orders that were answered neither 201 nor 503 with `Retry-After`, with the time. */
  readonly wrongAnswers: string[] = [];
  private refused = 0;
  private longestGapMs = 0;
  private acceptedAt = performance.now();
  private stopped = false;
  private running: readonly Promise<void>[] = [];
  private sent = 0;

  /** @param headers of every request */
  constructor(
    private readonly client: StackClient,
    private readonly headers: Readonly<Record<string, string>>,
  ) {}

  /** The next order, sent at once. @returns its answer */
  async order(): Promise<StackAnswer> {
    this.sent += 1;
    const customerName = `customer ${this.sent}`;
    const answer = await this.client.ask("POST", "/api/orders", { json: { customerName, totalCents: 1 }, headers: this.headers });
    if (answer.status === 201) {
      this.acknowledged.set(String(answer.body["id"]), customerName);
      this.longestGapMs = Math.max(this.longestGapMs, performance.now() - this.acceptedAt);
      this.acceptedAt = performance.now();
    } else if (answer.status === 503 && answer.headers["retry-after"] !== undefined) this.refused += 1;
    else this.wrongAnswers.push(`${new Date().toISOString()} ${answer.status} ${answer.text.slice(0, 200)}`);
    return answer;
  }

  /** A read of the first order. */
  read(): Promise<StackAnswer> {
    const [first = ""] = this.acknowledged.keys();
    return this.client.ask("GET", `/api/orders/${first}`, { headers: this.headers });
  }

  /** The longest time without an accepted order and the refused ones since {@link forgetFigures}, the others since the beginning. */
  figures(): Readonly<Record<"acknowledged" | "refused" | "longestGapMs" | "failedReads" | "wrongAnswers", number>> {
    const { acknowledged, refused, longestGapMs, failedReads, wrongAnswers } = this;
    return {
      ...{ acknowledged: acknowledged.size, refused, longestGapMs: Math.round(longestGapMs) },
      ...{ failedReads: failedReads.length, wrongAnswers: wrongAnswers.length },
    };
  }

  /** From here on the longest time without an accepted order, and the refused ones, are counted anew. */
  forgetFigures(): void {
    this.refused = 0;
    this.longestGapMs = 0;
    this.acceptedAt = performance.now();
  }

  /** Begins; one order has to be there. */
  start(): void {
    const repeat = async (work: () => Promise<void>): Promise<void> => {
      while (!this.stopped) {
        await work();
        await delay(EVERY_MS);
      }
    };
    const reading = repeat(async () => {
      const failure = await this.read().then(
        ({ status, text }) => (status === 200 ? undefined : `${status} ${text.slice(0, 200)}`),
        (error: unknown) => String(error),
      );
      if (failure !== undefined) this.failedReads.push(`${new Date().toISOString()} ${failure}`);
    });
    const writing = repeat(async () => {
      await this.order().catch((error: unknown) => this.wrongAnswers.push(`${new Date().toISOString()} ${String(error)}`));
    });
    this.running = [reading, writing];
  }

  /** Ends it, and waits for what is under way. */
  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.running);
  }
}
