/** Port inside the container that brokers and clients on the same network use. */
export const KAFKA_PORT = 9092;

/** Port of the controllers, between brokers only. */
export const KAFKA_CONTROLLER_PORT = 9093;

/** Port of a second listener for clients outside the network; see {@link BrokerSettings.external}. */
export const KAFKA_EXTERNAL_PORT = 9094;

/** Directory of the logs: a volume. */
export const KAFKA_DATA_DIRECTORY = "/var/lib/kafka/data";

/** Where the start script expects the configuration. */
export const KAFKA_CONFIG_PATH = "/etc/kafka-broker/server.properties";

/** One broker among those of its cluster. */
export interface BrokerSettings {
  /** Number of this broker, from 1. */
  readonly nodeId: number;
  /** Host names of all brokers in order: the first is number 1. Every broker is a controller as well, so 1 or 3 of them make sense. */
  readonly hosts: readonly string[];
  /** Address under which clients outside the network reach this broker, `host:port`. @default none */
  readonly external?: string;
  /** Partitions of topics that do not say. @default 12 (feature B5) */
  readonly partitions?: number;
  /** Hours until records are deleted. @default 168 */
  readonly retentionHours?: number;
}

const HOST = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i;
const ADDRESS = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?:\d{1,5}$/i;

/** What a broker needs beside its heap, MiB: the virtual machine itself, its threads, and buffers of the network. */
const BESIDE_HEAP_MB = 384;

/** Below that a broker spends its time collecting garbage, or does not start at all. */
const LEAST_HEAP_MB = 192;

/**
 * Memory of a broker's container, and the heap options that go with it (data-plane.md: 256 to 384 MiB of heap).
 * @throws RangeError when the heap is no whole number of at least 192 MiB.
 */
export function kafkaMemory(heapMb: number): { readonly containerMb: number; readonly heapOptions: string } {
  if (!Number.isInteger(heapMb) || heapMb < LEAST_HEAP_MB)
    throw new RangeError(`heapMb: ${heapMb} is not allowed; use a whole number of MiB from ${LEAST_HEAP_MB}.`);
  return { containerMb: heapMb + BESIDE_HEAP_MB, heapOptions: `-Xms${heapMb}m -Xmx${heapMb}m` };
}

const defaults = {
  partitions: 12,
  retentionHours: 168,
  /** Feature B5: three copies, and a write is acknowledged when two have it. */
  replicas: 3,
  /** Milliseconds without a heartbeat until a broker counts as gone, and its partitions get other leaders. Kafka's own is 9 s. */
  brokerSessionMs: 6000,
} as const;

/**
 * `server.properties` of one broker in KRaft combined mode: no ZooKeeper, no separate controllers.
 * @throws RangeError when the broker is not among the hosts, and for values the file could not hold.
 */
export function renderServerProperties(settings: BrokerSettings): string {
  const { nodeId, hosts, external, partitions = defaults.partitions, retentionHours = defaults.retentionHours } = settings;
  const host = hosts[nodeId - 1];
  if (host === undefined)
    throw new RangeError(`nodeId ${nodeId} is not allowed; use a number from 1 to ${hosts.length}, the count of hosts`);
  for (const name of hosts) {
    if (!HOST.test(name)) throw new RangeError(`hosts: ${JSON.stringify(name)} is not allowed; use letters, digits, dots and dashes.`);
  }
  if (external !== undefined && !ADDRESS.test(external))
    throw new RangeError(`external: ${JSON.stringify(external)} is not allowed; use host:port.`);
  for (const [name, value] of Object.entries({ partitions, retentionHours })) {
    if (!Number.isInteger(value) || value < 1) throw new RangeError(`${name}: ${value} is not allowed; use a whole number from 1.`);
  }
  const replicas = Math.min(defaults.replicas, hosts.length);
  const inSync = replicas === defaults.replicas ? 2 : 1;
  const listeners = [
    { name: "INTERNAL", port: KAFKA_PORT, advertised: `${host}:${KAFKA_PORT}` },
    ...(external === undefined ? [] : [{ name: "EXTERNAL", port: KAFKA_EXTERNAL_PORT, advertised: external }]),
  ];
  const lines: Readonly<Record<string, string | number | boolean>> = {
    "process.roles": "broker,controller",
    "node.id": nodeId,
    "controller.quorum.voters": hosts.map((name, index) => `${index + 1}@${name}:${KAFKA_CONTROLLER_PORT}`).join(","),
    "controller.listener.names": "CONTROLLER",
    listeners: [...listeners.map(({ name, port }) => `${name}://:${port}`), `CONTROLLER://:${KAFKA_CONTROLLER_PORT}`].join(","),
    "advertised.listeners": listeners.map(({ name, advertised }) => `${name}://${advertised}`).join(","),
    "inter.broker.listener.name": "INTERNAL",
    "listener.security.protocol.map": "INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
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
    // The app creates its topics, with the partitions it means.
    "auto.create.topics.enable": false,
    "broker.session.timeout.ms": defaults.brokerSessionMs,
    // Members of a group that starts should not wait 3 s for others; later ones cause a rebalance either way.
    "group.initial.rebalance.delay.ms": 500,
    "log.retention.hours": retentionHours,
    // The offsets of a group need no 50 partitions for a handful of members; each costs file handles and time at start.
    "offsets.topic.num.partitions": 12,
    "transaction.state.log.num.partitions": 12,
  };
  return `${Object.entries(lines)
    .map(([name, value]) => `${name}=${value}`)
    .join("\n")}\n`;
}
