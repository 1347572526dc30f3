import { FINISHED_SERVICES, SERVICES } from "../../lib/docker-app";
import { UserError } from "../../lib/errors";

/** Values of the label `phased-stack.service` of what the benchmark puts beside the stack. */
export const SIDE_SERVICES = { peer: "bench-peer", lonePgbouncer: "bench-pgbouncer", pgbench: "bench-pgbench" } as const;

/** Columns of the table of CPU time, in the order a request passes them; those beside the stack come after its own. */
export const CPU_GROUPS = [
  "load balancer",
  "app",
  "Redis",
  "PgBouncer",
  "proxy",
  "primary",
  "replicas",
  "others",
  "peer",
  "lone PgBouncer",
] as const;
export type CpuGroup = (typeof CPU_GROUPS)[number];

/** Columns of the stack itself: what all of one of its requests costs. */
export const STACK_GROUPS: readonly CpuGroup[] = CPU_GROUPS.filter((group) => group !== "peer" && group !== "lone PgBouncer");

const GROUP_OF: Readonly<Record<string, CpuGroup>> = {
  [SERVICES.loadBalancer]: "load balancer",
  [SERVICES.app]: "app",
  [SERVICES.redisCache]: "Redis",
  [SERVICES.redisLimits]: "Redis",
  [SERVICES.pgbouncer]: "PgBouncer",
  [SERVICES.postgresProxy]: "proxy",
  [SIDE_SERVICES.peer]: "peer",
  [SIDE_SERVICES.lonePgbouncer]: "lone PgBouncer",
};

/** A container's column; `undefined` for those that are not charged: pgbench is the load, and what has done its one thing is over. */
export function cpuGroup(service: string, node: string, primary: string): CpuGroup | undefined {
  if (service === SIDE_SERVICES.pgbench || FINISHED_SERVICES.includes(service)) return undefined;
  if (service === SERVICES.postgres) return node === primary ? "primary" : "replicas";
  return GROUP_OF[service] ?? "others";
}

/** CPU time that one container has used since it was started. */
export interface ContainerCpu {
  readonly name: string;
  readonly group: CpuGroup;
  /** µs */
  readonly micros: number;
}

/** CPU time by column, µs. */
export type CpuByGroup = Readonly<Record<CpuGroup, number>>;

/** CPU time that a phase of the benchmark took. */
export interface CpuPhase {
  readonly phase: string;
  /** Requests or transactions it is divided by; seconds for the phase in which nothing is asked for. */
  readonly requests: number;
  readonly msPerRequest: CpuByGroup;
}

/**
 * What was used between two readings, by column.
 * @throws UserError when a container has used less than before: it was started anew, and nobody knows what it had used until then.
 */
export function cpuUsed(before: readonly ContainerCpu[], after: readonly ContainerCpu[]): CpuByGroup {
  const earlier = new Map(before.map(({ name, micros }) => [name, micros]));
  const used = noCpu();
  for (const { name, group, micros } of after) {
    const from = earlier.get(name) ?? 0;
    if (micros < from)
      throw new UserError(`container ${name} was started anew in the middle of the measurement, so its figures say nothing`);
    used[group] += micros - from;
  }
  return used;
}

/** Sum of some columns. */
export function cpuOf(used: CpuByGroup, groups: readonly CpuGroup[]): number {
  return groups.reduce((sum, group) => sum + used[group], 0);
}

/** Reads CPU time around what is measured, and adds up what belongs to the same phase. */
export class CpuMeter {
  readonly #phases = new Map<string, { requests: number; readonly micros: Record<CpuGroup, number> }>();
  readonly #read: () => Promise<readonly ContainerCpu[]>;

  constructor(read: () => Promise<readonly ContainerCpu[]>) {
    this.#read = read;
  }

  /**
   * Runs something and charges the CPU time used meanwhile to a phase.
   * @param phase its name; `undefined` for a run that does not count
   * @param requestsOf what the time is divided by
   */
  async charge<Result>(
    phase: string | undefined,
    once: () => Promise<Result>,
    requestsOf: (result: Result) => number,
  ): Promise<{ readonly result: Result; readonly used: CpuByGroup }> {
    const before = await this.#read();
    const result = await once();
    const used = cpuUsed(before, await this.#read());
    if (phase !== undefined) {
      const sums = this.#phases.get(phase) ?? { requests: 0, micros: noCpu() };
      sums.requests += requestsOf(result);
      for (const group of CPU_GROUPS) sums.micros[group] += used[group];
      this.#phases.set(phase, sums);
    }
    return { result, used };
  }

  /** All phases in the order they began; one without a request has no figure. */
  phases(): CpuPhase[] {
    return [...this.#phases]
      .filter(([, { requests }]) => requests > 0)
      .map(([phase, { requests, micros }]) => {
        const msPerRequest = noCpu();
        for (const group of CPU_GROUPS) msPerRequest[group] = micros[group] / 1000 / requests;
        return { phase, requests, msPerRequest };
      });
  }
}

export const CPU_HEAD: readonly string[] = ["CPU, ms a request", ...CPU_GROUPS, "sum"];

/** One line of the table. */
export function cpuRow({ phase, msPerRequest }: CpuPhase): string[] {
  const ms = (value: number): string => value.toFixed(3);
  return [phase, ...CPU_GROUPS.map((group) => ms(msPerRequest[group])), ms(cpuOf(msPerRequest, CPU_GROUPS))];
}

function noCpu(): Record<CpuGroup, number> {
  return Object.fromEntries(CPU_GROUPS.map((group) => [group, 0])) as Record<CpuGroup, number>;
}
