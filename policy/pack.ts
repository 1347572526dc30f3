import type { Policies, PolicyResource, ResourceValidationArgs, ResourceValidationPolicy, StackValidationPolicy } from "@pulumi/policy";
import { evaluate, sentence, type NotJudged } from "./evaluate";
import type { Resource } from "./graph";
import { fromResourceArgs, fromStack } from "./from-engine";
import type { Profile } from "./profile";
import type { Rule } from "./rule";

/** Most entries of a list in a message. */
const LISTED = 10;

/** The rules as policies of CrossGuard, and one more that tells what could not be judged. */
export function policies(rules: readonly Rule[], profile: Profile): Policies {
  const seen = new Seen();
  const own = rules.map((rule) => (rule.scope === "resource" ? ofResource(rule, profile, seen) : ofStack(rule, profile, seen)));
  return [...own, whatIsNotJudged(rules, profile, seen)];
}

/** What one round of all policies works on: converted for the first of them, and anew when one of them comes again. */
class Round<T> {
  readonly #policies = new Set<string>();
  #value: T | undefined;

  get(policy: string, convert: () => T): T {
    if (this.#value === undefined || this.#policies.has(policy)) {
      this.#policies.clear();
      this.#value = convert();
    }
    this.#policies.add(policy);
    return this.#value;
  }

  get value(): T | undefined {
    return this.#value;
  }
}

/** What the engine has told so far. Conversion is most of a pack's work, and every policy is handed everything again. */
class Seen {
  readonly #resources = new Map<string, Round<Resource>>();
  readonly #stack = new Round<Resource[]>();

  /** A resource that is being registered. */
  resource(policy: string, args: ResourceValidationArgs): Resource {
    const round = this.#resources.get(args.urn) ?? new Round();
    this.#resources.set(args.urn, round);
    return round.get(policy, () => fromResourceArgs(args));
  }

  /** All resources at the end. With outputs alone, what was left out could not be told from what is not known yet; inputs were told before. */
  stack(policy: string, resources: readonly PolicyResource[]): Resource[] {
    return this.#stack.get(policy, () => fromStack(resources, (urn) => this.#resources.get(urn)?.value?.inputs));
  }
}

const common = ({ id, title, enforcement, remediation, area, cites }: Rule): Omit<ResourceValidationPolicy, "validateResource"> => ({
  name: id,
  description: `${title}.`,
  enforcementLevel: enforcement,
  remediationSteps: remediation,
  tags: [area, ...cites],
});

/** Judged when the resource is registered, so that what breaks it is refused before it is made. */
function ofResource(rule: Rule, profile: Profile, seen: Seen): ResourceValidationPolicy {
  return {
    ...common(rule),
    validateResource: (args, reportViolation) => {
      const resource = seen.resource(rule.id, args);
      if (!rule.types.includes(resource.type)) return;
      for (const violation of evaluate([resource], [rule], profile).violations) reportViolation(sentence(violation));
    },
  };
}

function ofStack(rule: Rule, profile: Profile, seen: Seen): StackValidationPolicy {
  return {
    ...common(rule),
    validateStack: ({ resources }, reportViolation) => {
      for (const violation of evaluate(seen.stack(rule.id, resources), [rule], profile).violations)
        reportViolation(sentence(violation), violation.resource.urn);
    },
  };
}

/** A preview knows no ids: what therefore could not be judged is counted and told, instead of passing as kept. */
function whatIsNotJudged(rules: readonly Rule[], profile: Profile, seen: Seen): StackValidationPolicy {
  return {
    name: "not-judged",
    description: "What could not be judged, because a value is not known yet.",
    enforcementLevel: "advisory",
    validateStack: ({ resources }, reportViolation) => {
      const { notJudged, judged } = evaluate(seen.stack("not-judged", resources), rules, profile);
      if (notJudged.length > 0) reportViolation(summary(notJudged, judged));
    },
  };
}

/** One sentence for all that could not be judged, by rule. */
export function summary(notJudged: readonly NotJudged[], judged: number): string {
  const byRule = new Map<string, Set<string>>();
  for (const { rule, resource, property } of notJudged) {
    const found = byRule.get(rule.id) ?? new Set();
    byRule.set(rule.id, found.add(`${resource.name}.${property}`));
  }
  const rules = [...byRule].map(([id, values]) => `${id} (${[...values].slice(0, 3).join(", ")}${values.size > 3 ? ", …" : ""})`);
  const more = rules.length > LISTED ? ` and ${rules.length - LISTED} more` : "";
  return `${notJudged.length} of ${judged} checks could not be judged, because values are not known before the update: ${rules.slice(0, LISTED).join("; ")}${more}`;
}
