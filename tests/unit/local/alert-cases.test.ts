import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { ALERT_CASES, NOT_TRIED_LIVE } from "../../chaos/alerts/cases";
import { ruleKey } from "../../support/rule-key";

const RULES = path.resolve(__dirname, "../../../components/local/prometheus/rules");

interface Rule {
  readonly alert: string;
  readonly labels: Readonly<Record<string, string>>;
}
const rulesOf = (text: string): Rule[] => (parse(text) as { groups: { rules: Rule[] }[] }).groups.flatMap(({ rules }) => rules);
const keys = readdirSync(RULES)
  .flatMap((file) => rulesOf(readFileSync(path.join(RULES, file), "utf8")))
  .map(({ alert, labels }) => ruleKey({ name: alert, labels }));
const tried = new Set(ALERT_CASES.flatMap(({ fires }) => fires.map(({ rule }) => rule)));
const excused = Object.keys(NOT_TRIED_LIVE);

describe("B8 alerts by real faults (tests/chaos/alerts)", () => {
  it("every rule is one of the faults', or has a reason not to be, and none is both", () => {
    assert.deepEqual(
      keys.filter((key) => !tried.has(key) && !excused.includes(key)),
      [],
    );
    assert.deepEqual(
      excused.filter((key) => tried.has(key)),
      [],
    );
    for (const [key, reason] of Object.entries(NOT_TRIED_LIVE)) assert.ok(reason.length > 20, key);
  });

  it("each name in the tables is one rule's", () => {
    for (const key of [...tried, ...excused]) assert.ok(keys.includes(key), key);
    const twice = keys.filter((key, index) => keys.indexOf(key) !== index);
    // Two rules of one name, one severity and one service: which of them fires could not be told.
    assert.deepEqual(twice, []);
  });
});
