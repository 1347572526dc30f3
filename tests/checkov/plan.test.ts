import assert from "node:assert/strict";
import type { Resource } from "../../policy/graph";
import type { Rule } from "../../policy/rule";
import { RULES } from "../../policy/rules";
import { type Failure, runCheckov, SKIPPED, unexcused } from "../support/checkov";
import { type Changes, cloudGraph, EKS, TWO_REGIONS } from "../support/cloud-program";
import { PlanConverter, type TerraformPlan } from "../support/terraform-plan";
import { computeFixtures } from "../unit/policy/fixtures/compute.failing";
import { dataFixtures } from "../unit/policy/fixtures/data.failing";
import { edgeFixtures } from "../unit/policy/fixtures/edge.failing";
import { networkFixtures } from "../unit/policy/fixtures/network.failing";
import { PRODUCTION } from "../unit/policy/fixtures/production";

const FIXTURES = { ...networkFixtures, ...computeFixtures, ...dataFixtures, ...edgeFixtures };

/** Rules that cite Checkov, and whose fixtures it nevertheless lets pass, with the reason. */
const NOT_SEEN: Readonly<Record<string, string>> = {
  "ecs-platform": "Checkov looks at services with launchType FARGATE only, not at those with capacity providers.",
  "containers-unprivileged": "Checkov 3.3.30 looks for `privilege`; the key of a container is `privileged`.",
  "s3-encrypted": "S3 encrypts with its own key where nothing is said, which is enough for Checkov.",
  "cloudfront-root-object": "The distribution of the production stack fails it as well, see the skip list.",
  "cloudfront-failover": "The distribution of the production stack fails it as well, see the skip list.",
  "cloudfront-security-headers": "Checkov asks whether some behaviour has a policy, the rule whether all have.",
};

/** Stacks that the program makes. */
const PROGRAM: Readonly<Record<string, Changes>> = {
  ...{ ecs: {}, eks: EKS },
  ...{ "ecs with two databases": { databases: "2" }, "eks with two databases": { ...EKS, databases: "2" } },
  ...{ "ecs in two regions": TWO_REGIONS, "eks in two regions": { ...EKS, ...TWO_REGIONS } },
};

const checkovIds = ({ cites }: Rule): string[] => cites.filter((cite) => cite.startsWith("CKV"));
const citing = RULES.filter((rule) => checkovIds(rule).length > 0 && NOT_SEEN[rule.id] === undefined);

/**
 * Every graph that breaks a rule which cites Checkov. Checks of one resource (CKV_…) need no more than what was changed; those of several
 * (CKV2_…), and graphs that only lack something, need the whole stack.
 */
function broken(converter: PlanConverter): Map<string, { rule: Rule; plan: TerraformPlan }> {
  const plans = new Map<string, { rule: Rule; plan: TerraformPlan }>();
  for (const rule of citing) {
    const fixture = FIXTURES[rule.id];
    const graphs: readonly (readonly Resource[] | undefined)[] = [fixture?.relaxed, ...Object.values(fixture?.fails ?? {})];
    for (const [index, resources] of graphs.entries()) {
      if (resources === undefined) continue;
      const changed = resources.filter((resource) => !PRODUCTION.includes(resource));
      const alone = changed.length > 0 && !rule.cites.some((cite) => cite.startsWith("CKV2"));
      plans.set(`${rule.id} ${index}`, { rule, plan: converter.convert(alone ? changed : resources) });
    }
  }
  return plans;
}

describe("Checkov: rules that nobody here wrote", () => {
  let converter: PlanConverter;
  before(async () => {
    converter = await PlanConverter.open();
  });

  it("F5 the production stack made by hand breaks none but those that are skipped with a reason", async () => {
    const { failures, resources } = await runCheckov({ production: converter.convert(PRODUCTION) });
    assert.ok(resources > 100, `${resources} resources were checked`);
    assert.deepEqual(unexcused(failures), []);
    for (const [id, { reason }] of Object.entries(SKIPPED)) assert.match(reason, /^[A-Z`].{20,}\.$/, id);
  });

  for (const [name, changes] of Object.entries(PROGRAM)) {
    it(`F5 the production stack as the program makes it, on ${name}, breaks none of them either`, async () => {
      const { failures, resources } = await runCheckov({ [name]: converter.convert(await cloudGraph("prod", changes)) });
      assert.ok(resources > 150, `${resources} resources were checked`);
      assert.deepEqual(unexcused(failures), []);
    });
  }

  it("F5 what breaks a rule of this project breaks the one of Checkov's that it cites", async () => {
    const plans = broken(converter);
    const given = Object.fromEntries([...plans].map(([name, { plan }]) => [name, plan]));
    const checks = [...new Set(citing.flatMap(checkovIds))];
    const { failures } = await runCheckov({ production: converter.convert(PRODUCTION), ...given }, checks);
    const line = ({ id, resource }: Failure): string => `${id} ${resource}`;
    const usual = new Set(failures.filter(({ plan }) => plan === "production").map(line));
    const seen = new Set(
      failures
        .filter((failure) => !usual.has(line(failure)))
        .flatMap(({ plan, id }) => (plans.get(plan)?.rule.cites.includes(id) ? [plans.get(plan)?.rule] : [])),
    );
    assert.deepEqual(
      citing.filter((rule) => !seen.has(rule)).map((rule) => `${rule.id} (${checkovIds(rule).join(", ")})`),
      [],
    );
  });
});
