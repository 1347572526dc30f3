/** Port of the clients, who log in by SCRAM. */
export const KAFKA_PORT = 9092;

/** Port of the controllers, between brokers only. */
export const KAFKA_CONTROLLER_PORT = 9093;

/** Port of a second listener for clients outside the network; see {@link BrokerSettings.external}. */
export const KAFKA_EXTERNAL_PORT = 9094;

/** Port of the brokers among themselves. */
export const KAFKA_BROKER_PORT = 9095;

/** Port that only the broker's own container reaches: its health check and `npm run status` ask there, without a password. */
export const KAFKA_STATE_PORT = 9096;

/** Directory of the logs: a volume. */
export const KAFKA_DATA_DIRECTORY = "/var/lib/kafka/data";

/** Where passwords lie in a broker's container. */
export const KAFKA_SECRETS_DIRECTORY = "/run/secrets";

/** How clients log in. */
export const KAFKA_SASL_MECHANISM = "SCRAM-SHA-512";

/** The app's user. */
export const KAFKA_APP_USER = "app";

/** Passwords of a cluster, and the names of their files: the brokers' among themselves, and the app's. */
export const KAFKA_PASSWORDS = ["broker_password", "app_password"] as const;
export type KafkaPassword = (typeof KAFKA_PASSWORDS)[number];

/** Where the start script expects the configuration of a broker. */
export function kafkaConfigPath(host: string): string {
  return `/etc/kafka-broker/${host}.properties`;
}

/** What all brokers of a cluster have in common. */
export interface ClusterSettings {
  /** Host names of all brokers in order: the first is number 1. Every broker is a controller as well, so 1 or 3 of them make sense. */
  readonly hosts: readonly string[];
  /** Partitions of topics that do not say. @default 12 (feature B5) */
  readonly partitions?: number | undefined;
  /** Hours until records are deleted. @default 168 */
  readonly retentionHours?: number | undefined;
  /** MiB of a partition from which on the oldest records are deleted, on every broker that has a copy. @default 256 */
  readonly retentionMb?: number | undefined;
  /** Whether clients may delete topics. The app never does; tests clean up. @default false */
  readonly deletableTopics?: boolean | undefined;
}

/** One broker among those of its cluster. */
export interface BrokerSettings extends ClusterSettings {
  /** Number of this broker, from 1. */
  readonly nodeId: number;
  /** Address under which clients outside the network reach this broker, `host:port`. @default none */
  readonly external?: string | undefined;
}

const HOST = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i;
const ADDRESS = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?:\d{1,5}$/i;

/** What a broker needs beside its heap, MiB: the virtual machine itself, its threads, and buffers of the network. */
const BESIDE_HEAP_MB = 384;

/** Below that a broker spends its time collecting garbage, or does not start at all. */
const LEAST_HEAP_MB = 192;

/** Least memory of a broker's container, MiB. */
export const LEAST_KAFKA_MB = LEAST_HEAP_MB + BESIDE_HEAP_MB;

/**
 * Memory of a broker's container, and the heap options that go with it (data-plane.md: 256 to 384 MiB of heap).
 * @throws RangeError when the heap is no whole number of at least 192 MiB.
 */
export function kafkaMemory(heapMb: number): { readonly containerMb: number; readonly heapOptions: string } {
  if (!Number.isInteger(heapMb) || heapMb < LEAST_HEAP_MB)
    throw new RangeError(`heapMb: ${heapMb} is not allowed; use a whole number of MiB from ${LEAST_HEAP_MB}.`);
  return { containerMb: heapMb + BESIDE_HEAP_MB, heapOptions: `-Xms${heapMb}m -Xmx${heapMb}m` };
}

/** Heap of a broker in a container of that size, MiB: the reverse of {@link kafkaMemory}. What is beyond is page cache, which Kafka reads from. */
export function kafkaHeapMb(containerMb: number): number {
  return Math.min(defaults.mostHeapMb, containerMb - BESIDE_HEAP_MB);
}

