import type { WorkerStatus } from "../cluster/types";
import type { Container } from "../container";
import { parseMetrics } from "../health/metrics-summary";
import { QUEUES } from "../jobs/queue";
import { TenantMetricsStore } from "../observability/tenant-metrics-store";
import { busiestCompanies, type BusyCompany } from "./companies";
import { counted, type CountedFigures } from "./figures";
import { instanceId } from "../realtime/instance-id";
import { Kept } from "./kept";
import { Part } from "./part";

/** However many consoles are open, each part is looked up once in this time, by each worker. Milliseconds. */
const AGES = { metrics: 500, queues: 2000, companies: 10_000 } as const;

/** Depth of one job queue, over all instances. */
interface QueueFigures {
  readonly queue: string;
  readonly waiting: number;
  readonly active: number;
  readonly delayed: number;
  /** Dead letters. */
  readonly failed: number;
  readonly paused: boolean;
}

/** What `/console` needs to know of one instance. Rates and quantiles are made of the differences between two of these. */
export interface ConsoleSnapshot extends CountedFigures {
  /** The same in all workers of an instance, another one after its restart: counters of different instances have nothing to do with each other. */
  readonly instance: string;
  readonly phase: string;
  readonly version: string;
  /** ISO 8601 */
  readonly takenAt: string;
  readonly workers: readonly Pick<WorkerStatus, "id" | "slot" | "state" | "uptimeSeconds" | "restarts" | "memory">[];
  readonly workersWanted: number;
  readonly reloading: boolean;
  /** `null` while what keeps the jobs is away or late. */
  readonly queues: readonly QueueFigures[] | null;
  /** Those with the most requests in this hour, over all instances; `null` while the database is away or late. */
  readonly companies: readonly BusyCompany[] | null;
}

/** `GET /api/admin/console`: bounded, and cheap however often it is asked. */
export class ConsoleReport {
  readonly #counted: Kept<CountedFigures>;
  readonly #queues: Part<readonly QueueFigures[]>;
  readonly #companies: Part<readonly BusyCompany[]>;

  constructor(private readonly container: Pick<Container, "config" | "instance" | "jobs" | "database" | "clock" | "logger">) {
    const { instance, jobs, database, clock, logger } = container;
    const store = new TenantMetricsStore(database);
    this.#counted = new Kept(AGES.metrics, async () => counted(parseMetrics(await instance.metricsText())));
    const queues = async (): Promise<QueueFigures[]> => {
      const stats = await jobs.queue.stats();
      return QUEUES.map((queue) => {
        const { waiting, active, delayed, failed, paused } = stats[queue];
        return { queue, waiting, active, delayed, failed, paused };
      });
    };
    this.#queues = new Part(AGES.queues, "job queues", queues, logger);
    this.#companies = new Part(AGES.companies, "companies", () => busiestCompanies(database, store, clock.now()), logger);
  }

  /** Within about two seconds, whatever is away. @throws when the primary process does not answer. */
  async snapshot(): Promise<ConsoleSnapshot> {
    const { config, instance } = this.container;
    const [figures, cluster, queues, companies] = await Promise.all([
      this.#counted.get(),
      instance.status(),
      this.#queues.get(),
      this.#companies.get(),
    ]);
    return {
      instance: instanceId(),
      phase: config.phase,
      version: config.appVersion,
      takenAt: new Date().toISOString(),
      ...figures,
      workers: cluster.workers.map(({ id, slot, state, uptimeSeconds, restarts, memory }) => ({
        ...{ id, slot, state, uptimeSeconds, restarts, memory },
      })),
      workersWanted: cluster.workersWanted,
      reloading: cluster.reloads.running,
      queues,
      companies,
    };
  }
}
