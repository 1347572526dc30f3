import { Graph, type Resource } from "./graph";
import type { Profile } from "./profile";
import { STACK, type Rule } from "./rule";

/** A rule that a resource breaks. */
export interface Violation {
  readonly rule: Rule;
  readonly resource: Resource;
  /** A clause whose subject is the resource. */
  readonly message: string;
}

/** A rule that could not be judged for a resource. */
export interface NotJudged {
  readonly rule: Rule;
  readonly resource: Resource;
  /** The property that is not known yet. */
  readonly property: string;
}

/** What came of all rules for all resources. */
export interface Report {
  readonly violations: readonly Violation[];
  readonly notJudged: readonly NotJudged[];
  /** How often a rule was held against a resource. */
  readonly judged: number;
}

/** Holds every rule against every resource it is for. A stack that has AWS resources is itself one of them. */
export function evaluate(resources: readonly Resource[], rules: readonly Rule[], profile: Profile): Report {
  const graph = new Graph(withStack(resources));
  const violations: Violation[] = [];
  const notJudged: NotJudged[] = [];
  let judged = 0;
  for (const rule of rules) {
    for (const resource of graph.ofType(...rule.types)) {
      judged += 1;
      for (const { kind, message } of rule.check(resource, graph, profile)) {
        if (kind === "violation") violations.push({ rule, resource, message });
        else notJudged.push({ rule, resource, property: message });
      }
    }
  }
  return { violations, notJudged, judged };
}

/** One violation as a sentence: who, what, what to do. */
export function sentence({ rule, resource, message }: Violation): string {
  return `${resource.type} ${resource.name}: ${message}. Fix: ${rule.remediation} [${[rule.id, ...rule.cites].join(", ")}]`;
}

/** The resources with the stack among them; mocks register none. */
function withStack(resources: readonly Resource[]): readonly Resource[] {
  if (resources.some(({ type }) => type === STACK) || !resources.some(({ type }) => type.startsWith("aws:"))) return resources;
  const [, stack = "", project = ""] = /^urn:pulumi:(.*?)::(.*?)::/.exec(resources[0]?.urn ?? "") ?? [];
  const name = `${project}-${stack}`;
  const urn = `urn:pulumi:${stack}::${project}::${STACK}::${name}`;
  const none = { inputs: {}, outputs: {}, dependencies: [], propertyDependencies: {}, protect: false, ignoreChanges: [] };
  return [...resources, { ...none, type: STACK, name, urn, parent: "" }];
}
