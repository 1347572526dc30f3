import { KAFKA_BROKERS, LEAST_KAFKA_MB } from "../../../components/local/kafka";
import type { DockerHost } from "../preflight";
import type { SizingConfig } from "./types";

/** What there is and what is asked for, when the second is more. Memory in MiB. */
export interface TooMuch {
  readonly config: SizingConfig;
  readonly host: Pick<DockerHost, "memoryMb">;
  readonly budgetMb: number;
  /** What all containers need at least. */
  readonly neededMb: number;
  /** Least of each Postgres server, for its connections. */
  readonly leastPostgresMb: number;
  /** Whether there would be a plan for another configuration. */
  readonly fits: (config: SizingConfig) => boolean;
}

/** A key whose value may be what is too much, and the least it may be. */
interface Candidate {
  readonly key:
    | "postgresMemoryMb"
    | "appMemoryMb"
    | "jobsMemoryMb"
    | "redisCacheMb"
    | "redisLimitsMb"
    | "kafkaMemoryMb"
    | "appInstances"
    | "postgresNodes"
    | "dbPoolSize";
  readonly value: number;
  readonly least: number;
  /** Containers of that size. */
  readonly count: number;
}

/**
 * One sentence for a plan that does not fit: the size that is too large if somebody gave one, else a count, else the budget, else the host.
 * What it tells to type leads to a plan that fits, or to the next sentence where more than one value is too large.
 */
export function cannotFit({ config, host, budgetMb, neededMb, leastPostgresMb, fits }: TooMuch): string {
  const may =
    config.memoryBudgetMb === undefined
      ? `the ${budgetMb} MiB the stack may use of the Docker host's ${host.memoryMb}`
      : `the ${budgetMb} MiB of memoryBudgetMb`;
  const sentence = ({ key, value, count }: Candidate, allowed: number): string =>
    `${key} is ${value}${count > 1 ? ` for each of ${count} containers` : ""}, with which all containers need at least ${neededMb} MiB; ` +
    `allowed: at most ${allowed}, to stay within ${may}. Fix: pulumi config set ${key} ${allowed}`;
  const switchOff = (key: "kafka" | "monitoring"): string =>
    `${key} is true, with which all containers need at least ${neededMb} MiB; allowed: false, to stay within ${may}. ` +
    `Fix: pulumi config set ${key} false`;
  // Rather than with less of what serves, the stack does without what watches.
  if (config.monitoring && fits({ ...config, monitoring: false })) return switchOff("monitoring");
  const all = candidates(config, leastPostgresMb);
  for (const candidate of all) {
    const allowed = largest(candidate, (value) => fits({ ...config, [candidate.key]: value }));
    if (allowed !== undefined) return sentence(candidate, allowed);
  }
  // More than one is too large: one after the other, unless not even all of them together would do.
  const [first] = all.filter(({ value, least }) => value > least);
  const least = Object.fromEntries(all.map((candidate) => [candidate.key, candidate.least]));
  if (first !== undefined && fits({ ...config, ...least })) return sentence(first, first.least);
  if (config.memoryBudgetMb !== undefined && neededMb <= host.memoryMb) {
    return `memoryBudgetMb is ${budgetMb}; allowed: at least ${neededMb}, what all containers need. Fix: pulumi config set memoryBudgetMb ${neededMb}`;
  }
  if (config.kafka && fits({ ...config, kafka: false })) return switchOff("kafka");
  if (config.monitoring && fits({ ...config, kafka: false, monitoring: false })) return switchOff("monitoring");
  return (
    `the Docker host is too small for phase database: all containers need at least ${neededMb} MiB, more than ${may}. ` +
    "Fix: give Docker more memory, or stay in phase cluster: pulumi config set phase cluster"
  );
}

/** Largest value that fits, below the one that does not; `undefined` when none does. */
function largest({ value, least }: Candidate, fits: (value: number) => boolean): number | undefined {
  if (value <= least || !fits(least)) return undefined;
  let [good, bad] = [least, value];
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (fits(middle)) good = middle;
    else bad = middle;
  }
  return good;
}

/** What somebody gave, the largest first: that is where there is most to gain. Then the counts, which have a default as well. */
function candidates(config: SizingConfig, leastPostgresMb: number): Candidate[] {
  const { postgresMemoryMb, appMemoryMb, jobsMemoryMb, redisCacheMb, redisLimitsMb, kafkaMemoryMb } = config;
  const { appInstances, postgresNodes, dbPoolSize } = config;
  const given = (key: Candidate["key"], value: number | undefined, least: number, count: number): Candidate[] =>
    value === undefined ? [] : [{ key, value, least, count }];
  const sizes = [
    ...given("postgresMemoryMb", postgresMemoryMb, leastPostgresMb, postgresNodes),
    ...given("appMemoryMb", appMemoryMb, 192, appInstances),
    ...given("jobsMemoryMb", jobsMemoryMb, 256, 1),
    ...given("redisCacheMb", redisCacheMb, 16, 1),
    ...given("redisLimitsMb", redisLimitsMb, 16, 1),
    ...given("kafkaMemoryMb", config.kafka ? kafkaMemoryMb : undefined, LEAST_KAFKA_MB, KAFKA_BROKERS),
  ].sort((a, b) => b.value * b.count - a.value * a.count);
  return [
    ...sizes,
    ...given("dbPoolSize", dbPoolSize, 4, 1),
    ...given("appInstances", appInstances, 1, 1),
    ...given("postgresNodes", postgresNodes, 2, 1),
  ];
}

/** Postgres' memory does not carry its connections. */
export function tooManyConnections(givenMb: number, maxConnections: number, leastMb: number): string {
  return (
    `postgresMemoryMb is ${givenMb}, but ${maxConnections} connections need ${leastMb} MiB; ` +
    `allowed: at least ${leastMb}, or fewer connections (dbPoolSize). Fix: pulumi config set postgresMemoryMb ${leastMb}`
  );
}

/** The app would have more connections to PgBouncer than it takes; what follows from workers, and what from the pool, has its own advice. */
export function tooManyClients(
  config: SizingConfig,
  { workers, poolMax, clients }: { readonly workers: number; readonly poolMax: number; readonly clients: number },
  most: number,
): string {
  const allowed = (value: number): number => Math.max(1, Math.floor((value * most) / clients) - 1);
  const rest = `with which the app may open ${clients} connections to PgBouncer, and it takes ${most}`;
  if (poolMax === workers) {
    return (
      `workers is ${workers} for each of ${config.appInstances} instances (appInstances), ${rest}; ` +
      `allowed: at most ${allowed(workers)}. Fix: pulumi config set workers ${allowed(workers)}`
    );
  }
  const poolSize = config.dbPoolSize ?? 0;
  return `dbPoolSize is ${poolSize}, ${rest}; allowed: at most ${allowed(poolSize)}. Fix: pulumi config set dbPoolSize ${allowed(poolSize)}`;
}
