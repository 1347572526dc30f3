import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue } from "prom-client";

/** One metric of one process as `registry.getMetricsAsJSON()` gives it. */
export type MetricSnapshot = MetricObjectWithValues<MetricValue<string>>;
export type MetricsSnapshot = readonly MetricSnapshot[];

/** Kinds that only ever grow, so that what a dead worker counted must stay in the sum. Gauges die with their worker. */
const CUMULATIVE = new Set<string>(["counter", "histogram", "summary"]);

/** Adds snapshots up, metric by metric and label set by label set, each by its own rule (sum, average, min, max, first, omit). */
export function mergeSnapshots(snapshots: readonly MetricsSnapshot[]): Promise<MetricSnapshot[]> {
  return aggregate(snapshots).getMetricsAsJSON();
}

/** Prometheus text of the sum of snapshots. */
export function renderSnapshots(snapshots: readonly MetricsSnapshot[]): Promise<string> {
  return aggregate(snapshots).metrics();
}

function aggregate(snapshots: readonly MetricsSnapshot[]): ReturnType<typeof AggregatorRegistry.aggregate> {
  return AggregatorRegistry.aggregate(snapshots.map((snapshot) => [...snapshot]));
}

/** The part of a snapshot that outlives its process. */
export function cumulativePart(snapshot: MetricsSnapshot): MetricSnapshot[] {
  // prom-client's types declare an enum where its JSON carries the word.
  return snapshot.filter((metric) => CUMULATIVE.has(String(metric.type)));
}
