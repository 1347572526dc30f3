import { neededMemoryMb } from "../../../app/src/config/machine";
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
    | "workerHeapMb"
    | "workers"
    | "appInstances"
    | "postgresNodes"
    | "dbPoolSize";
  readonly value: number;
  readonly least: number;
  /** Containers of that size. */
  readonly count: number;
  /** What it takes together, where that is not the value times the containers, MiB. */
  readonly totalMb?: number;
  /** The configuration with another value, and with all that the user could then set lower as well. @default the value alone */
  readonly given?: (value: number) => Partial<SizingConfig>;
}

/** What can be switched to less, and to what: Kafka and monitoring off, etcd to the one member it has unless asked. */
const SWITCHES = { monitoring: false, kafka: false, etcdMembers: "1" } as const;
/** The members of an etcd that is there know each other from their first start, see etcd-members.ts. */
const SWITCH_NOTES: Readonly<Partial<Record<Switch, string>>> = { etcdMembers: " in a stack that has no etcd yet" };
type Switch = keyof typeof SWITCHES;

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
  const switched = (key: Switch): string =>
    `${key} is ${config[key]}, with which all containers need at least ${neededMb} MiB; allowed: ${SWITCHES[key]}${SWITCH_NOTES[key] ?? ""}, ` +
    `to stay within ${may}. Fix: pulumi config set ${key} ${SWITCHES[key]}`;
  // Rather than with less of what serves, the stack does without what watches.
  if (config.monitoring && fits({ ...config, monitoring: false })) return switched("monitoring");
  const all = candidates(config, leastPostgresMb);
  for (const candidate of all) {
    const allowed = largest(candidate, (value) => fits({ ...config, ...given(candidate, value) }));
    if (allowed !== undefined) return sentence(candidate, allowed);
  }
  // More than one is too large: one after the other, unless not even all of them together would do.
  const [first] = all.filter(({ value, least }) => value > least);
  const least = leastConfig(config, all);
  if (first !== undefined && fits(least)) return sentence(first, first.least);
  if (config.memoryBudgetMb !== undefined && neededMb <= host.memoryMb) {
    return `memoryBudgetMb is ${budgetMb}; allowed: at least ${neededMb}, what all containers need. Fix: pulumi config set memoryBudgetMb ${neededMb}`;
  }
  // The budget is the next thing to say, once what is too much even for the host is less.
  if (first !== undefined && config.memoryBudgetMb !== undefined && fits({ ...least, memoryBudgetMb: undefined }))
    return sentence(first, first.least);
  const switches = (["monitoring", "kafka", "etcdMembers"] as const).filter((key) => config[key] !== SWITCHES[key]);
  // As things are, and else with the least of everything: what serves is kept at its size if it can be.
  for (const base of [config, least]) {
    const enough = switches.find((key) => fits({ ...base, [key]: SWITCHES[key] }));
    if (enough !== undefined) return switched(enough);
    if (switches[0] !== undefined && fits({ ...base, ...SWITCHES })) return switched(switches[0]);
  }
  if (switches[0] !== undefined && fits({ ...least, ...SWITCHES, memoryBudgetMb: undefined })) return switched(switches[0]);
  return (
    `the Docker host is too small for phase database: all containers need at least ${neededMb} MiB, more than ${may}. ` +
    "Fix: give Docker more memory, or stay in phase cluster: pulumi config set phase cluster"
  );
}

/** What is changed to try another value. */
function given(candidate: Candidate, value: number): Partial<SizingConfig> {
  return candidate.given?.(value) ?? { [candidate.key]: value };
}

/** With the least of everything. What follows from the others' values is left to follow from their least. */
function leastConfig(config: SizingConfig, all: readonly Candidate[]): SizingConfig {
  const least = Object.fromEntries(all.map((candidate) => [candidate.key, candidate.least])) as Partial<SizingConfig>;
  const follows = { postgresMemoryMb: undefined, ...(config.appMemoryMb !== undefined && { appMemoryMb: LEAST_APP_MB }) };
  return { ...config, ...least, ...follows };
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

/** Least of `appMemoryMb` and of `workerHeapMb` that the configuration takes, MiB. */
const LEAST_APP_MB = 192;
const LEAST_HEAP_MB = 32;

/** What somebody gave, the largest first: that is where there is most to gain. Then the counts, some of which have a default as well. */
function candidates(config: SizingConfig, leastPostgresMb: number): Candidate[] {
  const { postgresMemoryMb, appMemoryMb, jobsMemoryMb, redisCacheMb, redisLimitsMb, kafkaMemoryMb } = config;
  const { appInstances, postgresNodes, dbPoolSize, workerHeapMb } = config;
  const workers = config.workers === "auto" ? undefined : config.workers;
  const one = (
    key: Candidate["key"],
    value: number | undefined,
    least: number,
    count: number,
    more: Partial<Candidate> = {},
  ): Candidate[] => (value === undefined ? [] : [{ key, value, least, count, ...more }]);
  // With fewer workers, or a smaller heap, an instance may be told to have less memory than it was.
  const needed = (count = 1, heapMb?: number): number => Math.max(LEAST_APP_MB, neededMemoryMb("database", count, heapMb));
  const smaller = (change: Partial<SizingConfig>, neededMb: number): Partial<SizingConfig> => ({
    ...change,
    ...(appMemoryMb !== undefined && { appMemoryMb: Math.min(appMemoryMb, neededMb) }),
  });
  const sizes = [
    ...one("postgresMemoryMb", postgresMemoryMb, leastPostgresMb, postgresNodes),
    ...one("appMemoryMb", appMemoryMb, needed(workers, workerHeapMb), appInstances),
    ...one("jobsMemoryMb", jobsMemoryMb, 256, 1),
    ...one("redisCacheMb", redisCacheMb, 16, 1),
    ...one("redisLimitsMb", redisLimitsMb, 16, 1),
    ...one("kafkaMemoryMb", config.kafka ? kafkaMemoryMb : undefined, LEAST_KAFKA_MB, KAFKA_BROKERS),
    ...one("workerHeapMb", workerHeapMb, LEAST_HEAP_MB, 1, {
      totalMb: appInstances * needed(workers, workerHeapMb),
      given: (value) => smaller({ workerHeapMb: value }, needed(workers, value)),
    }),
  ].sort((a, b) => total(b) - total(a));
  return [
    ...sizes,
    ...one("workers", workers, 1, appInstances, { given: (value) => smaller({ workers: value }, needed(value, workerHeapMb)) }),
    ...one("dbPoolSize", dbPoolSize, 4, 1),
    ...one("appInstances", appInstances, 1, 1),
    ...one("postgresNodes", postgresNodes, 2, 1),
  ];
}

function total({ value, count, totalMb }: Candidate): number {
  return totalMb ?? value * count;
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
