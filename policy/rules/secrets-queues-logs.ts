import type { Graph, Resource } from "../graph";
import { UNKNOWN, valueOrUnknown } from "../graph";
import { NOT_ROTATED } from "../not-rotated";
import { byProfile, hasReferrer, inProd, isAtLeast, isBetween, isNotTrue, isOneOf, isSet, isTrue } from "../parts";
import { isGiven, items, json, number, read, text } from "../read";
import { rulesOf, type Part } from "../rule";
import { AWS } from "../types";

/** Most days between two rotations of a secret. */
const ROTATION_DAYS = 90;
/** How often a message is tried before it goes to the dead-letter queue. */
const RECEIVES = 5;
/** A message stays hidden for so many times what its handler may take (AWS' advice for Lambda, and as good for others). */
const VISIBILITY_FACTOR = 6;

/** What names in a second region begin with (stacks/cloud/target.ts): the reason is the same in both. */
const IN_SECOND_REGION = /^second-/;

const rotated: Part = (secret, graph) => {
  if (Object.hasOwn(NOT_ROTATED, secret.name.replace(IN_SECOND_REGION, ""))) return undefined;
  // A rotation may name the secret by what its first version says, so that it waits for that.
  const named = [secret, ...graph.referrers(secret, "secretId", AWS.secretVersion)];
  const rotations = named.flatMap((each) => graph.referrers(each, "secretId", AWS.secretRotation));
  if (rotations.length === 0) return "it is never rotated";
  const days = rotations.map((rotation) => rotationDays(rotation)).filter((every) => every !== undefined);
  return days.some((every) => every <= ROTATION_DAYS)
    ? undefined
    : `it is rotated every ${days.join(", ") || "?"} days; allowed: at most ${ROTATION_DAYS}`;
};

/** Days between two rotations, of either form; cron expressions are taken as monthly at the least, which AWS requires of them. */
function rotationDays(rotation: Resource): number | undefined {
  const days = number(rotation, "rotationRules.automaticallyAfterDays");
  if (days !== undefined) return days;
  const schedule = text(rotation, "rotationRules.scheduleExpression");
  const [, count, unit] = /^rate\((\d+) (hours?|days?)\)$/.exec(schedule) ?? [];
  if (count !== undefined) return unit?.startsWith("hour") === true ? Number(count) / 24 : Number(count);
  return schedule.startsWith("cron(") ? 31 : undefined;
}

/** Whether messages that nobody could handle end up in this queue. */
function isDeadLetter(queue: Resource, graph: Graph): boolean {
  return graph.ofType(AWS.queue).some((other) => other !== queue && deadLetterQueues(other, graph).includes(queue));
}

function deadLetterQueues(queue: Resource, graph: Graph): Resource[] {
  if (valueOrUnknown(queue, "redrivePolicy") === UNKNOWN) return graph.targets(queue, "redrivePolicy", AWS.queue);
  const policy = json(queue, "redrivePolicy") as { deadLetterTargetArn?: unknown } | undefined;
  const arn = policy?.deadLetterTargetArn;
  return typeof arn === "string" ? graph.withValue(arn) : [];
}

/** A part about queues that are worked on. */
const ofWork =
  (part: Part): Part =>
  (queue, graph, profile) =>
    isDeadLetter(queue, graph) ? undefined : part(queue, graph, profile);

const deadLetters: Part = (queue) => {
  if (!isGiven(queue, "redrivePolicy")) return "it has no dead-letter queue";
  const policy = json(queue, "redrivePolicy") as { maxReceiveCount?: unknown };
  const count = Number(policy.maxReceiveCount);
  return count === RECEIVES ? undefined : `maxReceiveCount is ${count}; allowed: ${RECEIVES}`;
};

const visibility: Part = (queue, _graph, { handlerSeconds }) => {
  // SQS' default.
  const seconds = number(queue, "visibilityTimeoutSeconds") ?? 30;
  const least = handlerSeconds * VISIBILITY_FACTOR;
  return seconds >= least
    ? undefined
    : `visibilityTimeoutSeconds is ${seconds} s; allowed: at least ${least} s, ${VISIBILITY_FACTOR} times what the handler may take`;
};

