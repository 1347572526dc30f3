import assert from "node:assert/strict";
import { evaluate, sentence } from "../../../policy/evaluate";
import { Graph, type Resource } from "../../../policy/graph";
import { profileOf } from "../../../policy/profile";
import { RULES } from "../../../policy/rules";
import { cloudCost } from "../../../stacks/cloud/costs";
import { regionUsage } from "../../../stacks/cloud/standby-plan";
import { type Changes, cloudGraph, cloudRun, TWO_REGIONS } from "../../support/cloud-program";
import { identities } from "../../support/golden";
import { type Holder, lines, reachability } from "../../support/reachability";
import { dataOf, DEV_TWO_REGIONS, environmentOf, isSecond, RUNTIMES, TAKEN } from "./cloud-second-support";
import { plan } from "./cloud-sizing-support";

const EVENTS = ["sqs", "msk"] as const;

/** What leads the app to what carries its events. */
const ADDRESS = { sqs: "SQS_QUEUE_URL", msk: "KAFKA_BROKERS" } as const;

/** Whom a holder of security groups belongs to, as far as events go. */
const place = ({ name }: Holder): string => (/^(web|jobs|consumer)-service$|^nodes-class$/.test(name) ? "app" : name);

for (const [runtime, own] of Object.entries(RUNTIMES)) {
  for (const events of EVENTS) {
    const both: Changes = { ...own, ...TWO_REGIONS, events };
    describe(`A16 two regions on ${runtime} with ${events}`, function () {
      this.timeout(60_000);
      let graph: Resource[];
      before(async () => {
        graph = await cloudGraph("prod", both);
      });

      for (const [name, stack, changes] of [
        ["prod", "prod", both],
        // MSK wants three zones, of which dev has two.
        ["dev", "dev", { ...own, ...DEV_TWO_REGIONS, events, ...(events === "msk" ? { zones: "3" } : {}) }],
      ] as const) {
        it(`F5 keep every rule: ${name}`, async () => {
          const { violations, notJudged } = evaluate(await cloudGraph(stack, changes), RULES, profileOf(stack));
          assert.deepEqual(violations.map(sentence), []);
          assert.deepEqual(notJudged, []);
        });
      }

      it("break no rule more than without events after the second one has taken over", async () => {
        const broken = async (changes: Changes): Promise<string[]> => {
          const { violations } = evaluate(await cloudGraph("prod", { ...own, ...TAKEN, ...changes }), RULES, profileOf("prod"));
          return violations.map(({ rule, resource }) => `${rule.id} ${resource.name}`).sort();
        };
        assert.deepEqual(await broken({ events }), await broken({}));
      });

      it("have what carries events, and its consumer, in the first region only: in the other they wait in the outbox", async () => {
        const without = new Set(identities(await cloudGraph("prod", { ...own, ...TWO_REGIONS })));
        const now = identities(graph);
        const added = now.filter((line) => !without.has(line));
        assert.ok(
          added.some((line) => line.endsWith(events === "msk" ? "::events-cluster" : "::events-events")),
          added.join("\n"),
        );
        assert.ok(added.some((line) => /::consumer-(service|deployment)$/.test(line)));
        assert.deepEqual(
          added.filter((line) => isSecond({ name: line.split("::").at(-1) ?? "" })),
          [],
        );
        assert.deepEqual(
          [...without].filter((line) => !now.includes(line)),
          [],
        );
      });

      for (const [when, changes] of [
        ["before", both],
        ["after", { ...own, ...TAKEN, events }],
      ] as const) {
        it(`tell the first one's app alone where events go, ${when} the second one has taken over`, async () => {
          const { recorder } = await cloudRun("prod", changes);
          const told = (name: string): string | undefined =>
            (runtime === "ecs" ? environmentOf(recorder, `${name}-task`) : dataOf(recorder, `${name}-environment`))[ADDRESS[events]];
          for (const role of ["web", "consumer"]) assert.ok(told(role), role);
          for (const role of ["second-web", when === "before" ? "second-web-takeover" : "second-jobs"]) {
            assert.equal(told(role), undefined, role);
          }
          assert.equal(
            recorder.resources.find(({ name }) => /^second-consumer/.test(name)),
            undefined,
          );
        });
      }

      it("open brokers to the first one's app and to nobody of the other", () => {
        const toEvents = lines(reachability(new Graph(graph), place)).filter((line) => /(→ events|^events)/.test(line));
        assert.deepEqual(toEvents, events === "msk" ? ["app → events-cluster tcp 9098"] : []);
      });

      it("F5 have a price for everything, that of events in the first one", () => {
        const whole = plan(50_000, { cloudRuntime: runtime === "eks" ? "eks" : "ecs", events, secondRegion: "us-west-2" });
        const costs = (["home", "second"] as const).map((region) => {
          const part = graph.filter((resource) => isSecond(resource) === (region === "second"));
          return cloudCost(part, region === "home" ? "eu-central-1" : "us-west-2", { usage: regionUsage(whole, region, false) });
        });
        assert.deepEqual(
          costs.map(({ notPriced }) => notPriced),
          [[], []],
        );
        const type = events === "msk" ? "aws:msk/cluster:Cluster" : "aws:sqs/queue:Queue";
        const usd = costs.map(({ types }) => types.find((each) => each.type === type)?.usd ?? 0);
        assert.ok((usd[0] ?? 0) > 0 && usd[1] === 0, `${usd.join(" and ")} dollars`);
      });
    });
  }
}
