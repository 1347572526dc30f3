import type Docker from "dockerode";
import type { PostgresStatus } from "../../components/local/postgres-operator/src/status-types";
import type { RemovedContainer } from "./absences";
import { execIn, LABELS } from "./docker";
import { SERVICES, type AppReport, type QueueCounts } from "./docker-app";
import { messageOf } from "./errors";
import { brokerContainers, clusterState, kafkaStatus, lagOf, type KafkaStatus } from "./kafka-status";
import { postgresStatus } from "./postgres-operator";
import { redisInfo, redisStatus, type RedisStatus } from "./redis-status";

/** A part that was asked: what it said, or why it said nothing. */
export interface Asked<Part> {
  readonly value: Part | null;
  readonly problem: string | null;
}

/** Where the proxy in front of Postgres leads, by its own view. */
export interface ProxyStatus {
  /** Nodes it takes for the primary: one, when all is well. */
  readonly primaries: readonly string[];
}

/** Room on the disk that the volumes of Postgres are on. */
export interface DiskStatus {
  readonly freeBytes: number;
  readonly sizeBytes: number;
}

/** Everything behind the app in phase `database`. */
export interface DataPlaneStatus {
  readonly postgres: Asked<PostgresStatus>;
  readonly proxy: Asked<ProxyStatus>;
  readonly disk: Asked<DiskStatus>;
  /** By service, e.g. `redis-cache`. */
  readonly redis: Readonly<Record<string, Asked<RedisStatus>>>;
  /** Neither queues nor a problem where the app's image is the user's own, which is not asked for any. */
  readonly queues: Asked<QueueCounts>;
  /** `null` in a stack without Kafka. */
  readonly kafka: Asked<KafkaStatus> | null;
}

/**
 * Asks every part; one that does not answer is a finding. `null` for a stack without Postgres.
 * @param removed what of the stack has no container any more
 * @param reports what the app's instances said: any of them knows the queues.
 */
export async function dataPlaneStatus(
  docker: Docker,
  containers: readonly Docker.ContainerInfo[],
  removed: readonly RemovedContainer[],
  reports: Promise<readonly (AppReport | null)[]>,
): Promise<DataPlaneStatus | null> {
  const services = [...containers.map((info) => info.Labels[LABELS.service]), ...removed.map(({ service }) => service)];
  if (!services.includes(SERVICES.postgres)) return null;
  const running = (service: string): Docker.Container | undefined => {
    const info = containers.find((one) => one.Labels[LABELS.service] === service && one.State === "running");
    return info === undefined ? undefined : docker.getContainer(info.Id);
  };
  const ask = async <Part>(service: string, question: (container: Docker.Container) => Promise<Part>): Promise<Asked<Part>> => {
    const container = running(service);
    if (container === undefined) return { value: null, problem: `no container of ${service} runs` };
    try {
      return { value: await question(container), problem: null };
    } catch (error) {
      return { value: null, problem: messageOf(error) };
    }
  };
  const [postgres, proxy, disk, queues, kafka, redis] = await Promise.all([
    ask(SERVICES.operator, postgresStatus),
    ask(SERVICES.postgresProxy, proxyStatus),
    ask(SERVICES.postgres, diskStatus),
    containers.some((info) => info.Labels[LABELS.ownImage] !== undefined) ? NOT_ASKED : reports.then(queuesOf),
    askKafka(docker, containers, removed, reports),
    Promise.all(
      [SERVICES.redisCache, SERVICES.redisLimits].map(
        async (service) => [service, await ask(service, async (container) => redisStatus(service, await redisInfo(container)))] as const,
      ),
    ),
  ]);
  return { postgres, proxy, disk, queues, kafka, redis: Object.fromEntries(redis) };
}

async function askKafka(
  docker: Docker,
  containers: readonly Docker.ContainerInfo[],
  removed: readonly RemovedContainer[],
  reports: Promise<readonly (AppReport | null)[]>,
): Promise<Asked<KafkaStatus> | null> {
  const gone = removed.filter(({ service }) => service === SERVICES.kafka).map(({ node }) => node);
  const names = [...brokerContainers(containers).keys(), ...gone];
  if (names.length === 0) return null;
  try {
    const state = await clusterState(docker, containers);
    return { value: kafkaStatus(state, names, lagOf(await reports)), problem: null };
  } catch (error) {
    return { value: null, problem: messageOf(error) };
  }
}

const NOT_ASKED: Asked<QueueCounts> = { value: null, problem: null };

function queuesOf(reports: readonly (AppReport | null)[]): Asked<QueueCounts> {
  const value = reports.find((report) => report?.queues !== undefined)?.queues ?? null;
  const answers = reports.some((report) => report !== null);
  return { value, problem: value !== null ? null : answers ? "the app tells nothing of them" : "no instance of the app answers" };
}

/** Its image has no HTTP client; bash opens the connection itself. */
async function proxyStatus(proxy: Docker.Container): Promise<ProxyStatus> {
  const script = "exec 3<>/dev/tcp/127.0.0.1/8404 && printf 'GET /primary HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3";
  const { exitCode, stdout, stderr } = await execIn(proxy, ["bash", "-c", script]);
  if (exitCode !== 0) throw new Error(`the proxy does not answer: ${stderr.trim().slice(0, 200)}`);
  return parseProxyAnswer(stdout);
}

/** @param answer as HTTP has it: 200 with the names of the nodes, 503 when there is none */
export function parseProxyAnswer(answer: string): ProxyStatus {
  const [head = "", body = ""] = answer.split(/\r?\n\r?\n/, 2);
  const status = Number(/^HTTP\/\d\.\d (\d{3})/.exec(head)?.[1]);
  if (status !== 200 && status !== 503) throw new Error(`the proxy answers ${JSON.stringify(head.split(/\r?\n/, 1)[0])}`);
  return { primaries: status === 503 ? [] : body.trim().split(/\s+/).filter(Boolean) };
}

async function diskStatus(node: Docker.Container): Promise<DiskStatus> {
  const { exitCode, stdout, stderr } = await execIn(node, ["df", "-Pk", "/var/lib/postgresql/data"]);
  if (exitCode !== 0) throw new Error(`df: ${stderr.trim().slice(0, 200)}`);
  return parseDiskFree(stdout);
}

/** @param text what `df -Pk` prints: a head, then size, used and available in kB */
export function parseDiskFree(text: string): DiskStatus {
  const fields = (text.trim().split("\n").at(-1) ?? "").split(/\s+/);
  const [size, free] = [Number(fields[1]), Number(fields[3])];
  if (!Number.isFinite(size) || !Number.isFinite(free)) throw new Error(`df is not understood: ${text.slice(0, 100)}`);
  return { sizeBytes: size * 1024, freeBytes: free * 1024 };
}
