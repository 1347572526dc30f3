import assert from "node:assert/strict";
import { Graph, type Resource } from "../../../policy/graph";
import { cloudGraph, cloudRun, TWO_REGIONS } from "../../support/cloud-program";
import { decide } from "../../support/iam-simulation";
import type { Recorder } from "../../support/pulumi-mocks";
import { environmentOf, hostOf, isSecond, TAKEN } from "./cloud-second-support";

describe("A16 two regions: data and app", function () {
  this.timeout(60_000);
  let recorder: Recorder;
  let graph: Resource[];
  before(async () => {
    ({ recorder } = await cloudRun("prod", TWO_REGIONS));
    graph = await cloudGraph("prod", TWO_REGIONS);
  });
  const get = (name: string): Recorder["resources"][number] => recorder.get(name);

  it("have a copy of Postgres with a key of its own region, as large and as protected as the primary", () => {
    const [copy, primary] = [get("second-database-server"), get("database-primary")];
    assert.match(String(copy.inputs["replicateSourceDb"]), /^arn:aws:rds:eu-central-1:.*database-primary/);
    assert.match(String(copy.inputs["kmsKeyId"]), /^arn:aws:kms:us-west-2:.*second-keys-data$/);
    for (const same of ["instanceClass", "multiAz", "backupRetentionPeriod", "deletionProtection", "maxAllocatedStorage", "storageType"]) {
      assert.deepEqual(copy.inputs[same], primary.inputs[same], same);
    }
    assert.equal(copy.protect, true);
    for (const ofPrimary of ["engine", "username", "passwordWo", "allocatedStorage", "finalSnapshotIdentifier"]) {
      assert.equal(copy.inputs[ofPrimary], undefined, ofPrimary);
    }
  });

  it("read from Postgres beside them and write to the first; Redis, secrets and files are of their own region", () => {
    const web = environmentOf(recorder, "second-web-task");
    const home = environmentOf(recorder, "web-task");
    assert.equal(web["DATABASE_URL"], home["DATABASE_URL"]);
    assert.match(hostOf(web["DATABASE_URL"]), /\.proxy\.eu-central-1\./);
    assert.match(hostOf(web["DATABASE_READ_REPLICAS"]), /^phased-stack-prod-second-database\..*\.us-west-2\./);
    assert.equal(web["AWS_REGION"], "us-west-2");
    assert.match(web["S3_BUCKET"] ?? "", /^second-storage-uploads/);
    const secrets = Object.entries(web).filter(([, value]) => value.startsWith("arn:aws:secretsmanager:"));
    assert.ok(secrets.length >= 5);
    for (const [name, arn] of secrets) assert.match(arn, /^arn:aws:secretsmanager:us-west-2:/, name);
    for (const shared of ["SESSION_SECRET", "ADMIN_TOKEN", "DATABASE_PASSWORD"]) {
      assert.equal(web[shared], home[shared]?.replace("eu-central-1", "us-west-2"), `${shared} is a copy of the first region's`);
    }
    assert.match(web["REDIS_URL"] ?? "", /second-redis-cache-url/);
    assert.equal(web["KAFKA_BROKERS"] ?? web["SQS_QUEUE_URL"], undefined);
  });

  it("take turns in believing their Redis: the second one stands by until it takes over", async () => {
    const siteOf = (task: string): string | undefined => environmentOf(recorder, task)["REDIS_SITE"];
    assert.deepEqual(["web-task", "jobs-task", "second-web-task", "second-web-takeover-task"].map(siteOf), [
      ...["active", "active"],
      ...["standby", "active"],
    ]);
    const { recorder: alone } = await cloudRun("prod");
    assert.equal(environmentOf(alone, "web-task")["REDIS_SITE"], undefined);
    const { recorder: taken } = await cloudRun("prod", TAKEN);
    assert.deepEqual(
      ["web-task", "second-web-task", "second-jobs-task"].map((task) => environmentOf(taken, task)["REDIS_SITE"]),
      ["standby", "active", "active"],
    );
  });

  it("copy the secrets of both, and no others", () => {
    const copied = recorder.ofType("aws:secretsmanager/secret:Secret").filter(({ inputs }) => inputs["replicas"] !== undefined);
    assert.deepEqual(copied.map(({ name }) => name).sort(), [
      "admin-token-kept-secret",
      "database-app-kept-secret",
      "database-owner-kept-secret",
      "session-secret-kept-secret",
      "uploads-key-even-secret",
      "uploads-key-odd-secret",
    ]);
    for (const { name, inputs } of copied) {
      assert.deepEqual(
        inputs["replicas"],
        [{ region: "us-west-2", kmsKeyId: "arn:aws:kms:us-west-2:123456789012:key/second-keys-data" }],
        name,
      );
    }
  });

  it("keep a definition of each task ready that writes to the second one's Postgres, which no service uses yet", () => {
    const ready = environmentOf(recorder, "second-web-takeover-task");
    const used = environmentOf(recorder, "second-web-task");
    assert.match(hostOf(ready["DATABASE_URL"]), /^phased-stack-prod-second-database\./);
    assert.equal(ready["DATABASE_READ_REPLICAS"], undefined, "there is nothing beside it to read from");
    const others = (environment: Record<string, string>): [string, string][] =>
      Object.entries(environment).filter(([name]) => !/^(DATABASE_(URL|READ_REPLICAS)|REDIS_SITE)$/.test(name));
    assert.deepEqual(others(ready), others(used));
    assert.equal(get("second-web-takeover-task").inputs["family"], "phased-stack-prod-second-web-takeover-task");
    assert.match(
      String(get("second-web-service").inputs["taskDefinition"]),
      /^arn:aws:ecs:us-west-2:.*\/phased-stack-prod-second-web-task:1$/,
    );
  });

  it("migrate the schema once, in the first, before either rolls out; jobs run there alone", () => {
    assert.equal(recorder.ofType("aws:lambda/invocation:Invocation").filter(({ name }) => name.endsWith("migrations-run")).length, 1);
    for (const first of ["migrations-run", "second-peering-out-private-1", "second-app-roles-execution-policy"]) {
      assert.ok(
        get("second-web-service").dependencies.some((urn) => urn.endsWith(`::${first}`)),
        `it waits for ${first}`,
      );
    }
    const services = recorder.ofType("aws:ecs/service:Service").map(({ name }) => name);
    assert.deepEqual(services.sort(), ["jobs-service", "second-web-service", "web-service"]);
    const { minCapacity: waiting, maxCapacity: most } = get("second-web-scaling-tasks").inputs;
    assert.deepEqual([waiting, most], [3, get("web-scaling-tasks").inputs["maxCapacity"]], "one a zone, and as many as it takes");
  });

  it("the second one's app reads the copies of secrets there, and neither the owner's nor those of the first", () => {
    const role = graph.find(({ name }) => name === "second-app-roles-execution");
    assert.ok(role);
    const may = (resource: string): boolean =>
      decide(role, new Graph(graph), { action: "secretsmanager:GetSecretValue", resource }) === "allowed";
    const secret = (region: string, name: string): string => `arn:aws:secretsmanager:${region}:123456789012:secret:${name}`;
    for (const name of ["session-secret-kept-secret", "database-app-kept-secret", "second-redis-limits-url-secret"]) {
      assert.ok(may(secret("us-west-2", name)), name);
    }
    assert.ok(!may(secret("us-west-2", "database-owner-kept-secret")) && !may(secret("eu-central-1", "database-app-kept-secret")));
  });

  it("A14 databaseLogin iam: each logs in as a role where it reads and writes, and the task that is kept ready to its own server", async () => {
    const changes = { ...TWO_REGIONS, databaseLogin: "iam" };
    const { recorder: tokens } = await cloudRun("prod", changes);
    const iam = new Graph(await cloudGraph("prod", changes));
    const mayLogIn = (role: string, region: string, id: string): boolean => {
      const found = iam.resources.find(({ name }) => name === role) ?? assert.fail(role);
      return (
        decide(found, iam, { action: "rds-db:connect", resource: `arn:aws:rds-db:${region}:123456789012:dbuser:${id}/app_iam` }) ===
        "allowed"
      );
    };
    const places = [
      ["eu-central-1", "prx-database-proxy-proxy"],
      ["eu-central-1", "db-database-replica-1"],
      ["us-west-2", "db-second-database-server"],
    ] as const;
    const of = (role: string): boolean[] => places.map(([region, id]) => mayLogIn(role, region, id));
    assert.deepEqual(
      [of("app-roles-task"), of("second-app-roles-task")],
      [
        [true, true, false],
        [true, false, true],
      ],
    );
    for (const task of ["web-task", "second-web-task", "second-web-takeover-task"]) {
      const environment = environmentOf(tokens, task);
      assert.deepEqual([environment["DATABASE_LOGIN"], environment["DATABASE_PASSWORD"]], ["iam", undefined], task);
      assert.equal(new URL(environment["DATABASE_URL"] ?? "").username, "app_iam", task);
    }
    const migrations = environmentOf(tokens, "migrations-task");
    assert.deepEqual(
      [migrations["DATABASE_LOGIN"], migrations["DATABASE_APP_USER"], migrations["DATABASE_IAM_USER"]],
      [undefined, "app", "app_iam"],
    );
    assert.match(migrations["DATABASE_URL"] ?? "", /^postgres:\/\/app_owner@/);
  });

  describe("after the second one has taken over", () => {
    let taken: Recorder;
    before(async () => {
      ({ recorder: taken } = await cloudRun("prod", TAKEN));
    });

    it("both write to its Postgres, which follows nobody, and nobody reads from the former one", () => {
      const { inputs } = taken.get("second-database-server");
      assert.deepEqual([inputs["replicateSourceDb"], inputs["skipFinalSnapshot"]], [undefined, false]);
      assert.match(String(inputs["finalSnapshotIdentifier"]), /^phased-stack-prod-second-database-final-/);
      for (const task of ["web-task", "second-web-task", "second-jobs-task"]) {
        const { DATABASE_URL: url, DATABASE_READ_REPLICAS: replicas } = environmentOf(taken, task);
        assert.match(hostOf(url), /^phased-stack-prod-second-database\./, task);
        assert.equal(replicas, undefined, task);
      }
    });

    it("migrations go there as well, jobs run there alone, and the password that both know stays as it is", () => {
      assert.match(hostOf(environmentOf(taken, "migrations-task")["DATABASE_URL"]), /^phased-stack-prod-second-database\./);
      const services = taken.ofType("aws:ecs/service:Service").map(({ name }) => name);
      assert.deepEqual(services.sort(), ["second-jobs-service", "second-web-service", "web-service"]);
      assert.equal(taken.get("second-web-scaling-tasks").inputs["minCapacity"], recorder.get("web-scaling-tasks").inputs["minCapacity"]);
      assert.deepEqual(taken.ofType("aws:secretsmanager/secretRotation:SecretRotation"), []);
    });

    it("nothing else of the second region is another: the way back leads over the same resources", () => {
      const names = (resources: Recorder["resources"]): Set<string> => new Set(resources.filter(isSecond).map(({ name }) => name));
      const gone = [...names(recorder.resources)].filter((name) => !names(taken.resources).has(name));
      assert.deepEqual(gone.sort(), [
        "second-operations-database-standby-connections",
        "second-operations-database-standby-cpu",
        "second-operations-database-standby-lag",
        "second-operations-database-standby-storage",
        "second-web-takeover-task",
      ]);
    });
  });
});
