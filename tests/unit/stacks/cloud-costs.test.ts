import assert from "node:assert/strict";
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { cloudCost, costOutput, costTable } from "../../../stacks/cloud/costs";
import { KNOWN_LATER, recordGraph } from "../../../stacks/cloud/graph";
import { Recorder, settled } from "../../support/pulumi-mocks";
import { graphOf } from "../pricing/graph";
import { plan } from "./cloud-sizing-support";

function estimate(count: number, region = "eu-central-1") {
  const made = plan(count);
  return cloudCost(graphOf(made), region, made);
}

describe("A14 F5 the cost of phase cloud, as it is told", () => {
  it("the three sizes cost what people pay for such systems: thousands, not hundreds or millions", () => {
    for (const [users, least, most] of [
      [1000, 1500, 2500],
      [10_000, 3500, 5500],
      [50_000, 14_000, 21_000],
    ] as const) {
      const usd = estimate(users, "us-east-1").totalUsd;
      assert.ok(usd > least && usd < most, `${users} users: ${usd}`);
    }
  });

  it("is told as a table: types by their costs, the total, what is free and not priced, the assumptions", () => {
    const made = plan(50_000);
    const strange = { type: "aws:quantum/computer:Computer", name: "strange", inputs: {} };
    const text = costTable(cloudCost([...graphOf(made), strange], "eu-central-1", made));
    const lines = text.split("\n");
    assert.match(lines[0]!, /^monthly cost in eu-central-1, list prices on demand as of \d{4}-\d\d-\d\d:$/);
    assert.match(lines[1]!, /^type +count +USD a month +for$/);
    assert.match(text, /\nrds Instance +3 +~[\d,]+ +db\.r6g\.2xlarge, Multi-AZ [\d,]+, /);
    assert.match(text, /\necs Service +3 +[\d,]+ +web: virtual CPUs [\d,]+, jobs: /);
    assert.match(text, /\ntotal +[\d,]+\n/);
    assert.match(text, /\n\d+ more resources of \d+ types cost nothing\n/);
    assert.match(text, /\nnot priced: 1 × quantum Computer: there is no price for this type here\n/);
    assert.match(text, /\n~ [\d,]+ of it at prices that could not be confirmed/);
    assert.match(
      text,
      /\nassumed:\n {2}- every user sends a request each 10 s in the busiest minute; the month's average is 30 % of that\n/,
    );
    assert.match(text, /not counted: taxes, support/);
  });

  it("is a stack output of plain values", () => {
    const output = costOutput(estimate(10_000));
    assert.deepEqual(JSON.parse(JSON.stringify(output)), output);
    assert.ok(output.monthlyUsd > 1000 && Number.isInteger(output.monthlyUsd));
    assert.deepEqual([output.region, output.notPriced], ["eu-central-1", {}]);
    const sum = Object.values(output.byType).reduce((total, usd) => total + usd, 0);
    assert.ok(Math.abs(sum - output.monthlyUsd) <= Object.keys(output.byType).length);
    assert.ok(output.assumptions.length > 4);
  });

  it("A16 of two regions is their sum, each by its own prices", () => {
    const [home, second] = [estimate(10_000), estimate(10_000, "us-west-2")];
    const output = costOutput(home, second);
    assert.deepEqual([output.region, output.monthlyUsd], ["eu-central-1 and us-west-2", Math.round(home.totalUsd + second.totalUsd)]);
    assert.deepEqual(output.byRegion, { "eu-central-1": Math.round(home.totalUsd), "us-west-2": Math.round(second.totalUsd) });
    assert.equal(costOutput(home).byRegion, undefined);
    const sums = Object.values(output.byType);
    assert.deepEqual(
      sums,
      [...sums].sort((a, b) => b - a),
      "dearest first",
    );
  });

  it("refuses a region without a price table in one sentence", () => {
    const made = plan(1000);
    assert.throws(
      () => cloudCost([], "mars-north-1", made),
      (error: unknown) => {
        assert.ok(pulumi.RunError.isInstance(error));
        assert.match(
          error.message,
          /^awsRegion is mars-north-1, for which there is no price table; allowed: for a cost estimate us-east-1, .* Fix: add its prices to /,
        );
        return true;
      },
    );
  });

  it("counts what the running program registers, below components too, although outputs are not known", async () => {
    await Recorder.install();
    let recorded: ReturnType<typeof recordGraph> = [];
    await pulumi.runtime.runInPulumiStack(() => {
      recorded = recordGraph();
      const component = new pulumi.ComponentResource("phased-stack:aws:Example", "example");
      const vpc = new aws.ec2.Vpc("example-vpc", { cidrBlock: "10.0.0.0/16" }, { parent: component });
      const subnetIds = [1, 2, 3].map((zone) => pulumi.interpolate`${vpc.id}-${zone}`);
      const endpoint = { vpcId: vpc.id, serviceName: "logs", vpcEndpointType: "Interface", subnetIds };
      new aws.ec2.VpcEndpoint("example-logs", endpoint, { parent: component });
      const instanceClass = "db.r6g.xlarge";
      const source = new aws.rds.Instance("example-one", { instanceClass, allocatedStorage: 200 }, { parent: component });
      const replica = { instanceClass, replicateSourceDb: source.identifier };
      new aws.rds.Instance("example-two", replica, { parent: component });
      return Promise.resolve(undefined);
    });
    await settled();
    assert.deepEqual(
      recorded.map(({ type, name }) => `${type} ${name}`),
      [
        "phased-stack:aws:Example example",
        "aws:ec2/vpc:Vpc example-vpc",
        "aws:ec2/vpcEndpoint:VpcEndpoint example-logs",
        "aws:rds/instance:Instance example-one",
        "aws:rds/instance:Instance example-two",
      ],
    );
    const { inputs } = recorded[2]!;
    assert.deepEqual([inputs["vpcEndpointType"], inputs["vpcId"]], ["Interface", KNOWN_LATER]);
    assert.deepEqual(inputs["subnetIds"], [KNOWN_LATER, KNOWN_LATER, KNOWN_LATER]);
    const cost = cloudCost(recorded, "us-east-1", plan(1000));
    // A replica whose source is known later only has its storage.
    assert.deepEqual(cost.notPriced, []);
    const endpoint = cost.types.find(({ type }) => type === "aws:ec2/vpcEndpoint:VpcEndpoint")!;
    assert.equal(endpoint.lines[0]!.quantity, 3 * 730);
  });
});
