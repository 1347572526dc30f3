import { parameter } from "../connections";
import type { Graph, Resource } from "../graph";
import { inProd, isAtLeast, isSet, isTrue } from "../parts";
import { isGiven, number, text } from "../read";
import { rulesOf, type Part } from "../rule";
import { AWS } from "../types";

/** Eviction by use: what is cached may go when it has a time to live, queues and limits may not. */
const POLICIES = ["volatile-lru", "noeviction"];

const eviction = (group: Resource, graph: Graph): string | undefined => parameter(group, graph, "maxmemory-policy", AWS.cacheParameters);

/** Nodes of a shard, the primary among them. */
function nodes(group: Resource): number {
  const replicas = number(group, "replicasPerNodeGroup");
  return replicas === undefined ? (number(group, "numCacheClusters") ?? 1) : replicas + 1;
}

const fitsItsUse: Part = (group, graph) => {
  const policy = eviction(group, graph);
  if (policy === undefined || !POLICIES.includes(policy))
    return `maxmemory-policy is ${policy ?? "not set"}; allowed: ${POLICIES.join(", ")}`;
  // The same app uses two: one kind for both would either lose jobs or refuse to cache.
  const others = graph.ofType(AWS.cacheReplication).map((other) => eviction(other, graph));
  const missing = POLICIES.filter((wanted) => !others.includes(wanted));
  return missing.length === 0 ? undefined : `no replication group of the stack has ${missing.join(", ")}`;
};

const types = [AWS.cacheReplication];

/** Rules of ElastiCache. */
export const elasticache = rulesOf("elasticache", {
  "elasticache-at-rest": {
    title: "Data at rest is encrypted with an own key",
    cites: ["CKV_AWS_29", "CKV_AWS_191", "ElastiCache.4"],
    remediation: "Set atRestEncryptionEnabled and kmsKeyId; a change replaces the replication group.",
    types,
    parts: [isTrue("atRestEncryptionEnabled"), isSet("kmsKeyId")],
  },
  "elasticache-in-transit": {
    title: "Connections without TLS are refused",
    cites: ["CKV_AWS_30", "ElastiCache.5"],
    remediation: 'Set transitEncryptionEnabled, and transitEncryptionMode to "required" or leave it out.',
    types,
    parts: [
      isTrue("transitEncryptionEnabled"),
      (group) =>
        ["", "required"].includes(text(group, "transitEncryptionMode"))
          ? undefined
          : `transitEncryptionMode is ${text(group, "transitEncryptionMode")}; allowed: required`,
    ],
  },
  "elasticache-auth": {
    title: "Clients log in",
    cites: ["CKV_AWS_31", "ElastiCache.6"],
    remediation: "Set authToken or userGroupIds.",
    types,
    parts: [
      (group) => (isGiven(group, "authToken") || isGiven(group, "userGroupIds") ? undefined : "neither authToken nor userGroupIds is set"),
    ],
  },
  "elasticache-failover": {
    title: "A shard has two nodes or more in different zones, and fails over by itself",
    cites: ["CKV2_AWS_50", "ElastiCache.3"],
    devRelaxation: "one node",
    remediation: "Set automaticFailoverEnabled, multiAzEnabled and at least two nodes a shard.",
    types,
    parts: [
      inProd(isTrue("automaticFailoverEnabled")),
      inProd(isTrue("multiAzEnabled")),
      inProd((group) => (nodes(group) >= 2 ? undefined : `a shard has ${nodes(group)} node; allowed: at least 2`)),
    ],
  },
  "elasticache-eviction": {
    title: "What may be evicted is decided by use: volatile-lru for the cache, noeviction for queues and limits",
    remediation: "Give each replication group a parameter group of its own with maxmemory-policy.",
    types,
    scope: "graph",
    parts: [fitsItsUse],
  },
  "elasticache-snapshots": {
    title: "Queues are in snapshots of seven days",
    cites: ["ElastiCache.1"],
    remediation: "Set snapshotRetentionLimit to 7 or more.",
    types,
    scope: "graph",
    parts: [
      (group, graph, profile) =>
        eviction(group, graph) === "noeviction" ? isAtLeast("snapshotRetentionLimit", 7, 0)(group, graph, profile) : undefined,
    ],
  },
});