const brokerZones =
  (least: number): Part =>
  (cluster, graph) => {
    const subnets = graph.targets(cluster, "brokerNodeGroupInfo.clientSubnets", AWS.subnet);
    const zones = new Set(subnets.map((subnet) => text(subnet, "availabilityZone") || text(subnet, "availabilityZoneId")));
    return zones.size >= least ? undefined : `its brokers are in ${zones.size} zones; allowed: at least ${least}`;
  };

const inSync: Part = (cluster, graph) => {
  const configurations = graph.targets(cluster, "configurationInfo.arn", AWS.mskConfiguration);
  const [configuration] = configurations;
  if (configuration === undefined) return "it has no configuration of its own";
  const value = /^\s*min\.insync\.replicas\s*=\s*(\d+)\s*$/m.exec(text(configuration, "serverProperties"))?.[1];
  return value === "2" ? undefined : `min.insync.replicas is ${value ?? "not set"}; allowed: 2`;
};

/** Rules of secrets, queues, brokers, logs and images. */
export const secretsQueuesLogs = rulesOf("secrets-queues-logs", {
  "secrets-key": {
    title: "Secrets are encrypted with an own key",
    cites: ["CKV_AWS_149"],
    remediation: "Set kmsKeyId.",
    types: [AWS.secret],
    parts: [isSet("kmsKeyId")],
  },
  "secrets-rotation": {
    title: "Secrets are rotated every 90 days or more often, but for those listed with a reason in policy/not-rotated.ts",
    cites: ["CKV2_AWS_57", "CKV_AWS_304", "SecretsManager.1", "SecretsManager.4"],
    devRelaxation: "never",
    remediation:
      "Add an aws.secretsmanager.SecretRotation with rotationRules.automaticallyAfterDays of 90 or less, or list the secret with a reason in policy/not-rotated.ts.",
    types: [AWS.secret],
    scope: "graph",
    parts: [inProd(rotated)],
  },
  "secrets-recovery": {
    title: "A deleted secret can be had back for a week",
    devRelaxation: "it is gone at once, so that a stack of the same name can be made again",
    remediation: "Set recoveryWindowInDays to 7 to 30.",
    types: [AWS.secret],
    // 30 is AWS' default.
    parts: [inProd(isBetween("recoveryWindowInDays", 7, 30, 30))],
  },
  "queues-encrypted": {
    title: "Messages are encrypted at rest",
    cites: ["CKV_AWS_27", "SQS.1"],
    remediation: "Set kmsMasterKeyId, or sqsManagedSseEnabled.",
    types: [AWS.queue],
    parts: [
      (queue) =>
        isGiven(queue, "kmsMasterKeyId") || read(queue, "sqsManagedSseEnabled") === true
          ? undefined
          : "neither kmsMasterKeyId nor sqsManagedSseEnabled is set",
    ],
  },
  "topics-encrypted": {
    title: "Notifications are encrypted at rest",
    cites: ["CKV_AWS_26", "SNS.1"],
    remediation: "Set kmsMasterKeyId to a key that CloudWatch may use.",
    types: [AWS.topic],
    parts: [isSet("kmsMasterKeyId")],
  },
  "queues-dead-letters": {
    title: "A message that failed five times goes to a dead-letter queue",
    remediation: "Set redrivePolicy with deadLetterTargetArn and maxReceiveCount 5.",
    types: [AWS.queue],
    scope: "graph",
    parts: [ofWork(deadLetters)],
  },
  "queues-visibility": {
    title: "A message is not handed out a second time while the first handler is at work",
    remediation: "Set visibilityTimeoutSeconds to six times what the handler may take.",
    types: [AWS.queue],
    scope: "graph",
    parts: [ofWork(visibility)],
  },
  "msk-zones": {
    title: "Brokers are in three zones",
    devRelaxation: "two zones",
    remediation: "Give brokerNodeGroupInfo.clientSubnets one subnet in each of three zones.",
    types: [AWS.mskCluster],
    scope: "graph",
    parts: [byProfile(brokerZones(3), brokerZones(2))],
  },
  "msk-tls": {
    title: "Brokers and their clients speak TLS only",
    cites: ["CKV_AWS_81", "MSK.1"],
    remediation: "Set encryptionInfo.encryptionInTransit to clientBroker TLS and inCluster true, and encryptionAtRestKmsKeyArn.",
    types: [AWS.mskCluster],
    parts: [
      // Both are MSK's defaults.
      (cluster) =>
        ["", "TLS"].includes(text(cluster, "encryptionInfo.encryptionInTransit.clientBroker"))
          ? undefined
          : "clientBroker lets in clients without TLS",
      (cluster) =>
        read(cluster, "encryptionInfo.encryptionInTransit.inCluster") === false ? "inCluster is false; allowed: true" : undefined,
      isSet("encryptionInfo.encryptionAtRestKmsKeyArn"),
    ],
  },
  "msk-iam": {
    title: "Clients of brokers log in by their role",
    cites: ["MSK.6"],
    remediation: "Set clientAuthentication.sasl.iam, and leave unauthenticated off.",
    types: [AWS.mskCluster],
    parts: [isTrue("clientAuthentication.sasl.iam"), isNotTrue("clientAuthentication.unauthenticated")],
  },
  "msk-private": {
    title: "Brokers have no public address",
    cites: ["CKV_AWS_291", "MSK.4"],
    remediation: "Leave connectivityInfo.publicAccess out, or set its type to DISABLED.",
    types: [AWS.mskCluster],
    parts: [
      (cluster) =>
        ["", "DISABLED"].includes(text(cluster, "brokerNodeGroupInfo.connectivityInfo.publicAccess.type"))
          ? undefined
          : "its brokers are public",
    ],
  },
  "msk-in-sync": {
    title: "A write is confirmed by two brokers",
    remediation: "Add an aws.msk.Configuration with min.insync.replicas=2.",
    types: [AWS.mskCluster],
    scope: "graph",
    parts: [inSync],
  },
  "logs-retention": {
    title: "Logs are deleted after a time that somebody chose",
    cites: ["CKV_AWS_66", "CloudWatch.16"],
    remediation: "Set retentionInDays; without it logs are kept and paid for forever.",
    types: [AWS.logGroup],
    parts: [isAtLeast("retentionInDays", 1, 0)],
  },
  "logs-key": {
    title: "Logs are encrypted with an own key",
    cites: ["CKV_AWS_158"],
    remediation: "Set kmsKeyId to a key that CloudWatch Logs may use.",
    types: [AWS.logGroup],
    parts: [isSet("kmsKeyId")],
  },
  "ecr-immutable": {
    title: "An image's tag means the same image for good",
    cites: ["CKV_AWS_51", "ECR.2"],
    remediation: "Set imageTagMutability to IMMUTABLE.",
    types: [AWS.ecrRepository],
    parts: [isOneOf("imageTagMutability", "IMMUTABLE")],
  },
  "ecr-scanned": {
    title: "Images are searched for known vulnerabilities",
    cites: ["CKV_AWS_163", "ECR.1"],
    remediation: "Set imageScanningConfiguration.scanOnPush.",
    types: [AWS.ecrRepository],
    parts: [isTrue("imageScanningConfiguration.scanOnPush")],
  },
  "ecr-key": {
    title: "Images are encrypted with an own key",
    cites: ["CKV_AWS_136", "ECR.5"],
    remediation: "Set encryptionConfigurations with encryptionType KMS and kmsKey; a change replaces the repository.",
    types: [AWS.ecrRepository],
    parts: [
      (repository) =>
        items(repository, "encryptionConfigurations").some(
          (part) => ["KMS", "KMS_DSSE"].includes(text(part, "encryptionType")) && isGiven(part, "kmsKey"),
        )
          ? undefined
          : "encryptionConfigurations has no own key",
    ],
  },
  "ecr-lifecycle": {
    title: "Old images are deleted",
    cites: ["ECR.3"],
    remediation: "Add an aws.ecr.LifecyclePolicy.",
    types: [AWS.ecrRepository],
    scope: "graph",
    parts: [hasReferrer("repository", "lifecycle policy", AWS.ecrLifecycle)],
  },
});
