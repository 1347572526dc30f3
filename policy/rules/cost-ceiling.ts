import { NotKnown, valueOrUnknown, type Resource, type Section } from "../graph";
import { number, read } from "../read";
import { STACK, rulesOf, type Rule } from "../rule";

/** What a stack costs a month. */
export interface CostEstimate {
  readonly monthlyUsd: number;
  /** Type tokens that have no price: what they cost comes on top. */
  readonly notPriced: readonly string[];
}

/** Reckons what resources cost a month; pure. */
export type Estimate = (resources: readonly Resource[]) => CostEstimate;

/**
 * The rule that a stack costs no more than was decided.
 * @param ceilingUsd most US dollars a month; undefined: whatever it costs
 */
export function costCeiling(estimate: Estimate, ceilingUsd: number | undefined): Rule[] {
  return rulesOf("cost-ceiling", {
    "cost-ceiling": {
      title: "The stack costs no more a month than was decided",
      remediation: "Plan for fewer users or smaller classes, or raise the ceiling (config monthlyCostCeiling).",
      types: [STACK],
      scope: "graph",
      parts: [
        (_stack, graph) => {
          if (ceilingUsd === undefined) return undefined;
          const { monthlyUsd, notPriced } = estimate(graph.resources);
          if (monthlyUsd <= ceilingUsd) return undefined;
          const rest = notPriced.length === 0 ? "" : `, without ${notPriced.join(", ")}`;
          return `it costs about ${Math.round(monthlyUsd)} US dollars a month${rest}; allowed: at most ${ceilingUsd}`;
        },
      ],
    },
  });
}

/**
 * The estimate that the program itself has made: the stack's output `monthlyCostEstimate`, an object (or its JSON) with `monthlyUsd` and `notPriced`.
 * @throws NotKnown when the stack has no such output
 */
export function estimateOfProgram(resources: readonly Resource[]): CostEstimate {
  const name = "monthlyCostEstimate";
  const [stack] = resources.filter(({ type }) => type === STACK);
  const given = stack === undefined ? undefined : valueOrUnknown({ inputs: stack.outputs }, name);
  const parsed: unknown = typeof given === "string" && given.startsWith("{") ? JSON.parse(given) : given;
  if (parsed === null || typeof parsed !== "object") throw new NotKnown(name);
  const section: Section = { inputs: parsed as Record<string, unknown>, at: `${name}.` };
  const monthlyUsd = number(section, "monthlyUsd");
  if (monthlyUsd === undefined) throw new NotKnown(`${name}.monthlyUsd`);
  const notPriced = read(section, "notPriced") ?? [];
  return { monthlyUsd, notPriced: Array.isArray(notPriced) ? notPriced.map(String) : Object.keys(notPriced) };
}
