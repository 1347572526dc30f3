import type { Resource } from "../graph";
import { matches, statements, type Statement } from "../iam-documents";
import { byProfile, isBetween, isTrue } from "../parts";
import { items, json } from "../read";
import { rulesOf, type Part } from "../rule";
import { AWS } from "../types";

/** Actions that only read. */
const READS = /^[a-z0-9-]+:(Get|List|Describe|BatchGet|Head|View|Search|Lookup)/i;
/** Actions that change something, and for which IAM knows no resource but `*` (service authorization reference). */
const WITHOUT_RESOURCE = [
  "cloudwatch:putmetricdata",
  "xray:puttracesegments",
  "xray:puttelemetryrecords",
  "ssmmessages:createcontrolchannel",
  "ssmmessages:createdatachannel",
  "ssmmessages:opencontrolchannel",
  "ssmmessages:opendatachannel",
];

/** The statements of what a role or policy allows; trust policies are about others. */
function allowed(holder: Resource): Statement[] {
  const documents =
    holder.type === AWS.iamRole ? items(holder, "inlinePolicies").map((part) => json(part, "policy")) : [json(holder, "policy")];
  return documents.flatMap(statements).filter(({ effect }) => effect === "Allow");
}

/** A part about every statement that allows something. */
const each =
  (judge: (statement: Statement) => string | undefined): Part =>
  (holder) =>
    allowed(holder)
      .map(judge)
      .filter((clause) => clause !== undefined);

const isWide = (action: string): boolean => action === "*" || /^[a-z0-9-]+:\*$/i.test(action);
const writes = (action: string): boolean => !READS.test(action) && !WITHOUT_RESOURCE.includes(action.toLowerCase());

const types = [AWS.iamPolicy, AWS.iamRolePolicy, AWS.iamRole];

/** Rules of identities and keys. What roles can do as a whole is proven by tests/support/iam-simulation.ts. */
export const iamKms = rulesOf("iam-kms", {
  "iam-actions": {
    title: "No policy allows all actions, of AWS or of a service",
    cites: ["CKV_AWS_62", "CKV_AWS_63", "CKV2_AWS_40", "IAM.1", "IAM.21"],
    remediation: "Name the actions.",
    types,
    parts: [
      each(({ actions, notActions }) => {
        if (notActions.length > 0) return "it allows everything but some actions; allowed: actions by name";
        const wide = actions.filter(isWide);
        return wide.length === 0 ? undefined : `it allows ${wide.join(", ")}; allowed: actions by name`;
      }),
    ],
  },
  "iam-resources": {
    title: "What changes something is allowed on named resources",
    cites: ["CKV_AWS_288", "CKV_AWS_289", "CKV_AWS_290", "CKV_AWS_355"],
    remediation: "Name the resources by ARN.",
    types,
    parts: [
      each(({ actions, resources, notResources }) => {
        if (!resources.includes("*") && notResources.length === 0) return undefined;
        const wide = actions.filter(writes);
        return wide.length === 0 ? undefined : `it allows ${wide.join(", ")} on all resources`;
      }),
    ],
  },
  "iam-pass-role": {
    title: "Roles are handed to services one by one",
    remediation: "Name the role's ARN, and the service by the condition iam:PassedToService.",
    types,
    parts: [
      each(({ actions, resources, conditions }) => {
        if (!actions.some((action) => matches(action, "iam:PassRole", false))) return undefined;
        if (resources.some((resource) => resource === "*" || /:role\/\*$/.test(resource))) return "it may pass every role on";
        return conditions.some(({ key }) => key.toLowerCase() === "iam:passedtoservice")
          ? undefined
          : "it may pass a role to every service";
      }),
    ],
  },
  "iam-no-users": {
    title: "Nobody and nothing has a user with keys that last",
    cites: ["CKV_AWS_273", "IAM.2"],
    remediation: "Use a role: of the task, of the pod, or for CI by OpenID Connect.",
    types: [AWS.iamUser, AWS.accessKey, AWS.userPolicy],
    parts: [() => "users of IAM are not allowed"],
  },
  "kms-rotation": {
    title: "Keys are rotated every year",
    cites: ["CKV_AWS_7", "KMS.4"],
    remediation: "Set enableKeyRotation.",
    types: [AWS.kmsKey],
    parts: [isTrue("enableKeyRotation")],
  },
  "kms-deletion-window": {
    title: "A deleted key can be had back for 30 days",
    devRelaxation: "7 days",
    remediation: "Set deletionWindowInDays to 30.",
    types: [AWS.kmsKey, AWS.kmsReplicaKey],
    // 30 is AWS' default.
    parts: [byProfile(isBetween("deletionWindowInDays", 30, 30, 30), isBetween("deletionWindowInDays", 7, 30, 30))],
  },
});
