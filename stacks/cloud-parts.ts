import type { Watched } from "../components/aws/observability";
import { Kafka } from "../components/aws/events/kafka";
import type { Member, PublicAccess } from "../components/aws/security-groups";
import type { CloudApp } from "./cloud-app";
import type { CloudData } from "./cloud-data";
import type { Edge } from "./cloud-edge";
import type { CloudTarget } from "./cloud-target";
import type { StackConfig } from "./config";

/** Who may reach the load balancer: everybody, or CloudFront alone where its addresses are known. */
export function publicAccess({ cdn, cdnPrefixListId, domainName }: StackConfig): PublicAccess {
  if (!cdn || cdnPrefixListId === undefined) return { kind: "everybody" };
  return { kind: "prefix-list", prefixListId: cdnPrefixListId, port: domainName === undefined ? 80 : 443 };
}

/** Members of the network: no group is made for what the stack does not have. */
export function membersOf({ plan, profile }: CloudTarget): readonly Member[] {
  return [
    ...(["load-balancer", "app", "proxy", "database", "cache"] as const),
    ...(plan.events.kind === "msk" ? (["broker"] as const) : []),
    ...(profile.interfaceEndpoints ? (["endpoints"] as const) : []),
  ];
}

/** What alarms watch, by the names CloudWatch knows it by. */
export function watchedBy({ plan }: CloudTarget, data: CloudData, { loadBalancer }: Edge, { cluster, services }: CloudApp): Watched {
  const { database, redisCache, redisLimits, events } = data;
  const { arnSuffixes } = loadBalancer;
  return {
    loadBalancer: { loadBalancerSuffix: arnSuffixes.loadBalancer, targetGroupSuffix: arnSuffixes.targetGroup },
    clusterName: cluster.clusterName,
    services: Object.fromEntries(Object.entries(services).map(([role, { serviceName }]) => [role, serviceName])),
    database: {
      identifiers: database.identifiers,
      allocatedGb: plan.database.allocatedGb,
      maxConnections: plan.database.maxConnections,
    },
    caches: [
      { role: "cache", nodeIds: redisCache.nodeIds },
      { role: "limits", nodeIds: redisLimits.nodeIds },
    ],
    queue: events === undefined || events instanceof Kafka ? undefined : events.names,
    kafka: events instanceof Kafka ? { clusterName: events.clusterName } : undefined,
  };
}
