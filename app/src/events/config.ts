import { readCertificates } from "../config/certificates";

/** How Kafka is reached and what is kept there. */
export interface KafkaConfig {
  /** KAFKA_BROKERS: `host:port` of some brokers, separated by commas; the others are found through them. */
  readonly brokers: readonly string[];
  /** KAFKA_TOPIC; @default "company-events" */
  readonly topic: string;
  /** KAFKA_GROUP: consumers of one group share the partitions; @default "phased-stack" */
  readonly group: string;
  /** KAFKA_PARTITIONS of a topic that has to be created; @default 12 (B5) */
  readonly partitions: number;
  /** KAFKA_REPLICATION_FACTOR of a topic that has to be created; @default the number of KAFKA_BROKERS, at most 3 (B5) */
  readonly replicationFactor: number;
  /** KAFKA_TLS and KAFKA_TLS_CA_FILE; `undefined`: plain connections. */
  readonly tls: { /** PEM. @default the system's authorities */ readonly ca?: string } | undefined;
  /** KAFKA_SASL_MECHANISM with KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD, or with AWS_REGION; `undefined`: no login. */
  readonly sasl: KafkaLogin | undefined;
}

const PASSWORD_MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] as const;

/** At Amazon MSK as the role this runs with (IAM), by tokens that are signed here and hold for minutes. */
const IAM = "AWS_MSK_IAM";

export const SASL_MECHANISMS = [...PASSWORD_MECHANISMS, IAM] as const;
export type SaslMechanism = (typeof SASL_MECHANISMS)[number];

/** How a client tells the brokers who it is. */
export type KafkaLogin =
  | { readonly mechanism: (typeof PASSWORD_MECHANISMS)[number]; readonly username: string; readonly password: string }
  | { readonly mechanism: typeof IAM; /** Of the brokers: tokens are signed for it. */ readonly region: string };

/** Copies of each record, as long as there are so many brokers (B5). */
const MOST_REPLICAS = 3;

/** The variables of Kafka, each valid by itself. */
export interface KafkaVariables {
  readonly KAFKA_BROKERS?: string | undefined;
  readonly KAFKA_TOPIC: string;
  readonly KAFKA_GROUP: string;
  readonly KAFKA_PARTITIONS: number;
  readonly KAFKA_REPLICATION_FACTOR: number | undefined;
  readonly KAFKA_TLS: "true" | "false";
  readonly KAFKA_TLS_CA_FILE?: string | undefined;
  readonly KAFKA_SASL_MECHANISM?: SaslMechanism | undefined;
  readonly KAFKA_SASL_USERNAME?: string | undefined;
  readonly KAFKA_SASL_PASSWORD?: string | undefined;
  readonly AWS_REGION?: string | undefined;
}

/** Puts the variables together; what does not fit is added to `violations`. `undefined` without brokers: events are off. */
export function kafkaConfig(env: KafkaVariables, violations: string[]): KafkaConfig | undefined {
  if (env.KAFKA_BROKERS === undefined) return undefined;
  const brokers = env.KAFKA_BROKERS.split(",");
  return {
    brokers,
    topic: env.KAFKA_TOPIC,
    group: env.KAFKA_GROUP,
    partitions: env.KAFKA_PARTITIONS,
    replicationFactor: env.KAFKA_REPLICATION_FACTOR ?? Math.min(MOST_REPLICAS, brokers.length),
    tls: tls(env, violations),
    sasl: sasl(env, violations),
  };
}

function tls({ KAFKA_TLS: enabled, KAFKA_TLS_CA_FILE: file }: KafkaVariables, violations: string[]): KafkaConfig["tls"] {
  if (file === undefined) return enabled === "true" ? {} : undefined;
  if (enabled === "false") {
    violations.push("KAFKA_TLS_CA_FILE: set without TLS; set KAFKA_TLS to true, or remove the variable.");
    return undefined;
  }
  const ca = readCertificates("KAFKA_TLS_CA_FILE", file, violations);
  return ca === undefined ? undefined : { ca };
}

function sasl(env: KafkaVariables, violations: string[]): KafkaConfig["sasl"] {
  const { KAFKA_SASL_MECHANISM: mechanism, KAFKA_SASL_USERNAME: username, KAFKA_SASL_PASSWORD: password } = env;
  if (mechanism === IAM) return iamLogin(env, violations);
  if (mechanism !== undefined && username !== undefined && password !== undefined) return { mechanism, username, password };
  const given = Object.entries({ KAFKA_SASL_MECHANISM: mechanism, KAFKA_SASL_USERNAME: username, KAFKA_SASL_PASSWORD: password });
  const missing = given.filter(([, value]) => value === undefined).map(([name]) => name);
  if (missing.length < given.length) {
    violations.push(`${missing.join(", ")}: not set, but a login at Kafka needs all of ${given.map(([name]) => name).join(", ")}.`);
  }
  return undefined;
}

function iamLogin(env: KafkaVariables, violations: string[]): KafkaLogin | undefined {
  const { KAFKA_TLS: encrypted, AWS_REGION: region, KAFKA_SASL_USERNAME: username, KAFKA_SASL_PASSWORD: password } = env;
  if (encrypted === "false") {
    violations.push(`KAFKA_SASL_MECHANISM: ${IAM} needs encryption, because a token is as good as a password; set KAFKA_TLS to true.`);
  }
  for (const [name, value] of Object.entries({ KAFKA_SASL_USERNAME: username, KAFKA_SASL_PASSWORD: password })) {
    if (value === undefined) continue;
    violations.push(`${name}: set with KAFKA_SASL_MECHANISM ${IAM}, which logs in as a role; remove the variable.`);
  }
  if (region !== undefined) return { mechanism: IAM, region };
  violations.push(`AWS_REGION: not set, but KAFKA_SASL_MECHANISM ${IAM} needs the region of the brokers, such as eu-central-1.`);
  return undefined;
}
