import { partitionOf } from "../../components/aws/context";
import { UserError } from "../lib/errors";
import { UNKNOWN_TEXT } from "../preview/events";
import { ACTIONS, PASSED_TO, UNSCOPED } from "./actions";

/** A resource of the stack, with its inputs as far as a preview knows them. */
export interface UsedResource {
  readonly type: string;
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
}

/** What a policy is for. */
export interface PolicyScope {
  readonly accountId: string;
  /** Region of the stack. What AWS has in us-east-1 only is always in. */
  readonly region: string;
  /** The region that can take over. @default none */
  readonly secondRegion?: string | undefined;
  /** `deploy`: create, read, change, delete. `read`: what comparing a stack with what runs needs, e.g. of a scheduled check for drift. */
  readonly access: "deploy" | "read";
}

/** A statement of an IAM policy. */
export interface Statement {
  readonly Sid: string;
  readonly Effect: "Allow";
  readonly Action: readonly string[];
  readonly Resource: readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
}

/** An IAM policy document. */
export interface PolicyDocument {
  readonly Version: "2012-10-17";
  readonly Statement: readonly Statement[];
}

/** Most characters of a managed policy, white space not counted (IAM and AWS STS quotas). A role takes ten of them. */
export const POLICY_LIMIT = 6144;

/** Region of what AWS runs once for the whole world: CloudFront with its certificates and firewall, IAM, Route 53, budgets. */
const WORLD = "us-east-1";

const READS = /:(Get|Describe|List|View|BatchGet|BatchCheck)/;

/** What a value is compared by, of a secret that Pulumi wrote. */
const READS_SECRETS = "secretsmanager:GetSecretValue";

/**
 * What a role has to be allowed so that Pulumi can work on these resources, and nothing more: actions by type, in this account, in the stack's
 * regions and us-east-1; roles by the names this stack gives them, handed to the services it hands them to; records in its hosted zone only.
 * @returns as many managed policies as their limit of size asks for
 * @throws UserError naming every type whose actions are not known
 */
export function deployPolicies(resources: readonly UsedResource[], scope: PolicyScope): PolicyDocument[] {
  const used = resources.filter(({ type }) => /^aws:/.test(type) || type in ACTIONS);
  const unknown = [...new Set(used.map(({ type }) => type))].filter((type) => !(type in ACTIONS)).sort();
  if (unknown.length > 0) {
    throw new UserError(`actions of ${unknown.join(", ")} are not known`, "Add them to toolchain/deploy-policy/actions.ts");
  }
  const services = actionsByService(used);
  const wanted = (action: string): boolean => scope.access === "deploy" || READS.test(action);
  const granted = [...services].flatMap(([service, actions]) => statements(service, actions.filter(wanted), used, scope));
  const secrets = scope.access === "read" && granted.some(({ Action }) => Action.includes(READS_SECRETS));
  return packed(secrets ? [...granted, decryptSecrets(scope)] : granted);
}

/**
 * What Secrets Manager asks in the name of who reads a secret with a key of the stack (its user guide, "Secret encryption and decryption").
 * Through it alone: who only reads decrypts nothing else.
 */
function decryptSecrets(scope: PolicyScope): Statement {
  return {
    Sid: "kmsSecrets",
    Effect: "Allow",
    Action: ["kms:Decrypt"],
    Resource: arns("kms", [], scope),
    Condition: { StringEquals: { "kms:ViaService": own(scope).map((place) => `secretsmanager.${place}.amazonaws.com`) } },
  };
}

function actionsByService(used: readonly UsedResource[]): Map<string, string[]> {
  const services = new Map<string, Set<string>>();
  for (const { type } of used) {
    for (const part of (ACTIONS[type] ?? "").split("; ")) {
      const [service = "", names = ""] = part.split(": ");
      const actions = services.get(service) ?? new Set();
      for (const name of names.split(" ")) actions.add(`${service}:${name}`);
      services.set(service, actions);
    }
  }
  return new Map([...services].sort(([a], [b]) => a.localeCompare(b)).map(([service, actions]) => [service, [...actions].sort()]));
}

function statements(service: string, actions: readonly string[], used: readonly UsedResource[], scope: PolicyScope): Statement[] {
  const sid = service.replace(/[^a-z0-9]/g, "");
  if (service === "iam") return iamStatements(actions, used, scope);
  const unscoped = new Set((UNSCOPED[service] ?? "").split(" ").map((name) => `${service}:${name}`));
  const inRegion = { StringEquals: { "aws:RequestedRegion": regions(scope) } };
  const inAccount = service === "s3" ? { Condition: { StringEquals: { "aws:ResourceAccount": [scope.accountId] } } } : {};
  return [
    {
      Sid: `${sid}All`,
      Effect: "Allow" as const,
      Action: actions.filter((action) => unscoped.has(action)),
      Resource: ["*"],
      Condition: inRegion,
    },
    {
      Sid: `${sid}Own`,
      Effect: "Allow" as const,
      Action: actions.filter((action) => !unscoped.has(action)),
      Resource: arns(service, used, scope),
      ...inAccount,
    },
  ].filter(({ Action }) => Action.length > 0);
}

