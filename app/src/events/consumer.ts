import { Consumer, FetchIsolationLevels, type CommitOptions, type Message, type MessagesStream, type Producer } from "@platformatic/kafka";
import type { Database } from "../db/database";
import type { Logger } from "../observability/logger";
import type { KafkaConfig } from "./config";
import type { applyEvent } from "./effects";
import { EventHandler, type ReceivedRecord } from "./handler";
import { clientOptions, createProducer, deadLetterTopic, ensureTopics } from "./kafka";
import { pauseAfter, purgeRegularly } from "./reading";

export interface ConsumerOptions {
  readonly config: KafkaConfig;
  readonly database: Database;
  readonly logger: Logger;
  /** Names this process in Kafka's own tools. */
  readonly clientId: string;
  /** @default {@link applyEvent} */
  readonly apply?: typeof applyEvent;
}

const defaults = {
  /** A member that Kafka hears nothing of for so long loses its partitions, milliseconds. */
  sessionTimeoutMs: 10_000,
  heartbeatMs: 2000,
  rebalanceTimeoutMs: 20_000,
  /** Longest wait of a fetch for something new, milliseconds. */
  maxWaitMs: 500,
  /** Records read ahead. */
  readAhead: 256,
  /** Offsets are committed after so many records, and after so many milliseconds. */
  commitRecords: 100,
  commitMs: 200,
} as const;

interface KafkaRecord extends ReceivedRecord {
  readonly key: string | undefined;
  readonly place: { readonly topic: string; readonly partition: number; readonly offset: string };
}

type EventStream = MessagesStream<Buffer, Buffer, Buffer, Buffer>;
type CommitOffset = CommitOptions["offsets"][number];

/**
 * A member of the consumer group. Offsets are committed after the effects, never before: a member that dies leaves records to be read
 * again, and the effects know what they have seen.
 */
export class EventConsumer {
  readonly #options: ConsumerOptions;
  readonly #handler: EventHandler<KafkaRecord>;
  readonly #stop = new AbortController();
  #stream: EventStream | undefined;
  #deadLetters: Producer<string, string, string, string> | undefined;
  #failures = 0;
  #running: Promise<void> | undefined;

