import assert from "node:assert/strict";
import { evaluate, sentence, type Report } from "../../../policy/evaluate";
import { UNKNOWN, type Resource } from "../../../policy/graph";
import { NOT_ADOPTED } from "../../../policy/not-adopted";
import { profileOf } from "../../../policy/profile";
import { AREAS, STACK, type Rule } from "../../../policy/rule";
import { RULES as WITHOUT_COST } from "../../../policy/rules";
import { costCeiling } from "../../../policy/rules/cost-ceiling";
import { hidden } from "../../support/aws-graph";
import { computeFixtures } from "./fixtures/compute.failing";
import { dataFixtures } from "./fixtures/data.failing";
import { edgeFixtures } from "./fixtures/edge.failing";
import { networkFixtures } from "./fixtures/network.failing";
import { PRODUCTION } from "./fixtures/production";
import { ROWS } from "./rows";

/** A price for each resource: enough to test the ceiling, which does not care how costs are reckoned. */
const RULES: readonly Rule[] = [
  ...WITHOUT_COST,
  ...costCeiling((resources) => ({ monthlyUsd: resources.length, notPriced: ["aws:x/y:Z"] }), PRODUCTION.length + 1),
];
const FIXTURES = { ...networkFixtures, ...computeFixtures, ...dataFixtures, ...edgeFixtures };
const PROD = profileOf("prod");
const DEV = profileOf("dev");

const hold = (resources: readonly Resource[], rule: Rule, profile = PROD): Report => evaluate(resources, [rule], profile);
const clauses = ({ violations }: Report): string[] => violations.map(sentence);

describe("policy: rules", () => {
  it("F5 every row of cloud.md has its rules, and every rule is of a row", () => {
    assert.deepEqual(RULES.map(({ id }) => id).sort(), Object.values(ROWS).flat().sort());
    assert.deepEqual([...new Set(RULES.map(({ area }) => area))].sort(), [...AREAS].sort());
    for (const [row, ids] of Object.entries(ROWS)) assert.ok(ids.length > 0, `${row} has rules`);
  });

  it("each id is used once, and each rule says what it is about and what to do", () => {
    assert.equal(new Set(RULES.map(({ id }) => id)).size, RULES.length);
    for (const { id, title, remediation, types, cites, devRelaxation } of RULES) {
      assert.match(id, /^[a-z0-9]+(-[a-z0-9]+)*$/, id);
      assert.match(title, /^[A-Z].*[^.]$/, `${id}: a title is a sentence without its full stop`);
      assert.match(remediation, /^[A-Z].*\.$/, `${id}: a remediation is whole sentences`);
      assert.ok(types.length > 0, `${id} judges some type`);
      assert.notEqual(devRelaxation, "", id);
      for (const cite of cites) assert.match(cite, /^(CKV2?_AWS_\d+|[A-Za-z0-9]+\.\d+)$/, `${id} cites ${cite}`);
    }
  });

  it("what is not adopted is cited by no rule, and has its reason", () => {
    assert.deepEqual(Object.keys(NOT_ADOPTED).sort(), ["CKV2_AWS_62", "CKV_AWS_144", "CKV_AWS_374", "RDS.23", "S3.11"]);
    for (const [id, reason] of Object.entries(NOT_ADOPTED)) {
      assert.ok(reason.length > 20, id);
      assert.deepEqual(
        RULES.filter(({ cites }) => cites.includes(id)).map((rule) => rule.id),
        [],
        id,
      );
    }
  });

  it("every rule has a fixture that breaks it, and one that shows its relaxation where it has one", () => {
    assert.deepEqual(Object.keys(FIXTURES).sort(), RULES.map(({ id }) => id).sort());
    for (const { id, devRelaxation } of RULES) {
      const fixture = FIXTURES[id];
      assert.ok(fixture, id);
      assert.ok(Object.keys(fixture.fails).length > 0 || fixture.relaxed, `${id} has a fixture that fails`);
      assert.equal(fixture.relaxed !== undefined, devRelaxation !== undefined, `${id}: relaxed says what devRelaxation says`);
    }
  });

  for (const rule of RULES) {
    describe(rule.id, () => {
      const fixture = FIXTURES[rule.id];

      it("has something to judge in the production stack, and nothing to say", () => {
        const report = hold(PRODUCTION, rule);
        assert.deepEqual([clauses(report), report.notJudged], [[], []]);
        // What must not exist at all is judged where it does.
        assert.ok(report.judged > 0 || rule.id === "iam-no-users");
        assert.deepEqual(clauses(hold(PRODUCTION, rule, DEV)), []);
      });

      for (const [what, resources] of Object.entries(fixture?.fails ?? {})) {
        it(`refuses: ${what}`, () => {
          const report = hold(resources, rule);
          assert.ok(report.violations.length > 0, "a violation");
          assert.deepEqual(report.notJudged, []);
        });
      }

      if (fixture?.relaxed) {
        it(`with profile dev: ${rule.devRelaxation}`, () => {
          assert.ok(hold(fixture.relaxed ?? [], rule).violations.length > 0, "a violation with prod");
          assert.deepEqual(clauses(hold(fixture.relaxed ?? [], rule, DEV)), []);
        });
      }

      if (rule.scope === "resource") {
        it("judges a resource alone as it does among others", () => {
          const graphs = [...Object.values(fixture?.fails ?? {}), fixture?.relaxed ?? [], PRODUCTION];
          for (const resources of graphs) {
            const alone = resources.flatMap((resource) => clauses(evaluate([resource], [rule], PROD)));
            assert.deepEqual(alone.sort(), clauses(hold(resources, rule)).sort());
          }
        });
      }
    });
  }
});

