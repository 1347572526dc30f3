import type { Watched } from "../../components/aws/observability";
import { Kafka } from "../../components/aws/events/kafka";
import type { Member, PublicAccess } from "../../components/aws/security-groups";
import type { CloudApp } from "./app";
import type { CloudData } from "./data";
import type { Edge } from "./edge";
import type { CloudTarget, Region } from "./target";
import type { StackConfig } from "../config";

/** Who may reach the load balancer: everybody, or CloudFront alone where its addresses are known. */
export function publicAccess(
  { cdn, cdnPrefixListId, secondCdnPrefixListId, domainName }: StackConfig,
  { prefix }: Pick<Region, "prefix">,
): PublicAccess {
  const prefixListId = prefix === "" ? cdnPrefixListId : secondCdnPrefixListId;
  if (!cdn || prefixListId === undefined) return { kind: "everybody" };
  return { kind: "prefix-list", prefixListId, port: domainName === undefined ? 80 : 443 };
}

/** Members of the network: no group is made for what the stack does not have. */
export function membersOf({ plan, profile }: CloudTarget, { prefix }: Pick<Region, "prefix">): readonly Member[] {
  const home = prefix === "";
  return [
    ...(["load-balancer", "app", "database", "cache"] as const),
    // Pool and brokers are where writes and events are at home.
    ...(home ? (["proxy"] as const) : []),
    ...(home && plan.events.kind === "msk" ? (["broker"] as const) : []),
    ...(profile.interfaceEndpoints ? (["endpoints"] as const) : []),
  ];
}

/** Services with data, as far as alarms go by them. */
type WatchedData = Pick<CloudData, "redisCache" | "redisLimits" | "events"> & {
  readonly database: Pick<Watched["database"], "identifiers" | "standby">;
  readonly shards?: CloudData["shards"];
};

/** What alarms watch, by the names CloudWatch knows it by. */
export function watchedBy({ plan }: CloudTarget, data: WatchedData, { loadBalancer }: Pick<Edge, "loadBalancer">, app: CloudApp): Watched {
  const { database, shards = [], redisCache, redisLimits, events } = data;
  const { cluster, services, pods } = app;
  const { arnSuffixes } = loadBalancer;
  return {
    loadBalancer: { loadBalancerSuffix: arnSuffixes.loadBalancer, targetGroupSuffix: arnSuffixes.targetGroup },
    clusterName: cluster.clusterName,
    services: Object.fromEntries(Object.entries(services).map(([role, { serviceName }]) => [role, serviceName])),
    pods,
    database: {
      identifiers: database.identifiers,
      standby: database.standby,
      shards: shards.map(({ name, database: { identifiers } }) => ({ name, identifiers })),
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
