import assert from "node:assert/strict";
import { loadConfig } from "../../../app/src/config";
import { serversOf } from "../../../app/src/db/open";
import { evaluate, sentence } from "../../../policy/evaluate";
import { Graph, type Resource } from "../../../policy/graph";
import { profileOf } from "../../../policy/profile";
import { RULES } from "../../../policy/rules";
import { cloudCost } from "../../../stacks/cloud/costs";
import { type Changes, cloudGraph, cloudRun, freshCloudRun } from "../../support/cloud-program";
import { difference, golden, identities } from "../../support/golden";
import { decide, type Request } from "../../support/iam-simulation";
import type { Recorder } from "../../support/pulumi-mocks";
import { type Holder, lines, reachability } from "../../support/reachability";
import { assertWellMade } from "../components/aws/support";
import { dataOf, environmentOf, RUNTIMES } from "./cloud-second-support";
import { plan } from "./cloud-sizing-support";

const TWO = { databases: "2" } as const;
const MACHINE = { parallelism: 2, cpuQuota: undefined, memoryLimitMb: undefined };

/** Which database a holder of security groups belongs to, and who else there is. */
function placeOf({ name }: Holder): string {
  if (/^(web|jobs|consumer)-service$|^nodes-class$/.test(name)) return "app";
  return /^(load-balancer|database-s2-proxy|database-s2|database-proxy|database|redis|endpoints)/.exec(name)?.[1] ?? name;
}

/** Roles by runtime: what the app works as, who reads its secrets, and who reads those of the migration. */
const ROLES = {
  ecs: { app: "app-roles-task", appSecrets: "app-roles-execution", migrationSecrets: "migrations-roles-execution" },
  eks: { app: "cluster-app-role", appSecrets: "cluster-app-role", migrationSecrets: "cluster-migrations-role" },
} as const;

/** What a container is told of databases: addresses as they are, and of what it is given by reference where that comes from. */
function told(runtime: keyof typeof RUNTIMES, recorder: Recorder, role: string): Record<string, string> {
  const all = runtime === "ecs" ? environmentOf(recorder, `${role}-task`) : dataOf(recorder, `${role}-environment`);
  return Object.fromEntries(Object.entries(all).filter(([name]) => /^(DATABASE|DB)_/.test(name)));
}

/** The same as the app reads it, with a password of its own behind each reference. */
function read(variables: Readonly<Record<string, string>>) {
  const known = Object.entries(variables).map(([name, value]) =>
    /PASSWORD(_FILE)?$/.test(name) ? [name.replace(/_FILE$/, ""), `secret-of-${name.replace(/_FILE$/, "")}`] : [name, value],
  );
  return loadConfig({ ...(Object.fromEntries(known) as Record<string, string>), AWS_REGION: "eu-central-1" }, MACHINE);
}

