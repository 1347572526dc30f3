import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  type Message,
  ReceiveMessageCommand,
  type SQSClient,
} from "../aws/aws-sdk";
import type { Database } from "../db/database";
import type { Logger } from "../observability/logger";
import type { applyEvent } from "./effects";
import { EventHandler, type ReceivedRecord } from "./handler";
import { pauseAfter, purgeRegularly } from "./reading";
import { createClient } from "./sqs";
import type { SqsConfig } from "./sqs-config";

export interface SqsConsumerOptions {
  readonly config: SqsConfig;
  readonly database: Database;
  readonly logger: Logger;
  /** @default {@link applyEvent} */
  readonly apply?: typeof applyEvent;
  /** For tests. @default 20000 */
  readonly holdEveryMs?: number;
}

const defaults = {
  /** Messages of one answer: SQS' most. */
  messages: 10,
  /** Longest wait of a question for messages, s: SQS' most. The answer may take a little longer, ms, before it counts as lost. */
  waitSeconds: 20,
  answerMs: 25_000,
  /** A message is nobody else's for so long, s, and that is renewed this often, ms, until it is handled: the database may be away for hours. */
  holdSeconds: 60,
  holdEveryMs: 20_000,
  /** What cannot be handled comes back after so long, s, until the queue's redrive policy puts it aside. */
  deadSeconds: 5,
} as const;

/** A message with what is needed to give it back. */
interface Held extends ReceivedRecord {
  readonly receipt: string;
}

/**
 * Reads events from a queue of SQS. A message is deleted after its effect, never before: a consumer that dies leaves it to be delivered
 * again, and the effects know what they have seen. What cannot be handled is not deleted either; the queue's own redrive policy moves it to
 * its dead letters after so many deliveries.
 */
export class SqsConsumer {
  readonly #options: SqsConsumerOptions;
  readonly #client: SQSClient;
  readonly #handler: EventHandler<Held>;
  readonly #stop = new AbortController();
  /** Receipts of what this delivery cannot do. */
  readonly #dead = new Set<string>();
  #failures = 0;
  #running: Promise<void> | undefined;

  constructor(options: SqsConsumerOptions) {
    this.#options = options;
    const { config, database, logger, apply } = options;
    this.#client = createClient(config);
    const deadLetter = ({ receipt }: Held): Promise<void> => {
      this.#dead.add(receipt);
      return Promise.resolve();
    };
    this.#handler = new EventHandler({ database, logger, deadLetter, signal: this.#stop.signal, ...(apply !== undefined && { apply }) });
  }

  /** `false` while the queue cannot be reached. */
  get healthy(): boolean {
    return this.#failures === 0;
  }

  start(): void {
    const { database, logger } = this.#options;
    this.#running ??= this.#run();
    purgeRegularly(database, logger, this.#stop.signal);
  }

  /** Finishes the message it is at and gives back the others, so that somebody else has them at once. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    this.#client.destroy();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#round();
        if (this.#failures > 0) this.#options.logger.info("events are read again");
        this.#failures = 0;
      } catch (error) {
        if (this.#stopping()) break;
        this.#failures += 1;
        this.#options.logger[this.#failures === 1 ? "warn" : "debug"]({ reason: String(error) }, "events cannot be read; asking again");
        await pauseAfter(this.#failures, signal);
      }
    }
  }

  #stopping(): boolean {
    return this.#stop.signal.aborted;
  }

  /** One question for messages, and what becomes of them. */
  async #round(): Promise<void> {
    const command = new ReceiveMessageCommand({
      QueueUrl: this.#options.config.queueUrl,
      MaxNumberOfMessages: defaults.messages,
      WaitTimeSeconds: defaults.waitSeconds,
      VisibilityTimeout: defaults.holdSeconds,
    });
    const patience = { abortSignal: this.#stop.signal, requestTimeout: defaults.answerMs };
    const { Messages: messages = [] } = await this.#client.send(command, patience);
    const open = new Map(messages.map(held).map((message) => [message.receipt, message]));
    const renewal = setInterval(() => void this.#renew([...open.keys()]), this.#options.holdEveryMs ?? defaults.holdEveryMs);
    const done: string[] = [];
    try {
      for (const message of open.values()) {
        if (this.#stopping()) break;
        await this.#handler.handle(message);
        // Deleting from a Map while it is walked through is what a Map allows.
        open.delete(message.receipt);
        if (!this.#dead.has(message.receipt)) done.push(message.receipt);
      }
    } finally {
      clearInterval(renewal);
      await this.#settle(done, [...open.keys()]);
    }
  }

  /** Deletes what is done; gives back what was not begun, and what cannot be handled. What fails here comes again by itself, and is known. */
  async #settle(done: readonly string[], given: readonly string[]): Promise<void> {
    const dead = [...this.#dead];
    this.#dead.clear();
    const { queueUrl: QueueUrl } = this.#options.config;
    const Entries = done.map((ReceiptHandle, index) => ({ Id: String(index), ReceiptHandle }));
    const deleted = done.length === 0 ? undefined : this.#client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
    const outcomes = await Promise.allSettled([deleted, this.#hide(given, 0), this.#hide(dead, defaults.deadSeconds)]);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") this.#options.logger.debug({ reason: String(outcome.reason) }, "messages could not be settled");
    }
  }

  async #renew(receipts: readonly string[]): Promise<void> {
    try {
      await this.#hide(receipts, defaults.holdSeconds);
    } catch (error) {
      // Somebody else may get them meanwhile; the effects know what they have seen.
      this.#options.logger.debug({ reason: String(error) }, "messages could not be held");
    }
  }

  /** From now on they are nobody's for so long, seconds. */
  async #hide(receipts: readonly string[], seconds: number): Promise<void> {
    if (receipts.length === 0) return;
    const Entries = receipts.map((ReceiptHandle, index) => ({ Id: String(index), ReceiptHandle, VisibilityTimeout: seconds }));
    await this.#client.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl: this.#options.config.queueUrl, Entries }));
  }
}

function held({ Body: value, MessageId: message = "", ReceiptHandle: receipt = "" }: Message): Held {
  return { value, receipt, place: { message } };
}