  constructor(options: ConsumerOptions) {
    this.#options = options;
    const { database, logger, apply } = options;
    const deadLetter = async ({ key, value, place }: KafkaRecord, reason: string): Promise<void> => {
      const { topic, partition, offset } = place;
      this.#deadLetters ??= createProducer(options.config, `${options.clientId}-dead-letters`);
      const headers = { reason, topic, partition: String(partition), offset };
      await this.#deadLetters.send({
        messages: [{ topic: deadLetterTopic(options.config), key: key ?? "", value: value ?? "", headers }],
      });
    };
    this.#handler = new EventHandler({ database, logger, deadLetter, signal: this.#stop.signal, ...(apply !== undefined && { apply }) });
  }

  /** `false` while Kafka cannot be reached. */
  get healthy(): boolean {
    return this.#failures === 0;
  }

  start(): void {
    const { database, logger } = this.#options;
    this.#running ??= this.#run();
    purgeRegularly(database, logger, this.#stop.signal);
  }

  /** Finishes the record it is at, commits what is done and leaves the group, so that others take over at once. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#stream
      ?.close()
      .catch((error: unknown) => this.#options.logger.debug({ reason: String(error) }, "closing the stream failed"));
    await this.#running;
    await this.#deadLetters?.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#session();
      } catch (error) {
        if (this.#stopping()) break;
        this.#failures += 1;
        this.#options.logger[this.#failures === 1 ? "warn" : "debug"]({ reason: String(error) }, "events cannot be read; connecting again");
        await pauseAfter(this.#failures, signal);
      }
    }
  }

  #stopping(): boolean {
    return this.#stop.signal.aborted;
  }

  /** One membership of the group, from joining to the end or to the first error. */
  async #session(): Promise<void> {
    const { config, clientId } = this.#options;
    await ensureTopics(config, clientId);
    const consumer = new Consumer({
      ...clientOptions(config, clientId),
      groupId: config.group,
      sessionTimeout: defaults.sessionTimeoutMs,
      heartbeatInterval: defaults.heartbeatMs,
      rebalanceTimeout: defaults.rebalanceTimeoutMs,
    });
    try {
      const stream = await consumer.consume({
        topics: [config.topic],
        mode: "committed",
        fallbackMode: "earliest",
        autocommit: false,
        isolationLevel: FetchIsolationLevels.READ_COMMITTED,
        maxWaitTime: defaults.maxWaitMs,
        highWaterMark: defaults.readAhead,
      });
      this.#stream = stream;
      // Closed while joining.
      if (this.#stopping()) return;
      await this.#read(consumer, stream);
    } finally {
      this.#stream = undefined;
      await consumer
        .close(true)
        .catch((error: unknown) => this.#options.logger.debug({ reason: String(error) }, "leaving the group failed"));
    }
  }

  async #read(consumer: Consumer, stream: EventStream): Promise<void> {
    const commits = new Commits(consumer, this.#options.logger);
    this.#noticeAnswers(consumer, stream);
    // It could not join again and sends no more heartbeats; the stream would go on with partitions that are others' by now.
    consumer.on("error", (error) => stream.destroy(error));
    try {
      for await (const message of stream) {
        const { topic, partition, offset, key, value } = message;
        await this.#handler.handle({ key: textOf(key), value: textOf(value), place: { topic, partition, offset: offset.toString() } });
        commits.done(message);
        this.#wentWell();
        if (this.#stopping()) break;
      }
    } finally {
      await commits.finish(this.#stopping());
    }
    if (!this.#stopping()) throw new Error("the stream of records ended");
  }

  /**
   * Events are read again as soon as brokers answer, also when there is none to read: brokers have to have answered a fetch, and the group
   * a heartbeat. The first heartbeat is sent after 2 s; a stream that fails at once does not live so long, and its pauses go on growing.
   */
  #noticeAnswers(consumer: Consumer, stream: EventStream): void {
    let fetched = false;
    // The library tells of a fetch that failed, too; that one ends the stream.
    stream.on("fetch", () => (fetched = true));
    consumer.on("consumer:heartbeat:end", () => {
      // With more members than partitions some have nothing to fetch.
      const hasNone = consumer.assignments?.every(({ partitions }) => partitions.length === 0) === true;
      if ((fetched || hasNone) && !stream.destroyed) this.#wentWell();
    });
  }

  #wentWell(): void {
    if (this.#failures > 0) this.#options.logger.info("events are read again");
    this.#failures = 0;
  }
}

/** Commits offsets now and then, the newest of every partition. What could not be committed is read again, and known. */
class Commits {
  readonly #consumer: Consumer;
  readonly #logger: Logger;
  readonly #newest = new Map<string, CommitOffset>();
  #count = 0;
  #timer: NodeJS.Timeout | undefined;
  /** One at a time: a commit that overtakes another would move the offset back. */
  #line: Promise<void> = Promise.resolve();

  constructor(consumer: Consumer, logger: Logger) {
    this.#consumer = consumer;
    this.#logger = logger;
  }

  done({ topic, partition, offset, leaderEpoch }: Message): void {
    this.#newest.set(`${topic} ${partition}`, { topic, partition, offset: offset + 1n, leaderEpoch });
    this.#count += 1;
    if (this.#count >= defaults.commitRecords) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), defaults.commitMs);
  }

  /** @param orderly the connection is still there. */
  async finish(orderly: boolean): Promise<void> {
    clearTimeout(this.#timer);
    if (orderly) this.#flush();
    await this.#line;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#count = 0;
    this.#line = this.#line.then(async () => {
      const offsets = [...this.#newest.values()];
      this.#newest.clear();
      if (offsets.length === 0) return;
      try {
        await this.#consumer.commit({ offsets });
      } catch (error) {
        this.#logger.debug({ reason: String(error) }, "offsets could not be committed");
      }
    });
  }
}

/** The library's types leave out that keys and values may be null. */
function textOf(bytes: Buffer | null | undefined): string | undefined {
  return bytes?.toString("utf8");
}
