import assert from "node:assert/strict";
import { evaluate, sentence } from "../../../policy/evaluate";
import { Graph, type Resource } from "../../../policy/graph";
import { profileOf } from "../../../policy/profile";
import { RULES } from "../../../policy/rules";
import { cloudCost } from "../../../stacks/cloud/costs";
import { regionUsage } from "../../../stacks/cloud/standby-plan";
import { cloudGraph, cloudRun, TWO_REGIONS } from "../../support/cloud-program";
import { difference, golden, identities } from "../../support/golden";
import { type Recorder, valueOf } from "../../support/pulumi-mocks";
import { type Holder, lines, reachability } from "../../support/reachability";
import { assertWellMade } from "../components/aws/support";
import { DEV_TWO_REGIONS, isSecond, RUNTIMES, TAKEN } from "./cloud-second-support";
import { plan } from "./cloud-sizing-support";

for (const [runtime, own] of Object.entries(RUNTIMES)) {
  const both = { ...own, ...TWO_REGIONS };
  describe(`A16 two regions on ${runtime}`, function () {
    this.timeout(60_000);
    let recorder: Recorder;
    let graph: Resource[];
    before(async () => {
      ({ recorder } = await cloudRun("prod", both));
      graph = await cloudGraph("prod", both);
    });
    const get = (name: string): Recorder["resources"][number] => recorder.get(name);

    it("exist on request only", async () => {
      const { recorder: one, outputs } = await cloudRun("prod", own);
      assert.deepEqual(
        one.resources.filter((resource) => isSecond(resource) || /copies|peering/.test(resource.name)).map(({ name }) => name),
        [],
      );
      for (const key of ["secondRegion", "secondConsoleUrl", "secondDatabaseHost"]) assert.equal(await valueOf(outputs[key]!), "", key);
      assert.doesNotMatch(JSON.stringify(one.resources), /us-west-2/);
    });

    it("are told by the stack's outputs", async () => {
      const { outputs } = await cloudRun("prod", both);
      assert.equal(await valueOf(outputs["secondRegion"]!), "us-west-2");
      assert.match(await valueOf(outputs["secondConsoleUrl"]!), /^https:\/\/us-west-2\.console\.aws/);
      assert.match(await valueOf(outputs["secondDatabaseHost"]!), /^phased-stack-prod-second-database\..*\.us-west-2\./);
    });

    it("have one provider each, and everything the provider of its region", () => {
      const providers = recorder.ofType("pulumi:providers:aws").map(({ name, inputs }) => [name, inputs["region"]]);
      assert.deepEqual(providers.sort(), [
        ["aws", "eu-central-1"],
        ["aws-us-east-1", "us-east-1"],
        ["aws-us-west-2", "us-west-2"],
      ]);
      // One end of the way between the networks is in the first region.
      const atHome = /^second-peering-(accepter|back-(?!.*-from-)|out-.*-from-app)/;
      for (const { type, name, provider } of recorder.resources.filter((resource) => /^aws:\w/.test(resource.type))) {
        const expected = isSecond({ name }) && !atHome.test(name) ? /::aws-us-west-2::/ : /::aws(-us-east-1)?::/;
        assert.match(provider, expected, `${type} ${name}`);
      }
      assertWellMade(recorder, "prod");
    });

    it("share CloudFront's where the second one is us-east-1: its certificates and keys are not made twice", async () => {
      const there = {
        ...both,
        secondRegion: "us-east-1",
        secondImage: TWO_REGIONS.secondImage.replace("us-west-2", "us-east-1"),
      };
      const { recorder: shared } = await cloudRun("prod", there);
      assert.equal(shared.ofType("pulumi:providers:aws").length, 2);
      assert.equal(shared.ofType("aws:acm/certificate:Certificate").length, 2);
      const aliases = shared.ofType("aws:kms/alias:Alias").map(({ provider, inputs }) => `${provider} ${String(inputs["name"])}`);
      assert.equal(new Set(aliases).size, aliases.length, "no alias twice in a region");
    });

    it("consist of the same things, but for what is written down here", () => {
      const names = identities(graph.filter(isSecond)).map((line) => line.replace(/::second-/, "::"));
      const home = identities(graph.filter((resource) => !isSecond(resource)));
      const told = difference(home, names);
      assert.equal(new Set(names).size, names.length);
      assert.deepEqual(told, golden(runtime === "ecs" ? "second-region" : `second-region-${runtime}`, told));
    });

    for (const [name, stack, changes] of [
      ["prod", "prod", both],
      ["dev", "dev", { ...own, ...DEV_TWO_REGIONS }],
    ] as const) {
      it(`F5 keep every rule: ${name}`, async () => {
        const { violations, notJudged } = evaluate(await cloudGraph(stack, changes), RULES, profileOf(stack));
        assert.deepEqual(violations.map(sentence), []);
        assert.deepEqual(notJudged, []);
      });
    }

    it("break, after one has taken over, the rules whose remedy would take longer than the day it happens; the runbook names them", async () => {
      const { violations } = evaluate(await cloudGraph("prod", { ...own, ...TAKEN }), RULES, profileOf("prod"));
      assert.deepEqual([...new Set(violations.map(({ rule, resource }) => `${rule.id} ${resource.name}`))].sort(), [
        "rds-managed-password second-database-server",
        "rds-replica second-database-server",
        "secrets-rotation database-owner-kept-secret",
      ]);
    });

    it("who reaches whom across them is Postgres alone, by the addresses of tasks and data", () => {
      const place = ({ name }: Holder): string => {
        const here = name.replace(/^second-/, "");
        const kind = /^(web|jobs)-service$|^nodes-class$/.test(here)
          ? "app"
          : (/^(load-balancer|database-proxy|database|redis|endpoints)/.exec(here)?.[1] ?? here);
        return isSecond({ name }) ? `second ${kind}` : kind;
      };
      const ways = lines(reachability(new Graph(graph), place));
      const across = [
        ...["10.1.0.0/20", "10.1.16.0/20", "10.1.32.0/20"].map((range) => `${range} → database-proxy tcp 5432`),
        ...["10.0.0.0/20", "10.0.16.0/20", "10.0.32.0/20"].map((range) => `${range} → second database tcp 5432`),
        ...["10.1.208.0/24", "10.1.209.0/24", "10.1.210.0/24"].map((range) => `app → ${range} tcp 5432`),
        ...["10.0.208.0/24", "10.0.209.0/24", "10.0.210.0/24"].map((range) => `second app → ${range} tcp 5432`),
      ];
      const inside = (region: "" | "second "): string[] => [
        ...["app tcp 3001", "database tcp 5432", "redis tcp 6379", "endpoints tcp 443"].map((to) => `${region}app → ${region}${to}`),
        `${region}app → internet tcp 443`,
        `${region}load-balancer → ${region}app tcp 3001`,
        `prefix list → ${region}load-balancer tcp 443`,
      ];
      const pool = ["app → database-proxy tcp 5432", "database-proxy → database tcp 5432"];
      assert.deepEqual(ways.sort(), [...across, ...inside(""), ...inside("second "), ...pool].sort());
    });

    it("lead to each other from subnets of tasks and of data, not from public ones", () => {
      const routes = recorder
        .ofType("aws:ec2/route:Route")
        .filter(({ inputs }) => inputs["vpcPeeringConnectionId"] !== undefined)
        .map(({ inputs }) => `${String(inputs["routeTableId"])} ${String(inputs["destinationCidrBlock"])}`);
      const tables = ["network-private-1", "network-private-2", "network-private-3", "network-data"].map((name) => `${name}-routes-id`);
      assert.deepEqual(
        routes.sort(),
        [...tables.map((table) => `${table} 10.1.0.0/16`), ...tables.map((table) => `second-${table} 10.0.0.0/16`)].sort(),
      );
      const { inputs } = get("second-peering-connection");
      assert.deepEqual([inputs["peerRegion"], inputs["peerOwnerId"]], ["eu-central-1", "123456789012"]);
    });

    it("A14 F5 have a price for everything; the second costs less than the first, which has the requests, pool and replicas", () => {
      const whole = plan(50_000, { cloudRuntime: runtime === "eks" ? "eks" : "ecs", events: "none", secondRegion: "us-west-2" });
      const [home, second] = (["home", "second"] as const).map((region) => {
        const own = graph.filter((resource) => isSecond(resource) === (region === "second"));
        return cloudCost(own, region === "home" ? "eu-central-1" : "us-west-2", { usage: regionUsage(whole, region, false) });
      });
      assert.ok(home !== undefined && second !== undefined);
      assert.deepEqual([home.notPriced, second.notPriced], [[], []]);
      const share = second.totalUsd / home.totalUsd;
      assert.ok(share > 0.05 && share < 0.6, `${Math.round(second.totalUsd)} of ${Math.round(home.totalUsd)} dollars`);
      const told = JSON.stringify([...home.types, ...second.types].flatMap(({ lines: each }) => each.map(({ what }) => what)));
      for (const what of ["data to the other region", "in 15 minutes", "health check"]) assert.ok(told.includes(what), what);
    });

    it("A14 change nothing of the first region's data: what it has with one region it has with two", async () => {
      const one = await cloudGraph("prod", own);
      const kept = new Set(identities(graph));
      assert.deepEqual(
        identities(one).filter((line) => !kept.has(line)),
        [
          "Domain$aws:route53/record:Record::origin-domain-a",
          "Domain$aws:route53/record:Record::origin-domain-aaaa",
          "Domain::origin-domain",
        ],
      );
    });
  });
}
