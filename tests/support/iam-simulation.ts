import type { Graph, Resource } from "../../policy/graph";
import { matches, statements, type Condition, type Statement } from "../../policy/iam-documents";
import { items, json, texts } from "../../policy/read";
import { AWS } from "../../policy/types";

/** One request to AWS. */
export interface Request {
  /** E.g. `sqs:SendMessage`. */
  readonly action: string;
  /** ARN; `*` for actions that know no resource. */
  readonly resource: string;
  /** Condition keys and what they are in this request, e.g. `aws:SecureTransport`. */
  readonly context?: Readonly<Record<string, string>>;
}

/** What comes of it: an explicit deny wins, then an allow; nothing said is no. */
export type Decision = "allowed" | "denied" | "not allowed";

/**
 * Whether a role may do something, by its own policies: inline, attached and managed by this stack.
 * @param managed see {@link statementsOf}
 */
export function decide(role: Resource, graph: Graph, request: Request, managed: Readonly<Record<string, unknown>> = {}): Decision {
  return decideBy(statementsOf(role, graph, managed), request);
}

/** The same for statements, for policies that are no role's. */
export function decideBy(all: readonly Statement[], request: Request): Decision {
  const applying = all.filter((statement) => applies(statement, request));
  if (applying.some(({ effect }) => effect === "Deny")) return "denied";
  return applying.length > 0 ? "allowed" : "not allowed";
}

/**
 * Everything a role is allowed or denied. Policies that AWS keeps are known by their ARN alone.
 * @throws Error for a managed policy of AWS' own: what it allows changes without anybody here seeing it; hand `managed` what it is taken to say
 */
export function statementsOf(role: Resource, graph: Graph, managed: Readonly<Record<string, unknown>> = {}): Statement[] {
  const inline = items(role, "inlinePolicies").map((part) => json(part, "policy"));
  const own = graph.referrers(role, "role", AWS.iamRolePolicy).map((policy) => json(policy, "policy"));
  const attachments = graph.referrers(role, "role", AWS.iamRolePolicyAttachment);
  const named = [...attachments.flatMap((attachment) => texts(attachment, "policyArn")), ...texts(role, "managedPolicyArns")];
  const attached = named.map((arn) => {
    const [policy] = graph.withValue(arn).filter(({ type }) => type === AWS.iamPolicy);
    const document = policy === undefined ? managed[arn] : json(policy, "policy");
    if (document === undefined) throw new Error(`${role.name} has the policy ${arn}, and what it allows is not known here`);
    return document;
  });
  return [...inline, ...own, ...attached].flatMap(statements);
}

/** Whether the service may take the role on, by the role's trust policy. */
export function trusts(role: Resource, service: string, context: Readonly<Record<string, string>> = {}): boolean {
  const all = statements(json(role, "assumeRolePolicy"));
  const assume = ["sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:TagSession"];
  const applying = all.filter(
    ({ principals, conditions, actions }) =>
      (principals.includes(service) || principals.includes("*")) &&
      actions.some((pattern) => assume.some((action) => matches(pattern, action, false))) &&
      conditions.every((condition) => holds(condition, context)),
  );
  return applying.length > 0 && applying.every(({ effect }) => effect === "Allow");
}

function applies(
  { actions, notActions, resources, notResources, conditions }: Statement,
  { action, resource, context = {} }: Request,
): boolean {
  const isAction = actions.some((pattern) => matches(pattern, action, false));
  const isOther = notActions.length > 0 && !notActions.some((pattern) => matches(pattern, action, false));
  const isResource = resources.some((pattern) => matches(pattern, resource));
  const isElsewhere = notResources.length > 0 && !notResources.some((pattern) => matches(pattern, resource));
  return (isAction || isOther) && (isResource || isElsewhere) && conditions.every((condition) => holds(condition, context));
}

/** Operators of conditions, by their names without `IfExists` and without `ForAnyValue:`. */
const OPERATORS: Readonly<Record<string, (given: string, wanted: string) => boolean>> = {
  StringEquals: (given, wanted) => given === wanted,
  StringEqualsIgnoreCase: (given, wanted) => given.toLowerCase() === wanted.toLowerCase(),
  StringLike: (given, wanted) => matches(wanted, given),
  ArnEquals: (given, wanted) => matches(wanted, given),
  ArnLike: (given, wanted) => matches(wanted, given),
  Bool: (given, wanted) => given.toLowerCase() === wanted.toLowerCase(),
  NumericLessThanEquals: (given, wanted) => Number(given) <= Number(wanted),
  NumericEquals: (given, wanted) => Number(given) === Number(wanted),
};
/** Operators that hold when none of the values is the one given, and when there is none. */
const NEGATED: Readonly<Record<string, string>> = {
  StringNotEquals: "StringEquals",
  StringNotLike: "StringLike",
  ArnNotEquals: "ArnEquals",
  ArnNotLike: "ArnLike",
  NumericNotEquals: "NumericEquals",
};

/** Whether a condition holds. @throws Error for an operator that is not known here: guessing would make a proof of nothing */
function holds({ operator, key, values }: Condition, context: Readonly<Record<string, string>>): boolean {
  const bare = operator.replace(/^For(AnyValue|AllValues):/, "");
  const base = bare.replace(/IfExists$/, "");
  const found = Object.entries(context).find(([name]) => name.toLowerCase() === key.toLowerCase())?.[1];
  if (base === "Null") return values.some((value) => (value === "true") === (found === undefined));
  const negated = NEGATED[base];
  const compare = OPERATORS[negated ?? base];
  if (compare === undefined) throw new Error(`the condition operator ${operator} is not known to this simulation`);
  if (found === undefined) return negated !== undefined || bare.endsWith("IfExists") || operator.startsWith("ForAllValues:");
  const some = values.some((wanted) => compare(found, wanted));
  return negated === undefined ? some : !some;
}
