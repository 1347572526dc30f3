import { UNKNOWN, valueOrUnknown, type Graph, type Resource, type Section } from "./graph";
import { isGiven, json, text } from "./read";
import { AWS } from "./types";

/** The containers of a task definition. @throws NotKnown when the document is not known yet */
export function containers(task: Resource): Section[] {
  const parsed = json(task, "containerDefinitions");
  const list: unknown[] = Array.isArray(parsed) ? parsed : [];
  return list.map((container, index) => ({ inputs: container as Record<string, unknown>, at: `containerDefinitions[${index}].` }));
}

/** Whether requests come to the service through a load balancer: that is what tells the web service from those that work on queues. */
export const isWeb = (service: Resource): boolean => isGiven(service, "loadBalancers");

/** The ECS service that a scaling target or policy is for: `resourceId` is `service/CLUSTER/SERVICE`. @throws NotKnown when that cannot be told */
export function scaledService(scaling: Resource, graph: Graph): Resource | undefined {
  if (valueOrUnknown(scaling, "resourceId") === UNKNOWN)
    return graph
      .targets(scaling, "resourceId", AWS.ecsService, AWS.scalingTarget)
      .map((found) => (found.type === AWS.ecsService ? found : scaledService(found, graph)))[0];
  const [, , name = ""] = text(scaling, "resourceId").split("/");
  return graph.withValue(name).find(({ type }) => type === AWS.ecsService);
}

/** What scales a service. */
export const scalingOf = (service: Resource, graph: Graph, type: string): Resource[] =>
  graph.ofType(type).filter((scaling) => text(scaling, "serviceNamespace") === "ecs" && scaledService(scaling, graph) === service);