describe("policy: values that are not known yet", () => {
  const ids = (resources: readonly Resource[]): string[] => evaluate(resources, RULES, PROD).violations.map(sentence);

  it("a value that is not known yet breaks no rule, whichever it is", () => {
    for (const { name, inputs } of PRODUCTION) {
      for (const input of Object.keys(inputs)) assert.deepEqual(ids(hidden(PRODUCTION, name, input)), [], `${name}.${input}`);
    }
  });

  it("nor does it when nothing says what it is made of", () => {
    for (const { name, inputs } of PRODUCTION) {
      for (const input of Object.keys(inputs)) {
        const resources = hidden(PRODUCTION, name, input, []);
        assert.deepEqual(ids(resources), [], `${name}.${input}`);
      }
    }
  });

  it("whether a rule is kept is not said when the value that breaks it is hidden", () => {
    const silent = new Set<string>();
    for (const [id, { fails }] of Object.entries(FIXTURES)) {
      const rule = RULES.find((each) => each.id === id);
      assert.ok(rule);
      for (const resources of Object.values(fails)) {
        const changed = resources.filter((each) => !PRODUCTION.includes(each));
        const [only] = changed;
        if (resources.length !== PRODUCTION.length || changed.length !== 1 || only === undefined) continue;
        const before = PRODUCTION.find(({ name }) => name === only.name);
        const [input, ...more] = Object.keys(only.inputs).filter(
          (key) => JSON.stringify(only.inputs[key]) !== JSON.stringify(before?.inputs[key]),
        );
        if (input === undefined || more.length > 0 || Object.keys(only.inputs).length !== Object.keys(before?.inputs ?? {}).length)
          continue;
        const report = hold(hidden(resources, only.name, input, []), rule);
        if (report.notJudged.length === 0) silent.add(`${id}: ${input}`);
      }
    }
    assert.deepEqual([...silent].sort(), ONLY_GIVEN);
  });

  it("a rule that misses one value still judges by the others", () => {
    const resources = hidden(PRODUCTION, "database", "storageEncrypted").map((each) =>
      each.name === "database" ? { ...each, inputs: { ...each.inputs, kmsKeyId: undefined } } : each,
    );
    const rule = RULES.find(({ id }) => id === "rds-encrypted");
    assert.ok(rule);
    const report = hold(resources, rule);
    assert.deepEqual(
      [report.violations.map(({ message }) => message), report.notJudged.map(({ property }) => property)],
      [["kmsKeyId is not set"], ["storageEncrypted"]],
    );
  });

  it("what is told names the resource, what is wrong, the fix and the ids", () => {
    const [violation] = evaluate(dataFixtures["rds-private"]?.fails["public"] ?? [], RULES, PROD).violations;
    assert.ok(violation);
    assert.equal(
      sentence(violation),
      "aws:rds/instance:Instance database: publiclyAccessible is true; allowed: false. Fix: Leave publiclyAccessible off. [rds-private, CKV_AWS_17, RDS.2]",
    );
  });

  it("the stack is judged once, also where the engine lists it", () => {
    const urn = `urn:pulumi:prod::phased-stack::${STACK}::phased-stack-prod`;
    const stack = { ...PRODUCTION[0]!, type: STACK, name: "phased-stack-prod", urn, inputs: {}, outputs: {} };
    const rule = RULES.find(({ id }) => id === "budget");
    assert.ok(rule);
    const resources = [...PRODUCTION.filter(({ name }) => name !== "budget"), stack];
    assert.deepEqual(
      hold(resources, rule).violations.map(({ resource }) => resource.urn),
      [urn, urn],
    );
    assert.equal(evaluate([stack], RULES, PROD).judged, 4, "rules of the stack itself");
    assert.notEqual(PRODUCTION[1]?.inputs["cidrBlock"], UNKNOWN);
  });
});

/** Rule and input where it only counts that something is given: a hidden value is something. */
const ONLY_GIVEN: readonly string[] = [
  "alarms-actions: alarmActions",
  "rds-final-snapshot: finalSnapshotIdentifier",
  "rds-managed-password: password",
  "security-groups-described: description",
  "security-groups-own: vpcSecurityGroupIds",
];