const defaults = {
  partitions: 12,
  retentionHours: 168,
  retentionMb: 256,
  /** Records are deleted by whole files: so many of them make a partition's retention, within Kafka's own least and most, MiB. */
  segments: 4,
  leastSegmentMb: 1,
  mostSegmentMb: 1024,
  /** Most hours of records in one file: Kafka's own. */
  rollHours: 168,
  /** Kafka's own advice for large brokers is 6 GB; more only makes pauses longer. */
  mostHeapMb: 6144,
  /** Feature B5: three copies, and a write is acknowledged when two have it. */
  replicas: 3,
  /** Milliseconds without a heartbeat until a broker counts as gone, and its partitions get other leaders. Kafka's own is 9 s. */
  brokerSessionMs: 6000,
} as const;

/**
 * `server.properties` of one broker in KRaft combined mode: no ZooKeeper, no separate controllers. No password is in it: Kafka reads them
 * from files when it starts.
 * @throws RangeError when the broker is not among the hosts, and for values the file could not hold.
 */
export function renderServerProperties(settings: BrokerSettings): string {
  const { nodeId, hosts, external } = settings;
  const { partitions = defaults.partitions, retentionHours = defaults.retentionHours, retentionMb = defaults.retentionMb } = settings;
  const host = hosts[nodeId - 1];
  if (host === undefined)
    throw new RangeError(`nodeId ${nodeId} is not allowed; use a number from 1 to ${hosts.length}, the count of hosts`);
  for (const name of hosts) {
    if (!HOST.test(name)) throw new RangeError(`hosts: ${JSON.stringify(name)} is not allowed; use letters, digits, dots and dashes.`);
  }
  if (external !== undefined && !ADDRESS.test(external))
    throw new RangeError(`external: ${JSON.stringify(external)} is not allowed; use host:port.`);
  for (const [name, value] of Object.entries({ partitions, retentionHours, retentionMb })) {
    if (!Number.isInteger(value) || value < 1) throw new RangeError(`${name}: ${value} is not allowed; use a whole number from 1.`);
  }
  const replicas = Math.min(defaults.replicas, hosts.length);
  const inSync = replicas === defaults.replicas ? 2 : 1;
  const segmentMb = Math.min(defaults.mostSegmentMb, Math.max(defaults.leastSegmentMb, Math.floor(retentionMb / defaults.segments)));
  const lines: Readonly<Record<string, string | number | boolean>> = {
    "process.roles": "broker,controller",
    "node.id": nodeId,
    "controller.quorum.voters": hosts.map((name, index) => `${index + 1}@${name}:${KAFKA_CONTROLLER_PORT}`).join(","),
    ...listenerLines(host, external),
    ...loginLines(),
    "log.dirs": KAFKA_DATA_DIRECTORY,
    "num.partitions": partitions,
    "default.replication.factor": replicas,
    "min.insync.replicas": inSync,
    "offsets.topic.replication.factor": replicas,
    "transaction.state.log.replication.factor": replicas,
    "transaction.state.log.min.isr": inSync,
    "share.coordinator.state.topic.replication.factor": replicas,
    "share.coordinator.state.topic.min.isr": inSync,
    // A copy that lags behind never becomes leader: better no answer than a lost acknowledged event.
    "unclean.leader.election.enable": false,
    // The app creates its topics, with the partitions it means; nobody deletes one by mistake.
    "auto.create.topics.enable": false,
    "delete.topic.enable": settings.deletableTopics ?? false,
    "broker.session.timeout.ms": defaults.brokerSessionMs,
    // A broker that comes back leads its partitions again after half a minute; Kafka's own is five.
    "leader.imbalance.check.interval.seconds": 30,
    // Members of a group that starts should not wait 3 s for others; later ones cause a rebalance either way.
    "group.initial.rebalance.delay.ms": 500,
    "log.retention.hours": retentionHours,
    "log.retention.bytes": retentionMb * 1024 ** 2,
    "log.segment.bytes": segmentMb * 1024 ** 2,
    // Of a group that is away. Records go by whole files, each of up to a week (Kafka's log.roll.hours): a group that is away for longer than they last
    // finds nothing it has read before, and one that comes back earlier still knows where it was.
    "offsets.retention.minutes": (retentionHours + defaults.rollHours) * 60,
    // The offsets of a group need no 50 partitions for a handful of members; each costs file handles and time at start.
    "offsets.topic.num.partitions": 12,
    "transaction.state.log.num.partitions": 12,
  };
  return `${Object.entries(lines)
    .map(([name, value]) => `${name}=${value}`)
    .join("\n")}\n`;
}

