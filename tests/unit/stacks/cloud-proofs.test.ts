import assert from "node:assert/strict";
import { evaluate, sentence } from "../../../policy/evaluate";
import { Graph } from "../../../policy/graph";
import { NOT_ROTATED } from "../../../policy/not-rotated";
import { profileOf } from "../../../policy/profile";
import { RULES } from "../../../policy/rules";
import { AWS } from "../../../policy/types";
import { type Changes, cloudGraph, EKS } from "../../support/cloud-program";
import { difference, golden, identities } from "../../support/golden";
import { type Holder, lines, reachability } from "../../support/reachability";

const RUNTIMES: Readonly<Record<string, Changes>> = { ecs: {}, eks: EKS };
const STACKS = ["prod", "dev"] as const;
const EVENTS = ["none", "sqs", "msk"] as const;

/** A configuration of the matrix runtime × profile × events; MSK wants three zones, of which dev has two. */
interface Case {
  readonly name: string;
  readonly stack: "dev" | "prod";
  readonly events: (typeof EVENTS)[number];
  readonly changes: Changes;
}

const CASES: readonly Case[] = Object.entries(RUNTIMES).flatMap(([runtime, own]) =>
  STACKS.flatMap((stack) =>
    EVENTS.map((events): Case => {
      const changes = { ...own, ...(events === "none" ? {} : { events }), ...(stack === "dev" && events === "msk" ? { zones: "3" } : {}) };
      return { name: `${runtime}-${stack}-${events}`, stack, events, changes };
    }),
  ),
);

/** All others are written down as what differs from this one. */
const BASE = "ecs-prod-none";

/** Whom a holder of security groups belongs to; nodes of EKS are where the app runs. */
function placeOf({ name }: Holder): string {
  if (/^(web|jobs|consumer)-service$|^nodes-class$/.test(name)) return "app";
  return /^(load-balancer|database-proxy|database|redis|events|endpoints)/.exec(name)?.[1] ?? name;
}

/** Every way through the network of a stack, by its security groups. */
const WAYS: readonly string[] = [
  // Roles of the app find each other by Service Connect.
  "app → app tcp 3001",
  // Writes go through the pool; reads go to replicas, and migrations past it.
  "app → database-proxy tcp 5432",
  "app → database tcp 5432",
  "app → internet tcp 443",
  "app → redis tcp 6379",
  "database-proxy → database tcp 5432",
  "load-balancer → app tcp 3001",
];

/** By profile: with CloudFront's addresses known, the load balancer is reached from them alone; only prod has interface endpoints. */
const OWN_WAYS = {
  prod: ["app → endpoints tcp 443", "prefix list → load-balancer tcp 443"],
  dev: ["internet → load-balancer tcp 443", "internet → load-balancer tcp 80"],
} as const;

describe("phase cloud: proofs on the program's own graph", function () {
  this.timeout(60_000);

  for (const { name, stack, events, changes } of CASES) {
    it(`A14 F5 ${name}: keeps every rule, those that advise as well`, async () => {
      const { violations, notJudged, judged } = evaluate(await cloudGraph(stack, changes), RULES, profileOf(stack));
      assert.deepEqual(violations.map(sentence), []);
      assert.deepEqual(notJudged, []);
      assert.ok(judged > 250, `${judged} checks`);
    });

    it(`A14 ${name}: who reaches whom is what is written here, and nothing else`, async () => {
      const ways = lines(reachability(new Graph(await cloudGraph(stack, changes)), placeOf));
      assert.deepEqual(ways.sort(), [...WAYS, ...OWN_WAYS[stack], ...(events === "msk" ? ["app → events tcp 9098"] : [])].sort());
    });

    it(`A14 ${name}: consists of the resources that are written down`, async () => {
      const actual = identities(await cloudGraph(stack, changes));
      assert.equal(new Set(actual).size, actual.length, "no two are one");
      const told = name === BASE ? actual : difference(identities(await cloudGraph("prod")), actual);
      assert.deepEqual(told, golden(name, told));
    });
  }

  it("what nothing rotates is what policy/not-rotated.ts lists, no more and no less", async () => {
    for (const changes of Object.values(RUNTIMES)) {
      const graph = new Graph(await cloudGraph("prod", changes));
      const kept = new Set(
        graph
          .ofType(AWS.secretRotation)
          .flatMap((rotation) => graph.targets(rotation, "secretId"))
          .map(({ name }) => name),
      );
      const secrets = graph.ofType(AWS.secret).map(({ name }) => name);
      const versionOf = (name: string): string => name.replace(/-secret$/, "-version");
      const never = secrets.filter((name) => !kept.has(name) && !kept.has(versionOf(name)));
      assert.deepEqual(never.sort(), Object.keys(NOT_ROTATED).sort());
    }
  });
});