/** Roles are what a deploying role could make itself an administrator with: only this stack's, by name, with AWS' policies it really attaches. */
function iamStatements(actions: readonly string[], used: readonly UsedResource[], { accountId, region }: PolicyScope): Statement[] {
  const root = `arn:${partitionOf(region)}:iam::${accountId}:role`;
  const roles = used
    .filter(({ type }) => type === "aws:iam/role:Role")
    .map(({ name, inputs }) => `${root}/${textOf(inputs["name"]) ?? `${name}-*`}`);
  const attached = used
    .filter(({ type }) => type === "aws:iam/rolePolicyAttachment:RolePolicyAttachment")
    .flatMap(({ inputs }) => textOf(inputs["policyArn"]) ?? []);
  const passedTo = used.flatMap(({ type }) => PASSED_TO[type]?.split(" ") ?? []);
  const conditions: Readonly<Record<string, Statement["Condition"]>> = {
    "iam:PassRole": { StringEquals: { "iam:PassedToService": unique(passedTo) } },
    "iam:AttachRolePolicy": { ArnEquals: { "iam:PolicyARN": unique(attached) } },
    "iam:DetachRolePolicy": { ArnEquals: { "iam:PolicyARN": unique(attached) } },
  };
  const linked = "iam:CreateServiceLinkedRole";
  const plain = actions.filter((action) => !(action in conditions) && action !== linked);
  const own = { Effect: "Allow" as const, Resource: unique(roles) };
  const guarded = actions
    .filter((action) => action in conditions)
    .map((action) => ({ Sid: action.replace(":", ""), ...own, Action: [action], Condition: conditions[action] ?? {} }));
  return [
    { Sid: "iamOwn", ...own, Action: plain },
    ...guarded,
    {
      Sid: "iamLinked",
      Effect: "Allow" as const,
      Action: actions.filter((action) => action === linked),
      Resource: [`${root}/aws-service-role/*`],
    },
  ].filter(({ Action, Resource }) => Action.length > 0 && Resource.length > 0);
}

/** Regions of the stack itself. */
const own = ({ region, secondRegion }: PolicyScope): string[] => [region, ...(secondRegion === undefined ? [] : [secondRegion])];

const regions = (scope: PolicyScope): string[] => unique([...own(scope), WORLD]);

/** Resources of a service that belong to the account, and where names allow it to the stack. */
function arns(service: string, used: readonly UsedResource[], scope: PolicyScope): string[] {
  const { accountId, region } = scope;
  const partition = partitionOf(region);
  const regional = (name: string, rest = "*"): string[] =>
    regions(scope).map((place) => `arn:${partition}:${name}:${place}:${accountId}:${rest}`);
  switch (service) {
    case "s3":
      return [`arn:${partition}:s3:::*`];
    case "cloudfront":
      return [`arn:${partition}:cloudfront::${accountId}:*`];
    case "budgets":
      return [`arn:${partition}:budgets::${accountId}:budget/*`];
    case "cloudwatch":
      return [...regional("cloudwatch"), `arn:${partition}:cloudwatch::${accountId}:dashboard/*`];
    // A firewall is put on a load balancer by the right to do so on both.
    case "wafv2":
      return [
        ...regional("wafv2"),
        ...own(scope).map((place) => `arn:${partition}:elasticloadbalancing:${place}:${accountId}:loadbalancer/app/*`),
      ];
    case "route53": {
      const zones = used.filter(({ type }) => type === "aws:route53/record:Record").map(({ inputs }) => textOf(inputs["zoneId"]) ?? "*");
      const checks = used.some(({ type }) => type === "aws:route53/healthCheck:HealthCheck") ? ["healthcheck/*"] : [];
      const places = [...unique(zones).map((zone) => `hostedzone/${zone}`), "change/*", ...checks];
      return places.map((place) => `arn:${partition}:route53:::${place}`);
    }
    default:
      return regional(service);
  }
}

/** Statements one after another into documents as few as possible without reordering; one that is too large by itself is cut. */
function packed(all: readonly Statement[]): PolicyDocument[] {
  const documents: Statement[][] = [];
  for (const statement of all.flatMap(cut)) {
    const last = documents.at(-1);
    if (last !== undefined && sizeOf([...last, statement]) <= POLICY_LIMIT) last.push(statement);
    else documents.push([statement]);
  }
  return documents.map(document);
}

function cut(statement: Statement): Statement[] {
  if (sizeOf([statement]) <= POLICY_LIMIT) return [statement];
  const half = Math.ceil(statement.Action.length / 2);
  const parts = [statement.Action.slice(0, half), statement.Action.slice(half)];
  return parts.flatMap((Action, index) => cut({ ...statement, Sid: `${statement.Sid}${index + 1}`, Action }));
}

const document = (Statement: readonly Statement[]): PolicyDocument => ({ Version: "2012-10-17", Statement });

/** Characters IAM counts; no value of ours has white space. */
export const sizeOf = (Statement: readonly Statement[]): number => JSON.stringify(document(Statement)).length;

const unique = (values: readonly string[]): string[] => [...new Set(values)].sort();

/** A text that is known before the update. */
function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== UNKNOWN_TEXT ? value : undefined;
}
