import assert from "node:assert/strict";
import * as aws from "@pulumi/aws";
import { Network } from "../../../../components/aws/network";
import { type PeeredNetwork, Peering } from "../../../../components/aws/peering";
import { Recorder, settled } from "../../../support/pulumi-mocks";
import { assertWellMade, CONTEXT } from "./support";

const RULE = "aws:vpc/securityGroup";

/** A network of a region, with groups of whoever asks and whoever answers. */
function side(name: string, region: string, cidr: string): PeeredNetwork {
  const context = { ...CONTEXT, region };
  const provider = new aws.Provider(`aws-${region}`, { region: region as aws.Region });
  const zones = ["a", "b"].map((zone) => `${region}${zone}`);
  const network = new Network(name, { context, zones, natGateways: 1, cidr }, { provider });
  return { context, provider, network, appGroupId: `${name}-app`, targetGroupIds: { database: `${name}-database` } };
}

describe("A16 Peering", () => {
  it("opens Postgres between tasks and data of two regions, both ways, and nothing else", async () => {
    const recorder = await Recorder.install();
    const [from, to] = [side("here", "us-west-2", "10.1.0.0/16"), side("there", "eu-central-1", "10.0.0.0/16")];
    new Peering("peering", { context: from.context, from, to }, { provider: from.provider });
    await settled();
    const ways = recorder.resources
      .filter(({ type }) => type.startsWith(RULE))
      .map(({ type, inputs, provider }) => {
        const direction = type.includes("Ingress") ? "in" : "out";
        const region = provider.split("::")[3];
        return `${region} ${direction} ${String(inputs["securityGroupId"])} ${String(inputs["cidrIpv4"])} ${String(inputs["fromPort"])}-${String(inputs["toPort"])}`;
      });
    assert.deepEqual(ways.sort(), [
      "aws-eu-central-1 in there-database 10.1.0.0/20 5432-5432",
      "aws-eu-central-1 in there-database 10.1.16.0/20 5432-5432",
      "aws-eu-central-1 out there-app 10.1.208.0/24 5432-5432",
      "aws-eu-central-1 out there-app 10.1.209.0/24 5432-5432",
      "aws-us-west-2 in here-database 10.0.0.0/20 5432-5432",
      "aws-us-west-2 in here-database 10.0.16.0/20 5432-5432",
      "aws-us-west-2 out here-app 10.0.208.0/24 5432-5432",
      "aws-us-west-2 out here-app 10.0.209.0/24 5432-5432",
    ]);
    const accepter = recorder.get("peering-accepter");
    assert.deepEqual([accepter.inputs["autoAccept"], accepter.provider.includes("::aws-eu-central-1::")], [true, true]);
    const routes = recorder.resources.filter(({ inputs }) => inputs["vpcPeeringConnectionId"] === "peering-accepter-id");
    assert.equal(routes.length, 6, "of private subnets, one table a zone, and of data, on both sides");
    assertWellMade(recorder);
  });

  it("refuses networks with addresses in common", async () => {
    await Recorder.install();
    const [from, to] = [side("here", "us-west-2", "10.0.240.0/20"), side("there", "eu-central-1", "10.0.0.0/16")];
    assert.throws(
      () => new Peering("peering", { context: from.context, from, to }),
      /^Error: peering: the networks are 10\.0\.240\.0\/20 and 10\.0\.0\.0\/16; allowed: ranges without a common address$/,
    );
    await settled();
  });
});
