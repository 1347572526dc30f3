import { demand, isReplica, parameter, poolsOf, proxyPercent, supply } from "../connections";
import { UNKNOWN, valueOrUnknown } from "../graph";
import { byProfile, inProd, isAtLeast, isNotTrue, isSet, isTrue } from "../parts";
import { flag, isGiven, number, text, texts } from "../read";
import { rulesOf, type Part } from "../rule";
import { AWS } from "../types";

/** Storage may grow to this multiple of what it began with. */
const GROWTH = 1.5;
/** A suffix that was drawn: six or more hexadecimal digits, or five or more characters with a digit among them. */
const UNIQUE_SUFFIX = /-(?:[0-9a-f]{6,}|(?=[0-9a-z]*\d)[0-9a-z]{5,})$/;

/** A part about instances that are written to; replicas take it from their source. */
const ofPrimary =
  (part: Part): Part =>
  (instance, ...rest) =>
    isReplica(instance) ? undefined : part(instance, ...rest);

/** RDS makes no replica of a server whose password it manages. There one that is only written will do: it is in no state. */
const managedPassword: Part = (instance, graph, profile) => {
  const hasReplica = graph.referrers(instance, "replicateSourceDb", AWS.dbInstance).length > 0;
  return hasReplica && isGiven(instance, "passwordWo") ? undefined : isTrue("manageMasterUserPassword")(instance, graph, profile);
};

const finalSnapshot: Part = (instance) => {
  if (flag(instance, "skipFinalSnapshot")) return "skipFinalSnapshot is true; allowed: false";
  const name = valueOrUnknown(instance, "finalSnapshotIdentifier");
  if (name === UNKNOWN) return undefined;
  if (typeof name !== "string") return "finalSnapshotIdentifier is not set";
  return UNIQUE_SUFFIX.test(name)
    ? undefined
    : `finalSnapshotIdentifier is ${name}; allowed: one with a unique suffix, or a second deletion fails`;
};

const ownParameters: Part = (instance, graph) => {
  if (!isGiven(instance, "parameterGroupName")) return "parameterGroupName is not set; allowed: a group of its own";
  const [group] = graph.targets(instance, "parameterGroupName", AWS.databaseParameters);
  if (group === undefined) return "parameterGroupName is no parameter group of this stack";
  // A replica has its source's version.
  const major = text(instance, "engineVersion").split(".")[0];
  const family = text(group, "family");
  return isReplica(instance) || family === `postgres${String(major)}`
    ? undefined
    : `its parameter group is for ${family}; allowed: postgres${String(major)}`;
};

const forcesTls: Part = (instance, graph) => {
  const value = parameter(instance, graph, "rds.force_ssl", AWS.databaseParameters);
  return value === "1" ? undefined : `rds.force_ssl is ${value ?? "not set"}; allowed: 1`;
};

/** The most that all tasks of all services open, against what the server has. */
const enoughConnections: Part = (instance, graph) => {
  const replica = isReplica(instance);
  const pools = poolsOf(graph, replica ? "DB_REPLICA_POOL_MAX" : "DB_POOL_MAX");
  const wanted = demand(pools);
  if (wanted === 0) return undefined;
  const value = parameter(instance, graph, "max_connections", AWS.databaseParameters);
  if (value === undefined) return "max_connections is not set in its parameter group";
  const most = supply(Number(value), replica ? undefined : proxyPercent(instance, graph));
  return wanted <= most ? undefined : `pools may open ${wanted} connections, but max_connections ${value} leaves ${most}`;
};

const storage: Part = (instance) => {
  const clauses =
    text(instance, "storageType") === "gp3" ? [] : [`storageType is ${text(instance, "storageType") || "not set"}; allowed: gp3`];
  const first = number(instance, "allocatedStorage");
  if (first === undefined) return isReplica(instance) ? clauses : [...clauses, "allocatedStorage is not set"];
  const most = number(instance, "maxAllocatedStorage") ?? 0;
  return most >= first * GROWTH
    ? clauses
    : [...clauses, `maxAllocatedStorage is ${most} GiB; allowed: at least ${Math.ceil(first * GROWTH)} GiB`];
};

const hasReplica: Part = (instance, graph) => {
  const replicas = graph.referrers(instance, "replicateSourceDb", AWS.dbInstance);
  if (replicas.length === 0) return "it has no read replica";
  const own = isGiven(instance, "availabilityZone") ? text(instance, "availabilityZone") : "";
  const elsewhere = replicas.some((replica) => own === "" || text(replica, "availabilityZone") !== own);
  return elsewhere ? undefined : `all its replicas are in its own zone ${own}`;
};

const types = [AWS.dbInstance];

