import assert from "node:assert/strict";
import { createRequire } from "node:module";
import type {
  PolicyResource,
  ResourceValidationArgs,
  ResourceValidationPolicy,
  StackValidationArgs,
  StackValidationPolicy,
} from "@pulumi/policy";
import { evaluate } from "../../../policy/evaluate";
import { fromStack } from "../../../policy/from-engine";
import { UNKNOWN, type Resource } from "../../../policy/graph";
import { policies, summary } from "../../../policy/pack";
import { profileOf } from "../../../policy/profile";
import { STACK } from "../../../policy/rule";
import { RULES } from "../../../policy/rules";
import { costCeiling, estimateOfProgram } from "../../../policy/rules/cost-ceiling";
import { settingsOf } from "../../../policy/settings";
import { AWS } from "../../../policy/types";
import { hidden, resource } from "../../support/aws-graph";
import { PRODUCTION } from "./fixtures/production";
import { change, without } from "./fixtures/support";

const PROD = profileOf("prod");
/** How the SDK hides what is not known yet; its declarations leave that out. */
const { unknownCheckingProxy, unknownStringValue } = createRequire(__filename)("@pulumi/policy/proxy") as {
  readonly unknownCheckingProxy: (value: unknown) => Record<string, unknown>;
  readonly unknownStringValue: string;
};

/** A value as the SDK hands it to a policy: what is not known yet is a mark behind a proxy that throws. */
function wire(value: unknown): unknown {
  if (value === UNKNOWN) return unknownStringValue;
  if (Array.isArray(value)) return value.map(wire);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, wire(item)]));
}

/** Holds a stack against a pack as the engine does: each resource with its inputs, then all of them with their outputs. */
async function run(
  resources: readonly Resource[],
  pack = policies(RULES, PROD),
): Promise<{ policy: string; message: string; urn: string | undefined }[]> {
  const told: { policy: string; message: string; urn: string | undefined }[] = [];
  const report = (policy: string) => (message: string, urn?: string) => void told.push({ policy, message, urn });
  const opts = ({ protect, ignoreChanges }: Resource): PolicyResource["opts"] => ({
    ...{ protect, ignoreChanges: [...ignoreChanges], aliases: [], additionalSecretOutputs: [] },
    customTimeouts: { createSeconds: 0, updateSeconds: 0, deleteSeconds: 0 },
  });
  for (const each of resources) {
    const props = unknownCheckingProxy(wire(each.inputs));
    const args = { type: each.type, name: each.name, urn: each.urn, props, opts: opts(each) } as unknown as ResourceValidationArgs;
    for (const policy of pack as ResourceValidationPolicy[]) {
      if (typeof policy.validateResource === "function") await policy.validateResource(args, report(policy.name));
    }
  }
  const stack = resources.map((each) => ({
    type: each.type,
    name: each.name,
    urn: each.urn,
    opts: opts(each),
    props: unknownCheckingProxy(wire(each.outputs)),
    dependencies: [],
    propertyDependencies: {},
  })) as unknown as PolicyResource[];
  resources.forEach((each, index) => {
    const made = Object.entries(each.propertyDependencies).map(([input, urns]) => [input, stack.filter(({ urn }) => urns.includes(urn))]);
    Object.assign(stack[index]!, { propertyDependencies: Object.fromEntries(made) as unknown });
  });
  for (const policy of pack as StackValidationPolicy[]) {
    if (typeof policy.validateStack === "function")
      await policy.validateStack({ resources: stack } as unknown as StackValidationArgs, report(policy.name));
  }
  return told;
}

