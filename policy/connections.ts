import { containers, scalingOf } from "./ecs";
import type { Graph, Resource } from "./graph";
import { items, number, text } from "./read";
import { AWS } from "./types";

/** One service's part in what a server of Postgres has to carry. */
export interface Pool {
  /** Tasks there can be at the most. */
  readonly tasks: number;
  /** Connections of one task. */
  readonly connections: number;
}

/** Connections Postgres keeps for superusers (superuser_reserved_connections + RDS' own rdsadmin). */
export const RESERVED_CONNECTIONS = 5;

/** Connections that all pools together may open. */
export function demand(pools: readonly Pool[]): number {
  return pools.reduce((sum, { tasks, connections }) => sum + tasks * connections, 0);
}

/** Connections a server has for pools. @param percent part of `max_connections` that a proxy may open; undefined without one */
export function supply(maxConnections: number, percent: number | undefined): number {
  return percent === undefined ? maxConnections - RESERVED_CONNECTIONS : Math.floor((maxConnections * percent) / 100);
}

/** The pools of all ECS services, from the variable of their containers, e.g. DB_POOL_MAX. @throws NotKnown when a size is not known yet */
export function poolsOf(graph: Graph, variable: string): Pool[] {
  return graph.ofType(AWS.ecsService).flatMap((service) => {
    const [target] = scalingOf(service, graph, AWS.scalingTarget);
    const tasks = (target === undefined ? number(service, "desiredCount") : number(target, "maxCapacity")) ?? 1;
    return graph
      .targets(service, "taskDefinition", AWS.taskDefinition)
      .flatMap((task) => containers(task).flatMap((container) => items(container, "environment")))
      .filter((entry) => text(entry, "name") === variable)
      .map((entry) => ({ tasks, connections: number(entry, "value") ?? 0 }));
  });
}

/** A parameter of the group that an instance or replication group has, undefined where it is not set. */
export function parameter(holder: Resource, graph: Graph, name: string, groupType: string): string | undefined {
  const [group] = graph.targets(holder, "parameterGroupName", groupType);
  const entry = group && items(group, "parameters").find((item) => text(item, "name") === name);
  return entry && text(entry, "value");
}

/** Whether the instance copies another one. */
export const isReplica = (instance: Resource): boolean =>
  instance.inputs["replicateSourceDb"] !== undefined && instance.inputs["replicateSourceDb"] !== null;

/** The part of an instance's connections that RDS Proxy may open; undefined without a proxy. */
export function proxyPercent(instance: Resource, graph: Graph): number | undefined {
  const [target] = graph.referrers(instance, "dbInstanceIdentifier", AWS.rdsProxyTarget);
  if (target === undefined) return undefined;
  const [proxy] = graph.targets(target, "dbProxyName", AWS.rdsProxy);
  const [group] = proxy === undefined ? [] : graph.referrers(proxy, "dbProxyName", AWS.rdsProxyTargets);
  // 100 is RDS' own default.
  return (group && number(group, "connectionPoolConfig.maxConnectionsPercent")) ?? 100;
}
