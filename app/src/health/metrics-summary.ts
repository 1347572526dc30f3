/** One line of Prometheus' text format. */
interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Routes listed, the busiest first. */
const MOST_ROUTES = 20;

const LINE = /^(\w+)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** Reads Prometheus' text format, as far as prom-client writes it: no timestamps, no exemplars. */
export function parseMetrics(text: string): Sample[] {
  return text.split("\n").flatMap((line) => {
    const [, name, labels = "", value] = LINE.exec(line) ?? [];
    if (name === undefined || value === undefined) return [];
    const pairs = [...labels.matchAll(LABEL)].map(([, key = "", text = ""]) => [key, text.replace(/\\(.)/g, "$1")] as const);
    return [{ name, labels: Object.fromEntries(pairs), value: value === "+Inf" ? Infinity : Number(value) }];
  });
}

/**
 * A quantile of a Prometheus histogram, interpolated within its bucket as Prometheus' own `histogram_quantile` does.
 * @param buckets cumulative counts by upper bound; the last bound is infinite.
 * @returns the lower bound of the last bucket when the quantile lies there; `null` without observations.
 */
export function histogramQuantile(quantile: number, buckets: ReadonlyMap<number, number>): number | null {
  const sorted = [...buckets].sort(([one], [other]) => one - other);
  const total = sorted.at(-1)?.[1] ?? 0;
  if (total === 0) return null;
  const rank = quantile * total;
  let lowerBound = 0;
  let below = 0;
  for (const [bound, count] of sorted) {
    if (count >= rank && count > below) {
      return bound === Infinity ? lowerBound : lowerBound + ((bound - lowerBound) * (rank - below)) / (count - below);
    }
    lowerBound = bound;
    below = count;
  }
  return lowerBound;
}

/** `GET /api/health/metrics` (feature A6): the instance's requests since it started, as plain numbers for people and scripts. */
export function metricsSummary(text: string) {
  const samples = parseMetrics(text);
  const named = (name: string): Sample[] => samples.filter((sample) => sample.name === name);
  const requests = named("http_requests_total");
  const total = sum(requests);
  const serverErrors = sum(requests.filter(({ labels }) => labels["status"]?.startsWith("5")));
  const buckets = new Map<number, number>();
  for (const { labels, value } of named("http_request_duration_seconds_bucket")) {
    const bound = labels["le"] === "+Inf" ? Infinity : Number(labels["le"]);
    buckets.set(bound, (buckets.get(bound) ?? 0) + value);
  }
  const quantileMs = (quantile: number): number | null => toMs(histogramQuantile(quantile, buckets));
  return {
    requests: {
      total,
      byStatus: Object.fromEntries(sumBy(requests, "status")),
      serverErrorShare: total === 0 ? 0 : serverErrors / total,
      inFlight: sum(named("http_requests_in_flight")),
    },
    latencyMs: {
      mean: mean(sum(named("http_request_duration_seconds_sum")), sum(named("http_request_duration_seconds_count"))),
      p50: quantileMs(0.5),
      p95: quantileMs(0.95),
      p99: quantileMs(0.99),
    },
    routes: busiestRoutes(named("http_request_duration_seconds_count"), named("http_request_duration_seconds_sum")),
  };
}

function busiestRoutes(counts: readonly Sample[], seconds: readonly Sample[]) {
  const key = ({ labels }: Sample): string => `${labels["method"] ?? ""} ${labels["route"] ?? ""}`;
  const spent = new Map(seconds.map((sample) => [key(sample), sample.value]));
  return counts
    .map((sample) => ({ route: key(sample), requests: sample.value, meanMs: mean(spent.get(key(sample)) ?? 0, sample.value) }))
    .sort((one, other) => other.requests - one.requests)
    .slice(0, MOST_ROUTES);
}

/** Of all values. */
export function sum(samples: readonly Sample[]): number {
  return samples.reduce((total, { value }) => total + value, 0);
}

/** Of the values of each value of a label; samples without it are those of the empty one. */
export function sumBy(samples: readonly Sample[], label: string): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { labels, value } of samples) sums.set(labels[label] ?? "", (sums.get(labels[label] ?? "") ?? 0) + value);
  return sums;
}

function mean(seconds: number, count: number): number | null {
  return count === 0 ? null : toMs(seconds / count);
}

function toMs(seconds: number | null): number | null {
  return seconds === null ? null : Math.round(seconds * 1e6) / 1000;
}
