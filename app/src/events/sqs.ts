import { SendMessageBatchCommand, SQSClient } from "../aws/aws-sdk";
import type { EventPublisher, OutboxRecord } from "./relay";
import type { SqsConfig } from "./sqs-config";

const defaults = {
  /** Longest wait for a connection, ms. */
  connectTimeoutMs: 2000,
  /** A server that says nothing for so long counts as lost, ms: more than the longest wait for messages. */
  silenceMs: 25_000,
  attempts: 3,
  /** Messages of one request, and bytes of them: SQS' limits are 10 and 256 KiB, attributes included. */
  batchMessages: 10,
  batchBytes: 240 * 1024,
} as const;

/** Longest wait of a question for messages, seconds: the most that SQS allows. */
export const WAIT_SECONDS = 20;

export function createClient({ region, queueUrl }: SqsConfig): SQSClient {
  return new SQSClient({
    ...(region !== undefined && { region }),
    // A server that is not AWS' is where its queue is.
    ...(!queueUrl.includes(".amazonaws.") && { endpoint: new URL(queueUrl).origin }),
    maxAttempts: defaults.attempts,
    requestHandler: { connectionTimeout: defaults.connectTimeoutMs, socketTimeout: defaults.silenceMs },
  });
}

/**
 * Sends events to a standard queue. Such a queue may deliver them in another order and more than once; the effects of this app know each
 * event by its id, and none depends on another.
 */
export class SqsPublisher implements EventPublisher {
  readonly #client: SQSClient;
  readonly #queueUrl: string;

  constructor(config: SqsConfig) {
    this.#client = createClient(config);
    this.#queueUrl = config.queueUrl;
  }

  /** @throws when the queue did not take one of them; some may have been taken, and come twice when all are sent again. */
  async send(records: readonly OutboxRecord[]): Promise<void> {
    for (const batch of batchesOf(records)) {
      const Entries = batch.map(({ value }, index) => ({ Id: String(index), MessageBody: value }));
      const { Failed: failed = [] } = await this.#client.send(new SendMessageBatchCommand({ QueueUrl: this.#queueUrl, Entries }));
      const [first] = failed;
      if (first === undefined) continue;
      throw new Error(`the queue refused ${failed.length} of ${batch.length} events (${first.Code ?? ""}: ${first.Message ?? ""})`);
    }
  }

  close(): Promise<void> {
    this.#client.destroy();
    return Promise.resolve();
  }
}

/** In the order given, each as large as one request may be; a record that is larger by itself is alone. */
export function batchesOf(records: readonly OutboxRecord[]): OutboxRecord[][] {
  const batches: OutboxRecord[][] = [];
  let current: OutboxRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    const size = Buffer.byteLength(record.value);
    if (current.length > 0 && (current.length === defaults.batchMessages || bytes + size > defaults.batchBytes)) {
      batches.push(current);
      [current, bytes] = [[], 0];
    }
    current.push(record);
    bytes += size;
  }
  return current.length === 0 ? batches : [...batches, current];
}
