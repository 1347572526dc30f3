import assert from "node:assert/strict";
import { Graph, type Resource } from "../../../policy/graph";
import { AWS } from "../../../policy/types";
import { hidden, idOf, resource } from "../../support/aws-graph";
import { holders, lines, reachability } from "../../support/reachability";
import { PRODUCTION } from "./fixtures/production";
import { change, without } from "./fixtures/support";

const ROLES: Readonly<Record<string, string>> = { web: "app", jobs: "app", "database-replica": "database", limits: "cache" };
const of = (resources: readonly Resource[]): string[] =>
  lines(reachability(new Graph(resources), ({ name }) => (name.startsWith("endpoint-") ? "endpoints" : (ROLES[name] ?? name))));

const PROD_WAYS = [
  "app → broker tcp 9098",
  "app → cache tcp 6379",
  "app → database tcp 5432",
  "app → endpoints tcp 443",
  "app → internet tcp 443",
  "app → proxy tcp 5432",
  "balancer → app tcp 3001",
  "internet → balancer tcp 443",
  "internet → balancer tcp 80",
  "proxy → database tcp 5432",
];

describe("proof: who reaches whom", () => {
  it("the internet reaches the load balancer, that the app, and the app the stores; nothing else", () => {
    assert.deepEqual(of(PRODUCTION), PROD_WAYS);
  });

  it("knows everything that has security groups", () => {
    const names = holders(new Graph(PRODUCTION)).map(({ name }) => name);
    for (const name of ["balancer", "web", "jobs", "database", "database-replica", "proxy", "cache", "limits", "broker", "endpoint-logs"]) {
      assert.ok(names.includes(name), name);
    }
  });

  it("a way needs both: a rule that lets out, and one that lets in", () => {
    assert.ok(!of(without(PRODUCTION, "app-to-cache-6379")).includes("app → cache tcp 6379"));
    assert.ok(!of(without(PRODUCTION, "cache-from-app-6379")).includes("app → cache tcp 6379"));
  });

  it("ports are those that both rules have", () => {
    const wide = change(PRODUCTION, "app-to-cache-6379", { fromPort: 6000, toPort: 7000 });
    assert.deepEqual(of(wide), PROD_WAYS);
    const apart = change(PRODUCTION, "app-to-cache-6379", { fromPort: 6380, toPort: 7000 });
    assert.ok(!of(apart).some((line) => line.startsWith("app → cache")));
  });

  it("sees every other way in", () => {
    const group = idOf("database-group");
    const opened = {
      "internet → database tcp 5432": { cidrIpv4: "0.0.0.0/0", ipProtocol: "tcp", fromPort: 5432, toPort: 5432 },
      "internet → database -1 0-65535": { cidrIpv6: "::/0", ipProtocol: "-1" },
      "10.0.0.0/16 → database tcp 22": { cidrIpv4: "10.0.0.0/16", ipProtocol: "tcp", fromPort: 22, toPort: 22 },
      "prefix list → database tcp 443": { prefixListId: "pl-1", ipProtocol: "tcp", fromPort: 443, toPort: 443 },
    };
    for (const [line, inputs] of Object.entries(opened)) {
      const rule = resource(AWS.securityGroupIngress, "opened", { securityGroupId: group, ...inputs });
      assert.deepEqual(
        of([...PRODUCTION, rule]).filter((each) => !PROD_WAYS.includes(each)),
        [line],
      );
    }
  });

  it("rules inside a group and of the older type count as well, and a group that lets itself in", () => {
    const inline = change(PRODUCTION, "cache-group", {
      ingress: [{ protocol: "tcp", fromPort: 22, toPort: 22, cidrBlocks: ["0.0.0.0/0"] }],
    });
    assert.ok(of(inline).includes("internet → cache tcp 22"));
    const older = resource(AWS.securityGroupRule, "older", {
      type: "ingress",
      securityGroupId: idOf("broker-group"),
      protocol: "tcp",
      fromPort: 22,
      toPort: 22,
      cidrBlocks: ["0.0.0.0/0"],
    });
    assert.ok(of([...PRODUCTION, older]).includes("internet → broker tcp 22"));
    const self = { protocol: "tcp", fromPort: 9092, toPort: 9092, self: true };
    assert.ok(of(change(PRODUCTION, "broker-group", { ingress: [self], egress: [self] })).includes("broker → broker tcp 9092"));
  });

  it("proves nothing about groups that are not known", () => {
    assert.throws(
      () => of(hidden(PRODUCTION, "cache-from-app-6379", "referencedSecurityGroupId", [])),
      /referencedSecurityGroupId is not known yet/,
    );
    assert.deepEqual(
      of(hidden(PRODUCTION, "cache-from-app-6379", "referencedSecurityGroupId")),
      PROD_WAYS,
      "the engine says which group it is",
    );
  });
});
