import { Admin, type BaseOptions, Connection, Producer, ProduceAcks, findErrorBy, instancesChannel } from "@platformatic/kafka";
import type { KafkaConfig, KafkaLogin } from "./config";

const defaults = {
  /** Longest wait for a connection and for the answer to a request; milliseconds. */
  connectTimeoutMs: 2000,
  requestTimeoutMs: 4000,
  /** A request is repeated this often, after a pause (ms), before its caller hears of it: a new leader takes about a second. */
  retries: 3,
  retryDelayMs: 300,
} as const;

// A broker that ends a connection while a client logs in (it is killed, or does not serve yet) makes the library (2.12.1) emit an error once more
// after everybody has stopped listening, and Node ends a process for that. Whoever waited for the connection has been told by then.
instancesChannel.subscribe((message) => {
  const { instance } = message as { readonly instance?: unknown };
  if (instance instanceof Connection) instance.on("error", () => undefined);
});

/** What every client of the library is created with. */
export function clientOptions(config: KafkaConfig, clientId: string): BaseOptions {
  return {
    clientId,
    bootstrapBrokers: [...config.brokers],
    connectTimeout: defaults.connectTimeoutMs,
    requestTimeout: defaults.requestTimeoutMs,
    timeout: defaults.requestTimeoutMs,
    retries: defaults.retries,
    retryDelay: defaults.retryDelayMs,
    autocreateTopics: false,
    ...(config.tls !== undefined && { tls: config.tls }),
    ...(config.sasl !== undefined && { sasl: saslOptions(config.sasl) }),
  };
}

/**
 * The library asks for a token with every connection, and again before the broker's session ends. The signer and the SDK's search for
 * credentials are loaded with the first one, by those who log in so only.
 */
function saslOptions(login: KafkaLogin): NonNullable<BaseOptions["sasl"]> {
  if (login.mechanism !== "AWS_MSK_IAM") return login;
  const token = async (): Promise<string> => {
    const { generateAuthToken } = await import("../aws/aws-sdk.js");
    return (await generateAuthToken({ region: login.region })).token;
  };
  return { mechanism: "OAUTHBEARER", token };
}

/**
 * A producer as feature B5 wants it: idempotent, acknowledged by every copy in sync, gzip. The library keeps one request a broker in
 * flight when it is idempotent (Kafka would allow 5), which also keeps the order of a partition.
 */
export function createProducer(config: KafkaConfig, clientId: string): Producer<string, string, string, string> {
  const toBuffer = (text?: string): Buffer | undefined => (text === undefined ? undefined : Buffer.from(text));
  return new Producer({
    ...clientOptions(config, clientId),
    idempotent: true,
    acks: ProduceAcks.ALL,
    compression: "gzip",
    serializers: { key: toBuffer, value: toBuffer, headerKey: toBuffer, headerValue: toBuffer },
  });
}

/** Where records go that cannot be handled. */
export function deadLetterTopic(config: KafkaConfig): string {
  return `${config.topic}.dead-letter`;
}

/** Creates the topics that are not there. With three copies or more, a write is acknowledged when two have it. */
export async function ensureTopics(config: KafkaConfig, clientId: string): Promise<void> {
  const admin = new Admin(clientOptions(config, clientId));
  try {
    const existing = new Set(await admin.listTopics());
    const topics = [config.topic, deadLetterTopic(config)].filter((topic) => !existing.has(topic));
    if (topics.length === 0) return;
    const { partitions, replicationFactor: replicas } = config;
    const inSync = replicas >= 3 ? "2" : "1";
    await admin.createTopics({ topics, partitions, replicas, configs: [{ name: "min.insync.replicas", value: inSync }] });
  } catch (error) {
    // Another process was faster.
    if (!(error instanceof Error) || findErrorBy(error, "apiId", "TOPIC_ALREADY_EXISTS") === null) throw error;
  } finally {
    await admin.close();
  }
}