/** Rules of RDS for PostgreSQL. */
export const rds = rulesOf("rds", {
  "rds-encrypted": {
    title: "Storage is encrypted with an own key",
    cites: ["CKV_AWS_16", "RDS.3"],
    remediation: "Set storageEncrypted and kmsKeyId; an existing instance has to be restored from an encrypted copy of a snapshot.",
    types,
    parts: [
      // A replica in its source's region is encrypted as that is.
      (instance, ...rest) =>
        isReplica(instance) && !isGiven(instance, "kmsKeyId") ? undefined : isTrue("storageEncrypted")(instance, ...rest),
      ofPrimary(isSet("kmsKeyId")),
    ],
  },
  "rds-multi-az": {
    title: "The primary has a standby in another zone",
    cites: ["CKV_AWS_157", "RDS.5"],
    devRelaxation: "no standby",
    remediation: "Set multiAz.",
    types,
    parts: [inProd(ofPrimary(isTrue("multiAz")))],
  },
  "rds-deletion-protection": {
    title: "AWS refuses to delete the database",
    cites: ["CKV_AWS_293", "RDS.8"],
    devRelaxation: "it may be deleted",
    remediation: "Set deletionProtection; to delete on purpose set protect to false first (pulumi config set protect false).",
    types,
    parts: [inProd(isTrue("deletionProtection"))],
  },
  "rds-protected": {
    title: "Pulumi refuses to delete the database, too",
    devRelaxation: "it may be deleted",
    remediation: "Set the resource option protect.",
    types,
    parts: [inProd(ofPrimary((instance) => (instance.protect ? undefined : "the option protect is not set")))],
  },
  "rds-final-snapshot": {
    title: "What is deleted leaves a snapshot",
    devRelaxation: "no snapshot",
    remediation: "Leave skipFinalSnapshot off and set finalSnapshotIdentifier, with a random suffix.",
    types,
    parts: [inProd(ofPrimary(finalSnapshot))],
  },
  "rds-backups": {
    title: "Backups of seven days are kept",
    cites: ["CKV_AWS_133", "RDS.11"],
    devRelaxation: "one day",
    remediation: "Set backupRetentionPeriod to 7 or more.",
    types,
    parts: [ofPrimary(byProfile(isAtLeast("backupRetentionPeriod", 7, 0), isAtLeast("backupRetentionPeriod", 1, 0)))],
  },
  "rds-private": {
    title: "The database has no public address",
    cites: ["CKV_AWS_17", "RDS.2"],
    remediation: "Leave publiclyAccessible off.",
    types,
    parts: [isNotTrue("publiclyAccessible")],
  },
  "rds-force-tls": {
    title: "Connections without TLS are refused",
    cites: ["CKV2_AWS_69"],
    remediation: "Set the parameter rds.force_ssl to 1.",
    types,
    scope: "graph",
    parts: [forcesTls],
  },
  "rds-managed-password": {
    title: "RDS keeps and rotates the master password; where it cannot, because there are replicas, the password is in no state",
    remediation: "Set manageMasterUserPassword, or with replicas passwordWo, and leave password out.",
    types,
    scope: "graph",
    parts: [
      ofPrimary(managedPassword),
      (instance) => (isGiven(instance, "password") ? "password is set; allowed: manageMasterUserPassword" : undefined),
    ],
  },
  "rds-insights": {
    title: "Performance Insights and enhanced monitoring are on",
    cites: ["CKV_AWS_118", "CKV_AWS_353", "RDS.6"],
    remediation: "Set performanceInsightsEnabled, monitoringInterval and monitoringRoleArn.",
    types,
    parts: [isTrue("performanceInsightsEnabled"), isAtLeast("monitoringInterval", 1, 0), isSet("monitoringRoleArn")],
  },
  "rds-logs": {
    title: "Logs go to CloudWatch",
    cites: ["CKV_AWS_129", "RDS.36"],
    remediation: 'Set enabledCloudwatchLogsExports to ["postgresql", "upgrade"].',
    types,
    parts: [
      (instance) => {
        const given = texts(instance, "enabledCloudwatchLogsExports");
        const missing = ["postgresql", "upgrade"].filter((log) => !given.includes(log));
        return missing.length === 0 ? undefined : `enabledCloudwatchLogsExports lacks ${missing.join(", ")}`;
      },
    ],
  },
  "rds-minor-upgrades": {
    title: "Minor versions are installed in the maintenance window",
    cites: ["CKV_AWS_226", "RDS.13"],
    remediation: "Set autoMinorVersionUpgrade.",
    types,
    parts: [isTrue("autoMinorVersionUpgrade")],
  },
  "rds-snapshot-tags": {
    title: "Snapshots have the database's tags",
    cites: ["CKV2_AWS_60", "RDS.17"],
    remediation: "Set copyTagsToSnapshot.",
    types,
    parts: [isTrue("copyTagsToSnapshot")],
  },
  "rds-storage": {
    title: "Storage is gp3 and grows by itself, to one and a half times its size at least",
    remediation: "Set storageType to gp3 and maxAllocatedStorage.",
    types,
    parts: [storage],
  },
  "rds-parameter-group": {
    title: "Parameters are the instance's own, and for its version",
    remediation: "Add an aws.rds.ParameterGroup whose family has the major version.",
    types,
    scope: "graph",
    parts: [ownParameters],
  },
  "rds-connections": {
    title: "The server has connections for all pools at their largest",
    remediation: "Raise max_connections (a larger instance class), or lower dbPoolSize or the most tasks.",
    types,
    scope: "graph",
    parts: [enoughConnections],
  },
  "rds-replica": {
    title: "Reads have a replica in another zone",
    devRelaxation: "no replica",
    remediation: "Set databaseReplicas to 1 or more.",
    types,
    scope: "graph",
    parts: [inProd(ofPrimary(hasReplica))],
  },
});
