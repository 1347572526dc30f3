import { SendMessageBatchCommand, SQSClient } from "../aws/aws-sdk";
import type { EventPublisher, OutboxRecord } from "./relay";
import type { SqsConfig } from "./sqs-config";

const defaults = {
  /** Longest wait for a connection and for an answer, ms: with all attempts less than the relay's lease has left (`leaseMarginMs` there). */
  connectTimeoutMs: 1000,
  answerMs: 2000,
  attempts: 3,
  /** Messages of one request, and bytes of them: SQS' limits are 10 and 256 KiB, attributes included. */
  batchMessages: 10,
  batchBytes: 240 * 1024,
} as const;

/** A client whose requests end in time; those that are to wait longer for their answer say so themselves. */
export function createClient({ region, queueUrl }: SqsConfig): SQSClient {
  return new SQSClient({
    ...(region !== undefined && { region }),
    // A server that is not AWS' is where its queue is.
    ...(!queueUrl.includes(".amazonaws.") && { endpoint: new URL(queueUrl).origin }),
    maxAttempts: defaults.attempts,
    requestHandler: { connectionTimeout: defaults.connectTimeoutMs, requestTimeout: defaults.answerMs, throwOnRequestTimeout: true },
  });
}

/**
 * Sends events to a standard queue. Such a queue may deliver them in another order and more than once; the effects of this app know each
 * event by its id, and none depends on another.
 */
export class SqsPublisher implements EventPublisher {
  readonly #client: SQSClient;
  readonly #queueUrl: string;
  readonly #stop = new AbortController();

  constructor(config: SqsConfig) {
    this.#client = createClient(config);
    this.#queueUrl = config.queueUrl;
  }

  /** @throws when the queue did not take one of them; some may have been taken, and come twice when all are sent again. */
  async send(records: readonly OutboxRecord[]): Promise<void> {
    for (const batch of batchesOf(records)) {
      const Entries = batch.map(({ value }, index) => ({ Id: String(index), MessageBody: allowed(value) }));
      const command = new SendMessageBatchCommand({ QueueUrl: this.#queueUrl, Entries });
      const { Failed: failed = [] } = await this.#client.send(command, { abortSignal: this.#stop.signal });
      const [first] = failed;
      if (first === undefined) continue;
      throw new Error(`the queue refused ${failed.length} of ${batch.length} events (${first.Code ?? ""}: ${first.Message ?? ""})`);
    }
  }

  /** Ends what is under way: nobody knows then whether it was taken, so it is to be sent again. */
  close(): Promise<void> {
    this.#stop.abort();
    this.#client.destroy();
    return Promise.resolve();
  }
}

/**
 * The same JSON without the two characters that SQS refuses a message for (https://www.w3.org/TR/REC-xml/#charsets) and JSON leaves as they are:
 * a name with one of them would hold up its company's events for ever, and in the end everybody's. In JSON they are within strings only.
 */
function allowed(json: string): string {
  return json.replace(/[\uFFFE\uFFFF]/g, (character) => (character === "\uFFFE" ? "\\ufffe" : "\\uffff"));
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