/** Everybody has a listener of their own, and so a way to log in of their own. */
function listenerLines(host: string, external: string | undefined): Readonly<Record<string, string>> {
  const listeners = [
    { name: "CLIENTS", bind: `:${KAFKA_PORT}`, advertised: `${host}:${KAFKA_PORT}` },
    { name: "BROKERS", bind: `:${KAFKA_BROKER_PORT}`, advertised: `${host}:${KAFKA_BROKER_PORT}` },
    ...(external === undefined ? [] : [{ name: "EXTERNAL", bind: `:${KAFKA_EXTERNAL_PORT}`, advertised: external }]),
    { name: "STATE", bind: `127.0.0.1:${KAFKA_STATE_PORT}`, advertised: `127.0.0.1:${KAFKA_STATE_PORT}` },
  ];
  return {
    "controller.listener.names": "CONTROLLERS",
    listeners: [...listeners.map(({ name, bind }) => `${name}://${bind}`), `CONTROLLERS://:${KAFKA_CONTROLLER_PORT}`].join(","),
    "advertised.listeners": listeners.map(({ name, advertised }) => `${name}://${advertised}`).join(","),
    "inter.broker.listener.name": "BROKERS",
    "listener.security.protocol.map": [
      ...["CLIENTS", "EXTERNAL", "BROKERS", "CONTROLLERS"].map((name) => `${name}:SASL_PLAINTEXT`),
      "STATE:PLAINTEXT",
    ].join(","),
  };
}

/**
 * Clients log in by SCRAM, as users that are in the cluster's metadata. Brokers log in with a password of their own by PLAIN: they do so before
 * they can read any metadata.
 */
function loginLines(): Readonly<Record<string, string>> {
  const password = `\${dir:${KAFKA_SECRETS_DIRECTORY}:broker_password}`;
  const plain =
    "org.apache.kafka.common.security.plain.PlainLoginModule required " +
    `username="broker" password="${password}" user_broker="${password}";`;
  const clients = (listener: string): Record<string, string> => ({
    [`listener.name.${listener}.sasl.enabled.mechanisms`]: KAFKA_SASL_MECHANISM,
    [`listener.name.${listener}.${KAFKA_SASL_MECHANISM.toLowerCase()}.sasl.jaas.config`]:
      "org.apache.kafka.common.security.scram.ScramLoginModule required;",
  });
  const brokers = (listener: string): Record<string, string> => ({
    [`listener.name.${listener}.sasl.enabled.mechanisms`]: "PLAIN",
    [`listener.name.${listener}.plain.sasl.jaas.config`]: plain,
  });
  return {
    "config.providers": "dir",
    "config.providers.dir.class": "org.apache.kafka.common.config.provider.DirectoryConfigProvider",
    "config.providers.dir.param.allowed.paths": KAFKA_SECRETS_DIRECTORY,
    "sasl.mechanism.inter.broker.protocol": "PLAIN",
    "sasl.mechanism.controller.protocol": "PLAIN",
    ...clients("clients"),
    ...clients("external"),
    ...brokers("brokers"),
    ...brokers("controllers"),
  };
}
