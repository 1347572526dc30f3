import { type parseMetrics, sum, sumBy } from "../health/metrics-summary";

type Sample = ReturnType<typeof parseMetrics>[number];

/** What a client connects to: a pool of database connections, added up over workers. */
export interface PoolFigures {
  readonly name: string;
  readonly inUse: number;
  readonly max: number;
  /** Requests that wait for a connection. */
  readonly waiting: number;
}

/** What the metrics of all workers of an instance come to. Counters count since the instance started and never go down. */
export interface CountedFigures {
  readonly requests: {
    readonly total: number;
    readonly clientErrors: number;
    readonly serverErrors: number;
    /** Being answered now. */
    readonly inFlight: number;
  };
  /** How many requests took at most `le` seconds, in ascending order; the last bound, infinite, is `null`. */
  readonly latency: readonly { readonly le: number | null; readonly count: number }[];
  readonly cache: { readonly hits: number; readonly misses: number };
  /** Requests refused, by the name of the limit. */
  readonly limited: Readonly<Record<string, number>>;
  readonly pools: readonly PoolFigures[];
  readonly replicas: readonly { readonly name: string; readonly up: boolean; readonly lagSeconds: number | null }[];
}

/** The figures of the console in an instance's metrics. */
export function counted(samples: readonly Sample[]): CountedFigures {
  const named = (name: string): Sample[] => samples.filter((sample) => sample.name === name);
  const requests = named("http_requests_total");
  const ofStatus = (first: string): number => sum(requests.filter(({ labels }) => labels["status"]?.startsWith(first)));
  const cache = named("cache_requests_total");
  const results = (...wanted: string[]): number => sum(cache.filter(({ labels }) => wanted.includes(labels["result"] ?? "")));
  const refused = named("rate_limit_requests_total").filter(({ labels }) => labels["outcome"] === "limited");
  return {
    requests: {
      total: sum(requests),
      clientErrors: ofStatus("4"),
      serverErrors: ofStatus("5"),
      inFlight: sum(named("http_requests_in_flight")),
    },
    latency: buckets(named("http_request_duration_seconds_bucket")),
    cache: { hits: results("hit", "shared_hit", "stale"), misses: results("miss") },
    limited: Object.fromEntries(sumBy(refused, "policy")),
    pools: pools(samples),
    replicas: replicas(named("db_replica_up"), named("db_replica_lag_seconds")),
  };
}

function buckets(samples: readonly Sample[]): CountedFigures["latency"] {
  const counts = [...sumBy(samples, "le")].map(([le, count]) => ({ le: le === "+Inf" ? null : Number(le), count }));
  return counts.sort((one, other) => (one.le ?? Infinity) - (other.le ?? Infinity));
}

function pools(samples: readonly Sample[]): PoolFigures[] {
  const of = (name: string): Map<string, number> =>
    sumBy(
      samples.filter((sample) => sample.name === name),
      "pool",
    );
  const inUse = sumBy(
    samples.filter(({ name, labels }) => name === "db_pool_connections" && labels["state"] === "in_use"),
    "pool",
  );
  const waiting = of("db_pool_waiting");
  return [...of("db_pool_max_connections")].map(([name, max]) => ({
    ...{ name, max },
    inUse: inUse.get(name) ?? 0,
    waiting: waiting.get(name) ?? 0,
  }));
}

function replicas(up: readonly Sample[], lag: readonly Sample[]): CountedFigures["replicas"] {
  const lags = new Map(lag.map(({ labels, value }) => [labels["replica"], value]));
  return up.map(({ labels, value }) => ({
    name: labels["replica"] ?? "",
    up: value === 1,
    lagSeconds: lags.get(labels["replica"]) ?? null,
  }));
}
