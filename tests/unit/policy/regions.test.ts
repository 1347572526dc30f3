import assert from "node:assert/strict";
import fc from "fast-check";
import { isWithin } from "../../../policy/addresses";
import { evaluate } from "../../../policy/evaluate";
import type { Resource } from "../../../policy/graph";
import { profileOf } from "../../../policy/profile";
import { RULES } from "../../../policy/rules";
import { AWS } from "../../../policy/types";
import { hidden, idOf, resource } from "../../support/aws-graph";
import { PRODUCTION } from "./fixtures/production";

const RULE = RULES.filter(({ id }) => id === "security-groups-by-reference");
const report = (resources: readonly Resource[]) => evaluate(resources, RULE, profileOf("prod"));

/** The production stack with a second network, and a rule that lets its addresses reach the database. */
function connected(cidrIpv4: string, peering: Readonly<Record<string, unknown>> = {}): Resource[] {
  const postgres = { ipProtocol: "tcp", fromPort: 5432, toPort: 5432, description: "tasks of the other region" };
  return [
    ...PRODUCTION,
    resource(AWS.vpc, "second-vpc", { cidrBlock: "10.1.0.0/16" }),
    resource(AWS.vpcPeering, "peering", { vpcId: idOf("second-vpc"), peerVpcId: idOf("vpc"), ...peering }),
    resource(AWS.securityGroupIngress, "across", { ...postgres, securityGroupId: idOf("database-group"), cidrIpv4 }),
  ];
}

describe("policy: two regions", () => {
  it("A16 addresses are let in where groups have no names: from a connected network, and from nowhere else", () => {
    assert.deepEqual(report(connected("10.1.16.0/20")).violations, []);
    for (const range of ["10.2.0.0/16", "10.0.0.0/8", "10.0.0.0/20"]) assert.equal(report(connected(range)).violations.length, 1, range);
    const elsewhere = connected("10.1.16.0/20", { peerVpcId: "vpc-of-somebody" });
    assert.match(
      report(elsewhere).violations[0]?.message ?? "",
      /database-group lets in 5432 from addresses; allowed: .* connected network/,
    );
  });

  it("is not said before the update where the networks are not known", () => {
    const preview = hidden(connected("10.1.16.0/20"), "peering", "peerVpcId", []);
    assert.deepEqual([report(preview).violations.length, report(preview).notJudged.length], [0, 1]);
  });

  it("A16 a range is within another exactly when all of its addresses are", () => {
    const range = fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 255 }), fc.integer({ min: 8, max: 32 }));
    const ends = ([second, third, prefix]: readonly [number, number, number]): readonly [number, number] => {
      const size = 2 ** (32 - prefix);
      const start = Math.floor((((10 * 256 + second) * 256 + third) * 256) / size) * size;
      return [start, start + size - 1];
    };
    fc.assert(
      fc.property(range, range, (one, other) => {
        const text = ([second, third, prefix]: readonly [number, number, number]): string => `10.${second}.${third}.0/${prefix}`;
        const [inner, outer] = [ends(one), ends(other)];
        assert.equal(isWithin(text(one), text(other)), inner[0] >= outer[0] && inner[1] <= outer[1]);
      }),
    );
    for (const strange of ["::/0", "10.0.0.0", "vpc", ""]) assert.ok(!isWithin(strange, "0.0.0.0/0") && !isWithin("10.0.0.0/16", strange));
  });
});
