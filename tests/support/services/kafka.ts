import { randomBytes } from "node:crypto";
import { Admin } from "@platformatic/kafka";
import { loadConfig } from "../../../app/src/config";
import { clientOptions } from "../../../app/src/events/kafka";
import {
  KAFKA_APP_USER,
  KAFKA_BASE_IMAGE,
  KAFKA_DATA_DIRECTORY,
  KAFKA_EXTERNAL_PORT,
  KAFKA_PASSWORDS,
  KAFKA_SASL_MECHANISM,
  KAFKA_SECRETS_DIRECTORY,
  kafkaConfigPath,
  kafkaContext,
  kafkaMemory,
  renderServerProperties,
} from "../../../components/local/kafka";
import { kafkaImageStep } from "../../../toolchain/machine/kafka-image";
import { dockerCommand, type ServiceContainer, serviceImage, serviceName, startService } from "./container";

/** A Kafka cluster of a test. */
export interface KafkaService {
  /** Bootstrap addresses, what goes into KAFKA_BROKERS. */
  readonly url: string;
  /** How the app is told of it: where it is, and how to log in. */
  readonly environment: Readonly<Record<string, string>>;
  readonly brokers: readonly ServiceContainer[];
  remove(): Promise<void>;
}

export interface KafkaServiceOptions {
  /** @default 1 */
  readonly brokers?: 1 | 3;
  /** @default 256 (B5) */
  readonly heapMb?: number;
}

/** Starts brokers from the project's own image, configured as the stack does it; ready when all of them know of each other. */
export async function startKafka({ brokers: count = 1, heapMb = 256 }: KafkaServiceOptions = {}): Promise<KafkaService> {
  await ensureKafkaImage();
  const image = await serviceImage("kafka", kafkaContext());
  const network = serviceName("kafka-network");
  await dockerCommand(["network", "create", "--label", `phased-stack.stack=${network}`, network]);
  const hosts = Array.from({ length: count }, (_, index) => `kafka-${index + 1}`);
  const memory = kafkaMemory(heapMb);
  const clusterId = randomBytes(16).toString("base64url");
  const passwords = Object.fromEntries(KAFKA_PASSWORDS.map((name) => [name, randomBytes(16).toString("hex")]));
  const appPassword = passwords["app_password"]!;
  const start = (host: string, index: number): Promise<ServiceContainer> =>
    startService({
      kind: host,
      image,
      internalPort: KAFKA_EXTERNAL_PORT,
      create: [
        ...["--network", network, "--network-alias", host, "--memory", `${memory.containerMb}m`, "--cap-drop", "ALL"],
        ...["--env", `KAFKA_CLUSTER_ID=${clusterId}`, "--env", `KAFKA_BROKER=${host}`, "--env", `KAFKA_HEAP_OPTS=${memory.heapOptions}`],
      ],
      volumes: [KAFKA_DATA_DIRECTORY],
      files: [
        {
          path: kafkaConfigPath(host),
          content: (port) => renderServerProperties({ nodeId: index + 1, hosts, external: `127.0.0.1:${port}`, deletableTopics: true }),
        },
        ...Object.entries(passwords).map(([name, content]) => ({ path: `${KAFKA_SECRETS_DIRECTORY}/${name}`, content })),
      ],
      // A Java program with a log to recover takes seconds on an idle machine, and much longer beside other tests.
      readyDeadlineMs: 180_000,
      ready: async ({ port }) => (await knownBrokers(`127.0.0.1:${port}`, appPassword)) >= Math.max(1, count - 1),
    });
  const started = await Promise.allSettled(hosts.map(start));
  const brokers = started.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const remove = async (): Promise<void> => {
    await Promise.all(brokers.map((broker) => broker.remove()));
    await dockerCommand(["network", "rm", network]);
  };
  const failed = started.find((result) => result.status === "rejected");
  if (failed !== undefined) {
    await remove();
    throw failed.reason;
  }
  const url = brokers.map(({ host, port }) => `${host}:${port}`).join(",");
  return { url, environment: loginOf(url, appPassword), brokers, remove };
}

/** Where the official image cannot be pulled a stand-in is assembled, once a machine. */
export async function ensureKafkaImage(): Promise<void> {
  if ((await dockerCommand(["image", "ls", "--quiet", KAFKA_BASE_IMAGE])).trim() !== "") return;
  const silent = (): void => undefined;
  await kafkaImageStep().ensure({ progress: { detail: silent, line: silent }, official: false });
}

function loginOf(brokers: string, password: string): Record<string, string> {
  return { KAFKA_BROKERS: brokers, KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME: KAFKA_APP_USER, KAFKA_SASL_PASSWORD: password };
}

/** How many brokers a broker knows, itself included; an open port alone means nothing, Docker opens it. */
async function knownBrokers(address: string, password: string): Promise<number> {
  const { kafka } = loadConfig({ NODE_ENV: "test", ...loginOf(address, password) });
  const admin = new Admin({ ...clientOptions(kafka!, "ready"), connectTimeout: 1000, requestTimeout: 2000, retries: 0 });
  try {
    return (await admin.metadata({ topics: [], forceUpdate: true })).brokers.size;
  } finally {
    await admin.close();
  }
}
