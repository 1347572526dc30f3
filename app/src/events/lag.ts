import { Admin, FetchIsolationLevels, ListOffsetTimestamps } from "@platformatic/kafka";
import type { Logger } from "../observability/logger";
import type { KafkaConfig } from "./config";
import { clientOptions } from "./kafka";
import { consumerLag, kafkaBrokers } from "./metrics";

/** Lag of one partition. */
export interface PartitionLag {
  readonly partition: number;
  /** Records that the group has not committed yet. */
  readonly lag: number;
}

/** Time between two looks, milliseconds. */
const INTERVAL_MS = 10_000;

/** Those of this process that have begun to look: one for each relay that publishes, and one for a consumer. They share the gauges. */
const looking = new Set<LagMonitor>();

/** Lag of a consumer group from the offsets themselves, so that it is seen also when no consumer runs. */
export class LagMonitor {
  readonly #config: KafkaConfig;
  readonly #logger: Logger;
  readonly #clientId: string;
  #admin: Admin | undefined;
  #timer: NodeJS.Timeout | undefined;
  #total: number | undefined;
  #looking = false;
  #closed = false;

  constructor(config: KafkaConfig, logger: Logger, clientId: string) {
    this.#config = config;
    this.#logger = logger;
    this.#clientId = clientId;
  }

  /** Sum over all partitions at the last look; `undefined` when Kafka did not answer then. */
  get total(): number | undefined {
    return this.#total;
  }

  /** Looks now and then every 10 s. */
  start(): void {
    looking.add(this);
    this.#timer ??= setInterval(() => void this.#look(), INTERVAL_MS).unref();
    void this.#look();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#closed = true;
    looking.delete(this);
    try {
      // Not waiting for a look under way: brokers that are away would hold up the end of the process.
      await this.#admin?.close();
    } finally {
      if (looking.size === 0) {
        // Whoever looks from now on says how much it is: what was seen last would stand for ever.
        consumerLag.reset();
        kafkaBrokers.remove();
      }
    }
  }

  /** @throws when Kafka does not answer. */
  async measure(): Promise<PartitionLag[]> {
    const { topic, group, partitions: wanted } = this.#config;
    const admin = this.#requireAdmin();
    // Asked anew: what the client remembers has brokers that left minutes ago.
    const { brokers, topics } = await admin.metadata({ topics: [topic], forceUpdate: true });
    if (!this.#closed) kafkaBrokers.set(brokers.size);
    const count = topics.get(topic)?.partitionsCount ?? wanted;
    const indexes = Array.from({ length: count }, (_, index) => index);
    const at = async (timestamp: bigint): Promise<ReadonlyMap<number, bigint>> => {
      const partitions = indexes.map((partitionIndex) => ({ partitionIndex, timestamp }));
      const listed = await admin.listOffsets({
        topics: [{ name: topic, partitions }],
        isolationLevel: FetchIsolationLevels.READ_COMMITTED,
      });
      return new Map(listed[0]?.partitions.map(({ partitionIndex, offset }) => [partitionIndex, offset]));
    };
    const [first, end, groups] = await Promise.all([
      at(ListOffsetTimestamps.EARLIEST),
      at(ListOffsetTimestamps.LATEST),
      admin.listConsumerGroupOffsets({ groups: [{ groupId: group, topics: [{ name: topic, partitionIndexes: indexes }] }] }),
    ]);
    const committed = new Map(
      groups[0]?.topics[0]?.partitions.map(({ partitionIndex, committedOffset }) => [partitionIndex, committedOffset]),
    );
    return indexes.map((partition) => {
      const start = first.get(partition) ?? 0n;
      const done = committed.get(partition) ?? -1n;
      // Without a commit, or with one that was deleted meanwhile, everything that is there is still to come.
      return { partition, lag: Number((end.get(partition) ?? start) - (done < start ? start : done)) };
    });
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const partitions = await this.measure();
      if (this.#closed) return;
      for (const { partition, lag } of partitions) consumerLag.set({ topic: this.#config.topic, partition: String(partition) }, lag);
      this.#total = partitions.reduce((sum, { lag }) => sum + lag, 0);
    } catch (error) {
      this.#total = undefined;
      if (!this.#closed) kafkaBrokers.set(0);
      this.#logger.debug({ reason: String(error) }, "the lag of the consumers is not known");
    } finally {
      this.#looking = false;
    }
  }

  #requireAdmin(): Admin {
    if (this.#closed) throw new Error("the lag is no longer measured");
    return (this.#admin ??= new Admin(clientOptions(this.#config, this.#clientId)));
  }
}
