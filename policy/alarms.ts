import { UNKNOWN, valueOrUnknown, type Graph, type Resource, type Section } from "./graph";
import { isGiven, items, number, text } from "./read";
import { AWS, DEPLOYMENT } from "./types";

/** A metric that has to be watched. */
export interface Watched {
  readonly metric: string;
  /** What else is asked of the alarm; a clause if it is not so. */
  readonly also?: (alarm: Resource, metric: Section) => string | undefined;
}

/** One metric of an alarm, with the alarm. */
interface Measured {
  readonly alarm: Resource;
  readonly metric: Section;
}

/** The metrics of a resource that no alarm watches, and alarms on it that are not as they should be. */
export function unwatched(resource: Resource, graph: Graph, wanted: readonly Watched[]): string[] {
  const measured = graph.ofType(AWS.alarm).flatMap((alarm) => metricsOf(alarm).map((metric) => ({ alarm, metric })));
  const own = measured.filter((one) => isAbout(one, resource, graph));
  return wanted.flatMap(({ metric: name, also }) => {
    const found = own.filter(({ metric }) => text(metric, "metricName") === name);
    if (found.length === 0) return [`no alarm watches ${name}`];
    const clauses = found.map(({ alarm, metric }) => also?.(alarm, metric));
    return clauses.includes(undefined) ? [] : clauses.filter((clause) => clause !== undefined);
  });
}

/** The metric of a plain alarm, or those that the expression of another is made of. */
function metricsOf(alarm: Resource): Section[] {
  const queries = items(alarm, "metricQueries").flatMap((query) => items(query, "metric"));
  return isGiven(alarm, "metricName") ? [alarm, ...queries] : queries;
}

function isAbout({ alarm, metric }: Measured, resource: Resource, graph: Graph): boolean {
  const path = metric === alarm ? "dimensions" : `${metric.at ?? ""}dimensions`;
  const dimensions = valueOrUnknown(alarm, path);
  if (dimensions === UNKNOWN) return isMadeOf(graph.targets(alarm, path), resource);
  if (typeof dimensions !== "object" || dimensions === null) return false;
  if (graph.targets(alarm, path).includes(resource)) return true;
  if (resource.type === DEPLOYMENT) return isOfPods(dimensions, resource);
  // Nodes of a replication group are named after it: GROUP-001, GROUP-0001-001.
  const group = resource.outputs["replicationGroupId"] ?? resource.outputs["id"];
  return (
    resource.type === AWS.cacheReplication &&
    Object.values(dimensions).some((value) => typeof value === "string" && value.startsWith(`${String(group)}-`))
  );
}

/** Of an alarm for pods that is made of a cluster and says no Deployment, nobody can tell yet which pods it is about: it may be these. */
function isMadeOf(parts: readonly Resource[], resource: Resource): boolean {
  const some = (type: string): boolean => parts.some((part) => part.type === type);
  return parts.includes(resource) || (resource.type === DEPLOYMENT && some(AWS.eksCluster) && !some(DEPLOYMENT));
}

/** Container Insights knows pods by what made them and where, and neither is an id. */
function isOfPods(dimensions: object, deployment: Resource): boolean {
  const { PodName: name, Namespace: namespace } = dimensions as Readonly<Record<string, unknown>>;
  return name === text(deployment, "metadata.name") && namespace === text(deployment, "metadata.namespace");
}

/** The alarm goes off above the threshold, which is at most that. */
export const atMost =
  (most: number) =>
  (alarm: Resource): string | undefined => {
    const threshold = number(alarm, "threshold");
    return threshold !== undefined && threshold <= most
      ? undefined
      : `${alarm.name}: threshold is ${threshold ?? "not set"}; allowed: at most ${most}`;
  };

/** The alarm is about the 95th percentile. */
export const p95 = (alarm: Resource, metric: Section): string | undefined => {
  const given = text(metric, metric === alarm ? "extendedStatistic" : "stat");
  return given === "p95" ? undefined : `${alarm.name}: statistic is ${given || "not set"}; allowed: p95`;
};