describe("policy: the pack", () => {
  it("F5 has every rule as a policy of the same name, and one that tells what was not judged", () => {
    const pack = policies(RULES, PROD);
    assert.deepEqual(
      pack.map(({ name }) => name),
      [...RULES.map(({ id }) => id), "not-judged"],
    );
    for (const { name, description, enforcementLevel } of pack) {
      assert.match(description, /\.$/, name);
      assert.equal(enforcementLevel, name === "not-judged" ? "advisory" : RULES.find(({ id }) => id === name)?.enforcement);
    }
  });

  it("F5 says of a stack what the rules say of it, and nothing of one that keeps them", async () => {
    assert.deepEqual(await run(PRODUCTION), []);
    const broken = change(change(PRODUCTION, "database", { storageEncrypted: false }), "flow-log", { vpcId: "other" });
    const told = await run(broken);
    const expected = evaluate(broken, RULES, PROD).violations.map(({ rule, resource: { urn } }) => [rule.id, urn]);
    assert.deepEqual(
      told.map(({ policy, urn, message }) => [policy, urn ?? /database/.exec(message)?.[0]]),
      [
        ["rds-encrypted", "database"],
        ["network-flow-logs", expected.find(([id]) => id === "network-flow-logs")?.[1]],
      ],
    );
    assert.match(told[0]?.message ?? "", /^aws:rds\/instance:Instance database: storageEncrypted is false; allowed: true\. Fix: /);
  });

  it("F5 with values that are not known yet it refuses nothing, and tells what it could not judge", async () => {
    const told = await run(hidden(PRODUCTION, "database", "storageEncrypted"));
    assert.deepEqual(
      told.map(({ policy }) => policy),
      ["not-judged"],
    );
    assert.match(
      told[0]?.message ?? "",
      /^1 of \d+ checks could not be judged, because values are not known before the update: rds-encrypted \(database\.storageEncrypted\)$/,
    );
    const linked = await run(hidden(PRODUCTION, "flow-log", "vpcId"));
    assert.deepEqual(linked, [], "the engine says which VPC it is");
  });

  it("an input that was left out is not taken for one that is not known, as outputs of a preview are", async () => {
    const preview = PRODUCTION.map((each) =>
      each.name === "events" ? { ...each, outputs: { ...each.outputs, delaySeconds: UNKNOWN, visibilityTimeoutSeconds: UNKNOWN } } : each,
    );
    assert.deepEqual(await run(preview), []);
    const [queue] = fromStack(
      [
        {
          type: AWS.queue,
          name: "q",
          urn: "u",
          opts: { protect: true, ignoreChanges: ["a"] },
          props: { a: 1 },
          dependencies: [],
          propertyDependencies: {},
        } as unknown as PolicyResource,
      ],
      () => undefined,
    );
    assert.deepEqual([queue?.inputs, queue?.protect, queue?.ignoreChanges, queue?.parent], [{ a: 1 }, true, ["a"], ""]);
  });

  it("the same pack judges anew when the engine comes again, as it does for a preview and the update after it", async () => {
    const pack = policies(RULES, PROD);
    const broken = change(PRODUCTION, "database", { storageEncrypted: false });
    assert.deepEqual(await run(PRODUCTION, pack), []);
    assert.deepEqual(
      (await run(broken, pack)).map(({ policy }) => policy),
      ["rds-encrypted"],
    );
    assert.deepEqual(
      (await run(without(PRODUCTION, "flow-log"), pack)).map(({ policy }) => policy),
      ["network-flow-logs"],
    );
    assert.deepEqual(await run(PRODUCTION, pack), []);
  });

  it("a long list of what was not judged is cut, and its length told", () => {
    const notJudged = RULES.slice(0, 12).flatMap((rule) =>
      ["a", "b", "c", "d"].map((property) => ({ rule, resource: resource(AWS.queue, "q"), property })),
    );
    const text = summary(notJudged, 100);
    assert.match(text, /^48 of 100 checks .* network-zones \(q\.a, q\.b, q\.c, …\); .* and 2 more$/);
  });
});

describe("policy: settings and costs", () => {
  const settings = (config: Record<string, string>, stack = "prod"): ReturnType<typeof settingsOf> =>
    settingsOf((key) => config[key], stack);

  it("F5 the profile is dev on the stack dev and prod elsewhere, unless it is set", () => {
    assert.deepEqual(settings({}), { profile: "prod", monthlyCostCeiling: undefined });
    assert.equal(settings({}, "dev").profile, "dev");
    assert.deepEqual(settings({ profile: "prod", monthlyCostCeiling: "1500.5" }, "dev"), { profile: "prod", monthlyCostCeiling: 1500.5 });
  });

  it("bad values are refused in one sentence", () => {
    assert.throws(() => settings({ profile: "test" }), /^Error: profile is test; allowed: dev, prod\. Fix: /);
    for (const monthlyCostCeiling of ["0", "-1", "much"]) {
      assert.throws(
        () => settings({ monthlyCostCeiling }),
        new RegExp(`^Error: monthlyCostCeiling is ${monthlyCostCeiling}; allowed: US dollars above 0\\. Fix: `),
      );
    }
  });

  const stack = (estimate: unknown): Resource => resource(STACK, "phased-stack-prod", { monthlyCostEstimate: estimate });
  const judge = (estimate: unknown, ceiling: number | undefined): string[] => {
    const { violations, notJudged } = evaluate([stack(estimate), resource(AWS.queue, "q")], costCeiling(estimateOfProgram, ceiling), PROD);
    return [...violations.map(({ message }) => message), ...notJudged.map(({ property }) => `not judged: ${property}`)];
  };

  it("F5 the ceiling is held against the estimate that the program gives as an output, an object or its JSON", () => {
    const estimate = { monthlyUsd: 1200.4, notPriced: { "aws:x/y:Z": "why" } };
    const tooMuch = "it costs about 1200 US dollars a month, without aws:x/y:Z; allowed: at most 1000";
    assert.deepEqual(judge(estimate, 1000), [tooMuch]);
    assert.deepEqual(judge(JSON.stringify(estimate), 1000), [tooMuch]);
    assert.deepEqual(judge({ monthlyUsd: 1200.4 }, 1000), ["it costs about 1200 US dollars a month; allowed: at most 1000"]);
    assert.deepEqual(judge(estimate, 1201), []);
  });

  it("without an estimate the ceiling is not judged, and without a ceiling nothing is", () => {
    assert.deepEqual(judge(undefined, 1000), ["not judged: monthlyCostEstimate"]);
    assert.deepEqual(judge({ monthlyUsd: UNKNOWN }, 1000), ["not judged: monthlyCostEstimate.monthlyUsd"]);
    assert.deepEqual(judge({}, 1000), ["not judged: monthlyCostEstimate.monthlyUsd"]);
    assert.deepEqual(judge(undefined, undefined), []);
  });
});
