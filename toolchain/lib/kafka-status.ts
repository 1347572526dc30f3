import type Docker from "dockerode";
import { z } from "zod";
import { execIn, LABELS } from "./docker";
import { SERVICES, type AppReport } from "./docker-app";
import { messageOf } from "./errors";

/** Longest wait for a broker's answer, milliseconds: it comes in well under a second. */
const ANSWER_MS = 10_000;

/** A write is acknowledged when so many brokers have it (components/local/kafka/server-properties.ts). */
const LEAST_IN_SYNC = 2;

const stateSchema = z.object({
  broker: z.number(),
  brokers: z.array(z.number()),
  partitions: z.array(
    z.object({
      topic: z.string(),
      partition: z.number(),
      leader: z.number(),
      replicas: z.array(z.number()),
      inSync: z.array(z.number()),
    }),
  ),
});

/** What one broker knows of its cluster: components/local/kafka/broker-state.sh prints it. */
export type BrokerState = z.infer<typeof stateSchema>;

/** A broker by what the cluster knows of it. */
export interface BrokerStatus {
  /** E.g. `kafka-1`. */
  readonly name: string;
  /** Whether the cluster counts it as one that is there. */
  readonly present: boolean;
  readonly leads: number;
  /** Partitions it has a copy of, and those of them that are not up to date. */
  readonly copies: number;
  readonly behind: number;
}

/** Kafka, as one of its brokers tells. */
export interface KafkaStatus {
  readonly brokers: readonly BrokerStatus[];
  readonly partitions: number;
  /** Partitions that lack a copy in sync. */
  readonly underReplicated: number;
  /** Partitions with too few copies in sync to acknowledge a write. */
  readonly readOnly: number;
  /** Partitions without a leader: neither read nor written. */
  readonly offline: number;
  /** Events that wait to be read; `null` when nobody who knows answered. */
  readonly lag: number | null;
}

/** @throws Error when it is something else. */
export function parseBrokerState(text: string): BrokerState {
  return stateSchema.parse(JSON.parse(text));
}

/** @throws Error when the broker does not answer. */
export async function brokerState(broker: Docker.Container): Promise<BrokerState> {
  const { exitCode, stdout, stderr } = await execIn(broker, ["broker-state"], ANSWER_MS);
  if (exitCode !== 0) throw new Error(`the broker does not answer: ${stderr.trim().slice(0, 200)}`);
  return parseBrokerState(stdout);
}

/** Containers of the brokers, running or not, by name of the broker. */
export function brokerContainers(containers: readonly Docker.ContainerInfo[]): Map<string, Docker.ContainerInfo> {
  const brokers = containers.filter((info) => info.Labels[LABELS.service] === SERVICES.kafka);
  const named = brokers.map((info) => [info.Labels[LABELS.node] ?? "", info] as const);
  return new Map(named.sort(([one], [two]) => one.localeCompare(two)));
}

/**
 * The state of the cluster as the first broker that answers sees it.
 * @param except a broker that is not to be asked, e.g. because it has just been restarted
 * @throws Error with every broker's reason when none answers.
 */
export async function clusterState(docker: Docker, containers: readonly Docker.ContainerInfo[], except?: string): Promise<BrokerState> {
  const reasons: string[] = [];
  for (const [name, info] of brokerContainers(containers)) {
    if (name === except) continue;
    try {
      return await brokerState(docker.getContainer(info.Id));
    } catch (error) {
      reasons.push(`${name}: ${messageOf(error)}`);
    }
  }
  throw new Error(reasons.length === 0 ? "there is no broker to ask" : `no broker answers (${reasons.join("; ")})`);
}

/**
 * The number that the cluster knows a broker by: `kafka-2` is 2 (components/local/kafka).
 * @throws Error for another name
 */
function brokerId(name: string): number {
  const id = Number(/^kafka-([1-9]\d*)$/.exec(name)?.[1]);
  if (Number.isNaN(id)) throw new Error(`${JSON.stringify(name)} is not the name of a broker: those are kafka-1, kafka-2 and so on`);
  return id;
}

/**
 * @param names of brokers that should be there; those that the cluster itself knows, because they are in it or have copies, are added
 * @throws Error when one is not the name of a broker
 */
export function kafkaStatus({ brokers, partitions }: BrokerState, names: readonly string[], lag: number | null): KafkaStatus {
  const ids = new Set([...names.map(brokerId), ...brokers, ...partitions.flatMap(({ replicas }) => replicas)]);
  const count = (condition: (partition: BrokerState["partitions"][number]) => boolean): number => partitions.filter(condition).length;
  return {
    brokers: [...ids]
      .sort((one, two) => one - two)
      .map((id) => {
        const own = partitions.filter(({ replicas }) => replicas.includes(id));
        const behind = own.filter(({ inSync }) => !inSync.includes(id)).length;
        return {
          name: `kafka-${id}`,
          present: brokers.includes(id),
          leads: count(({ leader }) => leader === id),
          copies: own.length,
          behind,
        };
      }),
    partitions: partitions.length,
    underReplicated: count(({ replicas, inSync }) => inSync.length < replicas.length),
    readOnly: count(({ replicas, inSync }) => inSync.length < Math.min(LEAST_IN_SYNC, replicas.length)),
    offline: count(({ leader }) => leader < 1),
    lag,
  };
}

/** The lag by those who read, else by those who publish; who does neither knows nothing of it. */
export function lagOf(reports: readonly (AppReport | null)[]): number | null {
  const known = reports.flatMap((report) => report?.events ?? []).filter(({ lag }) => lag !== null);
  return (known.find(({ consuming }) => consuming) ?? known[0])?.lag ?? null;
}