for (const [runtime, own] of Object.entries(RUNTIMES) as [keyof typeof RUNTIMES, Changes][]) {
  describe(`A17 several databases on ${runtime}`, function () {
    this.timeout(60_000);
    const two: Changes = { ...own, ...TWO, events: "sqs" };
    let recorder: Recorder;
    let graph: Resource[];
    before(async () => {
      ({ recorder } = await cloudRun("prod", two));
      graph = await cloudGraph("prod", two);
    });

    it("are one database more, with everything that is the first one's but the app's login, and nothing else changes", async () => {
      const one = identities(await cloudGraph("prod", { ...own, events: "sqs" }));
      const added = difference(one, identities(graph));
      assert.deepEqual(added, golden(`shards-${runtime}`, added));
      const ofFirst = one.filter((line) => /::(operations-)?database(-|$)/.test(line) && !/::database-app/.test(line));
      assert.deepEqual(added.sort(), ofFirst.map((line) => `+ ${line.replace(/::(operations-)?database/, "::$1database-s2")}`).sort());
      assertWellMade(recorder, "prod");
    });

    it("are protected like the first one, and each leaves a snapshot of its own", () => {
      for (const name of ["database-primary", "database-s2-primary"]) {
        const { protect, inputs } = recorder.get(name);
        assert.deepEqual([protect, inputs["deletionProtection"], inputs["skipFinalSnapshot"]], [true, true, false], name);
        assert.match(String(inputs["finalSnapshotIdentifier"]), /^phased-stack-prod-database(-s2)?-final-/);
      }
      for (const name of ["database-s2-owner-generated", "database-s2-owner-kept-secret"]) assert.ok(recorder.get(name).protect, name);
    });

    for (const stack of ["prod", "dev"] as const) {
      it(`F5 keep every rule: ${stack}`, async () => {
        const { violations, notJudged } = evaluate(await cloudGraph(stack, two), RULES, profileOf(stack));
        assert.deepEqual(violations.map(sentence), []);
        assert.deepEqual(notJudged, []);
      });
    }

    it("are reached by the app, each through its pool and, for reads and migrations, past it; and by nobody else", () => {
      const ways = lines(reachability(new Graph(graph), placeOf)).filter((line) => /database/.test(line));
      assert.deepEqual(
        // Groups are by kind: that a pool may reach the servers of the other one, too, is what a group is.
        ways.sort(),
        [
          "app → database tcp 5432",
          "app → database-proxy tcp 5432",
          "app → database-s2 tcp 5432",
          "app → database-s2-proxy tcp 5432",
          "database-proxy → database tcp 5432",
          "database-proxy → database-s2 tcp 5432",
          "database-s2-proxy → database tcp 5432",
          "database-s2-proxy → database-s2 tcp 5432",
        ].sort(),
      );
    });

    it("are told to every role of the app: pools and replicas of all, one login, no password in plain", () => {
      for (const role of ["web", "jobs", "consumer"]) {
        const { postgres } = read(told(runtime, recorder, role));
        const hosts = (urls: readonly string[]): string[] => urls.map((url) => new URL(url).hostname.split(".")[0] ?? "");
        assert.deepEqual(hosts([postgres?.url ?? ""]), ["database-proxy-proxy"], role);
        assert.deepEqual(
          postgres?.shards.map(({ name, url, replicaUrls }) => [name, ...hosts([url, ...replicaUrls])]),
          [["s2", "database-s2-proxy-proxy", "phased-stack-prod-database-s2-replica-1", "phased-stack-prod-database-s2-replica-2"]],
        );
        const [{ url: address } = assert.fail()] = postgres.shards;
        assert.match(address, /^postgres:\/\/app:secret-of-DATABASE_PASSWORD@.*\?sslmode=verify-full$/);
        assert.deepEqual(postgres.shardsForNew, ["first", "s2"]);
      }
      for (const { name, plain } of recorder.resources) assert.doesNotMatch(plain, /canary-value-of-/, name);
    });

    it("are told to the migration past the pools, each with the password of its owner: what move-company needs as well", () => {
      const config = read(told(runtime, recorder, "migrations"));
      assert.deepEqual(config.postgres?.appLogin, { user: "app", password: "secret-of-DATABASE_APP_PASSWORD" });
      const servers = serversOf(config).map(({ name, config: { postgres } }) => {
        const { username, password, hostname } = new URL(postgres?.directUrl ?? "");
        return [name, username, password, hostname.split(".")[0], postgres?.replicaUrls.length, postgres?.appLogin?.user];
      });
      assert.deepEqual(servers, [
        ["first", "app_owner", "secret-of-DATABASE_PASSWORD", "phased-stack-prod-database", 2, "app"],
        ["s2", "app_owner", "secret-of-DATABASE_SHARD_S2_PASSWORD", "phased-stack-prod-database-s2", 2, "app"],
      ]);
    });

    it("keep their owners' passwords from the app, and the migration reads all of them", () => {
      const find = (name: string): Resource => graph.find((resource) => resource.name === name) ?? assert.fail(name);
      const may = (role: string, request: Request): boolean => decide(find(role), new Graph(graph), request) === "allowed";
      const secret = (name: string): Request => ({ action: "secretsmanager:GetSecretValue", resource: String(find(name).outputs["arn"]) });
      const { appSecrets, migrationSecrets } = ROLES[runtime];
      for (const [name, expected] of [
        ["database-owner-kept-secret", [false, true, false, false]],
        ["database-s2-owner-kept-secret", [false, true, false, false]],
        ["database-app-kept-secret", [true, true, true, true]],
      ] as const) {
        const readers = [appSecrets, migrationSecrets, "database-proxy-role", "database-s2-proxy-role"];
        assert.deepEqual(
          readers.map((role) => may(role, secret(name))),
          expected,
          name,
        );
      }
      const change = (database: string): Request => ({
        action: "rds:ModifyDBInstance",
        resource: `arn:aws:rds:eu-central-1:123456789012:db:phased-stack-prod-${database}`,
      });
      const rotator = "database-s2-rotation-rotator-role";
      assert.deepEqual([may(rotator, change("database-s2")), may(rotator, change("database"))], [true, false]);
    });

    it("databaseLogin iam: the app logs in with tokens at each pool and each replica", async () => {
      const tokens = { ...two, databaseLogin: "iam" };
      const resources = await cloudGraph("prod", tokens);
      const find = (name: string): Resource => resources.find((resource) => resource.name === name) ?? assert.fail(name);
      const may = (role: string, id: string): boolean => {
        const resource = `arn:aws:rds-db:eu-central-1:123456789012:dbuser:${id}/app_iam`;
        return decide(find(role), new Graph(resources), { action: "rds-db:connect", resource, context: {} }) === "allowed";
      };
      const ids = ["prx-database-proxy-proxy", "prx-database-s2-proxy-proxy", "db-database-replica-1", "db-database-s2-replica-2"];
      for (const id of ids) assert.ok(may(ROLES[runtime].app, id), id);
      for (const id of ["db-database-primary", "db-database-s2-primary"]) assert.ok(!may(ROLES[runtime].app, id), id);
      assert.deepEqual(
        ["db-database-s2-primary", "db-database-primary"].map((id) => may("database-s2-proxy-role", id)),
        [true, false],
      );
      const { recorder: withTokens } = await cloudRun("prod", tokens);
      const { postgres } = read(told(runtime, withTokens, "web"));
      assert.deepEqual([postgres?.login, postgres?.shards.map(({ url }) => new URL(url).username)], ["iam", ["app_iam"]]);
      assert.equal(read(told(runtime, withTokens, "migrations")).postgres?.iamUser, "app_iam");
      assert.deepEqual(evaluate(resources, RULES, profileOf("prod")).violations.map(sentence), []);
    });

    it("are waited for by the migration, which waits for no more where there is one", async () => {
      const migration = runtime === "ecs" ? "migrations-run" : "migrations-job";
      const waits = (of: Recorder): boolean => of.get(migration).dependencies.some((urn) => urn.endsWith("::database-s2-primary"));
      assert.deepEqual([waits(recorder), waits((await cloudRun("prod", { ...own, events: "sqs" })).recorder)], [true, false]);
    });

    it("place new companies where databaseShardsForNew says", async () => {
      const { recorder: placing } = await cloudRun("prod", { ...two, databaseShardsForNew: "first" });
      for (const role of ["web", "jobs", "consumer"]) {
        assert.deepEqual(read(told(runtime, placing, role)).postgres?.shardsForNew, ["first"], role);
      }
    });

    it("F5 have a price: as much again as the first one", async () => {
      const cloudRuntime = runtime === "eks" ? "eks" : "ecs";
      const cost = async (changes: Changes, databases: number) => {
        const made = plan(50_000, { cloudRuntime, events: "sqs", databases });
        const { notPriced, types } = cloudCost(await cloudGraph("prod", changes), "eu-central-1", made);
        assert.deepEqual(notPriced, []);
        const of = (type: string): number => types.find((each) => each.type === type)?.usd ?? 0;
        return [of("aws:rds/instance:Instance"), of("aws:rds/proxy:Proxy")];
      };
      const [one, both] = [await cost({ ...own, events: "sqs" }, 1), await cost(two, 2)];
      for (const [index, usd] of one.entries()) assert.ok(Math.abs((both[index] ?? 0) / usd - 2) < 0.01, `${both[index]} for ${usd}`);
    });
  });
}

