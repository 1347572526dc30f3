import type { Graph, Resource } from "../graph";
import { statements } from "../iam-documents";
import { inProd, isNotTrue } from "../parts";
import { flag, isGiven, items, json, text } from "../read";
import { rulesOf, type Part } from "../rule";
import { AWS } from "../types";

const BLOCKS = ["blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"];

/** A part about the resources that configure the bucket in some respect; without one, the bucket has not got it. */
const configured =
  (type: string, what: string, judge: (resource: Resource, graph: Graph) => string | undefined): Part =>
  (bucket, graph) => {
    const found = graph.referrers(bucket, "bucket", type);
    if (found.length === 0) return `it has no ${what}`;
    const clauses = found.map((resource) => judge(resource, graph));
    return clauses.includes(undefined) ? undefined : clauses.filter((clause) => clause !== undefined);
  };

const tlsOnly = (policy: Resource): string | undefined => {
  const denies = statements(json(policy, "policy")).some(
    ({ effect, conditions }) =>
      effect === "Deny" &&
      conditions.some(
        ({ key, operator, values }) => operator === "Bool" && key.toLowerCase() === "aws:securetransport" && values.includes("false"),
      ),
  );
  return denies ? undefined : "its policy does not deny requests without TLS";
};

/** What must not be lost with its region: what Pulumi refuses to delete. */
const copied: Part = (bucket, graph) => {
  if (!bucket.protect || graph.ofType(AWS.vpcPeering).length === 0) return undefined;
  const enabled = graph
    .referrers(bucket, "bucket", AWS.bucketReplication)
    .some((replication) => items(replication, "rules").some((rule) => text(rule, "status") === "Enabled"));
  return enabled ? undefined : "the stack has two regions, and it is in one of them only";
};

const types = [AWS.bucket];

/** Rules of buckets. */
export const s3 = rulesOf("s3", {
  "s3-not-public": {
    title: "No bucket can be made public",
    cites: ["CKV_AWS_53", "CKV_AWS_54", "CKV_AWS_55", "CKV_AWS_56", "CKV2_AWS_6", "S3.8"],
    remediation: `Add an aws.s3.BucketPublicAccessBlock with ${BLOCKS.join(", ")}.`,
    types,
    scope: "graph",
    parts: [
      configured(AWS.bucketPublicAccess, "public access block", (block) => {
        const missing = BLOCKS.filter((path) => !flag(block, path));
        return missing.length === 0 ? undefined : `its public access block lacks ${missing.join(", ")}`;
      }),
    ],
  },
  "s3-encrypted": {
    title: "Objects are encrypted, by a rule of the bucket",
    cites: ["CKV_AWS_19", "S3.17"],
    remediation:
      "Add an aws.s3.BucketServerSideEncryptionConfiguration; aws:kms with an own key, or AES256 where a service writes logs that knows nothing else.",
    types,
    scope: "graph",
    parts: [
      configured(AWS.bucketEncryption, "encryption configuration", (encryption) => {
        const algorithms = items(encryption, "rules").map((rule) => text(rule, "applyServerSideEncryptionByDefault.sseAlgorithm"));
        return algorithms.some((algorithm) => ["aws:kms", "aws:kms:dsse", "AES256"].includes(algorithm))
          ? undefined
          : "its encryption names no algorithm";
      }),
    ],
  },
  "s3-versioned": {
    title: "What is overwritten or deleted can be had back",
    cites: ["CKV_AWS_21", "S3.14"],
    remediation: "Add an aws.s3.BucketVersioning with status Enabled.",
    types,
    scope: "graph",
    parts: [
      configured(AWS.bucketVersioning, "versioning", (versioning) =>
        text(versioning, "versioningConfiguration.status") === "Enabled" ? undefined : "its versioning is not Enabled",
      ),
    ],
  },
  "s3-tls-only": {
    title: "Requests without TLS are refused",
    cites: ["S3.5"],
    remediation: "Deny requests with aws:SecureTransport false in the bucket's policy.",
    types,
    scope: "graph",
    parts: [configured(AWS.bucketPolicy, "policy", tlsOnly)],
  },
  "s3-owner-enforced": {
    title: "Access is decided by policies, not by lists of objects",
    cites: ["CKV2_AWS_65", "S3.12"],
    remediation: "Add an aws.s3.BucketOwnershipControls with BucketOwnerEnforced.",
    types,
    scope: "graph",
    parts: [
      configured(AWS.bucketOwnership, "ownership controls", (controls) =>
        text(controls, "rule.objectOwnership") === "BucketOwnerEnforced" ? undefined : "its objectOwnership is not BucketOwnerEnforced",
      ),
    ],
  },
  "s3-lifecycle": {
    title: "Old versions and uploads that never ended go by themselves",
    cites: ["CKV2_AWS_61", "CKV_AWS_300", "S3.13"],
    remediation: "Add an aws.s3.BucketLifecycleConfiguration with abortIncompleteMultipartUpload.",
    types,
    scope: "graph",
    parts: [
      configured(AWS.bucketLifecycle, "lifecycle configuration", (lifecycle) => {
        const enabled = items(lifecycle, "rules").filter((rule) => text(rule, "status") === "Enabled");
        return enabled.some((rule) => isGiven(rule, "abortIncompleteMultipartUpload.daysAfterInitiation"))
          ? undefined
          : "its lifecycle does not abort incomplete uploads";
      }),
    ],
  },
  "s3-copied": {
    title: "With two regions, a bucket that must not be lost is copied to the other one",
    remediation: "Add an aws.s3.BucketReplicationConfig with an enabled rule.",
    types,
    scope: "graph",
    parts: [copied],
  },
  "s3-not-forced": {
    title: "A bucket that has objects is not deleted",
    devRelaxation: "it may be deleted with its objects",
    remediation: "Leave forceDestroy off; to delete on purpose set protect to false first (pulumi config set protect false).",
    types,
    parts: [inProd(isNotTrue("forceDestroy"))],
  },
});
