import { NotKnown, type Graph, type Resource } from "./graph";
import type { Profile } from "./profile";

/** Areas of rules; each has a file in policy/rules. */
export const AREAS = [
  "network",
  "security-groups",
  "ecs",
  "containers",
  "autoscaling",
  "target-groups",
  "eks",
  "rds",
  "rds-proxy",
  "elasticache",
  "alb-waf",
  "cloudfront",
  "s3",
  "iam-kms",
  "secrets-queues-logs",
  "operations",
  "cost-ceiling",
] as const;
export type Area = (typeof AREAS)[number];

/** What a rule found about one resource: it is broken, or it could not be judged because a value is not known yet. */
export interface Finding {
  readonly kind: "violation" | "not judged";
  /** A clause whose subject is the resource, e.g. `storageEncrypted is false; allowed: true`; or the property that is not known. */
  readonly message: string;
}

/** A rule: a pure function of a resource and the graph around it, with what people need to know of it. */
export interface Rule {
  /** Unique, in the form `area-subject`; stays the same for good, since configuration refers to it. */
  readonly id: string;
  readonly area: Area;
  /** One sentence: what holds. */
  readonly title: string;
  /** Ids of the same rule elsewhere: Checkov (CKV…), AWS Security Hub (RDS.3). Empty where the rule is this project's own. */
  readonly cites: readonly string[];
  readonly enforcement: "mandatory" | "advisory";
  /** What is allowed with profile dev; undefined: nothing more than with prod. */
  readonly devRelaxation: string | undefined;
  /** What to do about a violation, one or two sentences. */
  readonly remediation: string;
  /** Type tokens of the resources that it judges. {@link STACK} is judged once. */
  readonly types: readonly string[];
  /** `resource`: only the resource itself is looked at, so that it can be judged as soon as it is registered. */
  readonly scope: "resource" | "graph";
  readonly check: (resource: Resource, graph: Graph, profile: Profile) => Finding[];
}

/** Type token of the stack itself, for what has to be there once. */
export const STACK = "pulumi:pulumi:Stack";

/** A part of a rule: clauses that say what is wrong, none if nothing is. May throw {@link NotKnown}. */
export type Part = (resource: Resource, graph: Graph, profile: Profile) => readonly string[] | string | undefined;

/** A rule as it is written down. */
export interface RuleText {
  readonly title: string;
  readonly cites?: readonly string[];
  readonly enforcement?: "mandatory" | "advisory";
  readonly devRelaxation?: string;
  readonly remediation: string;
  readonly types: readonly string[];
  readonly scope?: "resource" | "graph";
  /** Judged each by itself: a value that one of them misses does not keep the others from being judged. */
  readonly parts: readonly Part[];
}

/** The rules of an area, by their ids. @default enforcement mandatory, scope resource */
export function rulesOf(area: Area, written: Readonly<Record<string, RuleText>>): Rule[] {
  return Object.entries(written).map(([id, { parts, ...rule }]) => ({
    cites: [],
    enforcement: "mandatory",
    devRelaxation: undefined,
    scope: "resource",
    ...rule,
    id,
    area,
    check: (resource, graph, profile) => parts.flatMap((part) => judge(() => part(resource, graph, profile))),
  }));
}

function judge(part: () => readonly string[] | string | undefined): Finding[] {
  try {
    const clauses = part() ?? [];
    return (typeof clauses === "string" ? [clauses] : clauses).map((message) => ({ kind: "violation", message }));
  } catch (error) {
    if (!(error instanceof NotKnown)) throw error;
    return [{ kind: "not judged", message: error.property }];
  }
}