describe("A17 several databases, as many as there may be", function () {
  this.timeout(60_000);

  it("have names that AWS takes, with the longest of project and stack", async () => {
    const name = "production-frankfur";
    const { recorder } = await freshCloudRun("prod", { databases: "20" }, { name });
    const named = (type: string, input: string): string[] => recorder.ofType(type).map(({ inputs }) => String(inputs[input]));
    const servers = named("aws:rds/instance:Instance", "identifier");
    assert.equal(servers.length, 60);
    for (const [names, most] of [
      [named("aws:lambda/function:Function", "name"), 64],
      [[...servers, ...named("aws:rds/proxy:Proxy", "name")], 63],
    ] as const) {
      assert.ok(names.some((text) => text.includes("database-s20")));
      for (const text of names) assert.ok(text.length <= most && /^[a-z](-?[a-z0-9]+)*$/.test(text), `${text}: ${text.length}`);
    }
  });

  it("fit into the policy of a role that logs in with tokens", async () => {
    const longest = { databases: "17", databaseReplicas: "3", databaseLogin: "iam", events: "msk" } as const;
    for (const [changes, role] of [
      [longest, "app-roles-task-policy"],
      [{ ...longest, ...RUNTIMES.eks }, "cluster-app-role-policy"],
    ] as const) {
      const { recorder } = await cloudRun("prod", changes);
      const text = JSON.stringify(JSON.parse(String(recorder.get(role).inputs["policy"])));
      const logins = text.match(/arn:aws:rds-db:[^"]*/g) ?? [];
      assert.equal(logins.length, 68);
      // In a region with the longest name, and with ids as RDS gives them.
      const length =
        text.length -
        logins.join("").length +
        logins.length * "arn:aws:rds-db:ap-southeast-1:123456789012:dbuser:db-ABCDEFGHIJKLMNOPQRSTUVWXYZ/app_iam".length;
      assert.ok(length <= 10_240, `${role}: ${length} characters`);
    }
  });
});

describe("A17 several databases, watched", function () {
  this.timeout(60_000);

  it("each server has its alarms and its place on the dashboard, by the name of its database", async () => {
    const { recorder } = await cloudRun("prod", { ...TWO, events: "sqs" });
    const alarm = recorder.get("operations-database-s2-replica-1-lag").inputs;
    assert.deepEqual(alarm["dimensions"], { DBInstanceIdentifier: "phased-stack-prod-database-s2-replica-1" });
    assert.match(String(alarm["alarmDescription"]), /^Postgres s2-replica-1 is more than 5 s behind/);
    const body = String(recorder.get("operations-dashboard").inputs["dashboardBody"]);
    for (const title of ["database-primary-cpu", "database-s2-primary-cpu", "database-s2-primary-storage", "database-s2-replica-2-lag"]) {
      assert.ok(body.includes(`"title":"${title}"`), title);
    }
  });
});
