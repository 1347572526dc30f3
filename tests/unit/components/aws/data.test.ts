import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { Cache, type CacheArgs } from "../../../../components/aws/cache";
import { Database, type DatabaseArgs, parameterFamily, serverParameters } from "../../../../components/aws/database";
import { GeneratedSecret } from "../../../../components/aws/secrets";
import { canary, Recorder, settled, valueOf } from "../../../support/pulumi-mocks";
import { assertWellMade, CONTEXT, statementsOf, withProvider } from "./support";

const INSTANCE = "aws:rds/instance:Instance";
const LOGS = { retentionDays: 30, kmsKeyArn: "arn:logs-key" };

const DATABASE: DatabaseArgs = {
  context: CONTEXT,
  subnetIds: ["data-1", "data-2", "data-3"],
  zones: ["a", "b", "c"],
  securityGroupId: "sg-database",
  kmsKeyArn: "arn:data-key",
  logs: LOGS,
  instanceClass: "db.m7g.large",
  allocatedGb: 100,
  maxAllocatedGb: 400,
  maxConnections: 400,
  multiAz: true,
  replicas: 2,
  backupDays: 14,
  monitoringSeconds: 30,
  protect: true,
  recoveryWindowDays: 30,
  proxy: { securityGroupId: "sg-proxy", maxConnectionsPercent: 80, borrowSeconds: 10 },
};

const CACHE: CacheArgs = {
  context: CONTEXT,
  role: "cache",
  nodeType: "cache.r7g.large",
  nodes: 3,
  subnetIds: ["data-1", "data-2"],
  securityGroupId: "sg-cache",
  kmsKeyArn: "arn:data-key",
  logs: LOGS,
  snapshotDays: 0,
  protect: true,
  recoveryWindowDays: 30,
};

describe("A14 components with data", () => {
  let recorder: Recorder;
  beforeEach(async () => {
    recorder = await Recorder.install();
  });

  it("GeneratedSecret keeps what it generates in Secrets Manager, and nowhere in plain", async () => {
    const args = { context: CONTEXT, description: "Signs sessions", kmsKeyArn: "arn:key", recoveryWindowDays: 30 };
    const secret = new GeneratedSecret("session", args, withProvider());
    const { inputs } = await recorded("session-kept-secret");
    assert.deepEqual([inputs["kmsKeyId"], inputs["recoveryWindowInDays"], inputs["name"]], ["arn:key", 30, undefined], "CKV_AWS_149");
    assert.deepEqual(recorder.get("session-kept-version").secrets, [canary("session-generated")]);
    assert.equal(await valueOf(secret.arn), "arn:aws:secretsmanager:eu-central-1:123456789012:secret:session-kept-secret");
    assert.equal(await valueOf(secret.generated), canary("session-generated"));
    noCanaries();
    assertWellMade(recorder);
  });

  describe("Database", () => {
    const make = async (args: Partial<DatabaseArgs> = {}): Promise<Database> => {
      const database = new Database("database", { ...DATABASE, ...args }, withProvider());
      await settled();
      return database;
    };

    it("is private, encrypted, backed up, watched and protected, the primary and each replica", async () => {
      await make();
      const servers = recorder.ofType(INSTANCE);
      assert.equal(servers.length, 3);
      for (const { inputs } of servers) {
        const expected = {
          storageEncrypted: true,
          storageType: "gp3",
          maxAllocatedStorage: 400,
          publiclyAccessible: false,
          vpcSecurityGroupIds: ["sg-database"],
          deletionProtection: true,
          copyTagsToSnapshot: true,
          autoMinorVersionUpgrade: true,
          performanceInsightsEnabled: true,
          performanceInsightsKmsKeyId: "arn:data-key",
          monitoringInterval: 30,
          enabledCloudwatchLogsExports: ["postgresql", "upgrade"],
          iamDatabaseAuthenticationEnabled: true,
        };
        assert.deepEqual(Object.fromEntries(Object.keys(expected).map((key) => [key, inputs[key]])), expected);
      }
      const { inputs, protect } = recorder.get("database-primary");
      assert.deepEqual(
        [inputs["multiAz"], inputs["availabilityZone"], inputs["backupRetentionPeriod"], inputs["skipFinalSnapshot"], protect],
        [true, undefined, 14, false, true],
        "CKV_AWS_157, CKV_AWS_133",
      );
      assert.equal(inputs["finalSnapshotIdentifier"], "phased-stack-dev-database-final-1a2b3c4d");
      assertWellMade(recorder);
      noCanaries();
    });

    it("is encrypted with its own key, which a replica has from its primary: RDS refuses to be told it again", async () => {
      await make();
      const keys = recorder.ofType(INSTANCE).map(({ name, inputs }) => [name, inputs["kmsKeyId"]]);
      assert.deepEqual(keys, [
        ["database-primary", "arn:data-key"],
        ["database-replica-1", undefined],
        ["database-replica-2", undefined],
      ]);
    });

    it("has its replicas in other zones, following the primary by identifier", async () => {
      const database = await make();
      assert.deepEqual(
        [1, 2].map((index) => {
          const { inputs } = recorder.get(`database-replica-${index}`);
          return [inputs["identifier"], inputs["replicateSourceDb"], inputs["availabilityZone"], inputs["username"], inputs["passwordWo"]];
        }),
        [
          ["phased-stack-dev-database-replica-1", "phased-stack-dev-database", "b", undefined, undefined],
          ["phased-stack-dev-database-replica-2", "phased-stack-dev-database", "c", undefined, undefined],
        ],
      );
      assert.deepEqual(await Promise.all(database.replicaHosts.map(valueOf)), [
        "phased-stack-dev-database-replica-1.abc123.rds.eu-central-1.amazonaws.com",
        "phased-stack-dev-database-replica-2.abc123.rds.eu-central-1.amazonaws.com",
      ]);
      assert.deepEqual(database.identifiers.slice(1), ["phased-stack-dev-database-replica-1", "phased-stack-dev-database-replica-2"]);
    });

    it("leaves the owner's password to RDS unless there are replicas, which RDS refuses to make then", async () => {
      const alone = await make({ replicas: 0 });
      const { inputs } = recorder.get("database-primary");
      assert.deepEqual([inputs["manageMasterUserPassword"], inputs["masterUserSecretKmsKeyId"]], [true, "arn:data-key"]);
      assert.match(await valueOf(alone.secretArns.owner), /:secret:rds!/);
      recorder = await Recorder.install();
      const followed = await make();
      const primary = recorder.get("database-primary");
      assert.deepEqual([primary.inputs["manageMasterUserPassword"], primary.inputs["password"]], [undefined, undefined]);
      assert.deepEqual(primary.secrets, [canary("database-owner-generated")]);
      assert.match(await valueOf(followed.secretArns.owner), /:secret:database-owner-kept-secret$/);
    });

    it("calls its owner by a name that RDS takes: it refuses words of Postgres, admin and maybe owner among them", async () => {
      const { owner } = await make();
      assert.equal(owner, "app_owner");
      assert.equal(recorder.get("database-primary").inputs["username"], owner);
    });

    it("forces TLS and has a parameter group of its own for each major version", async () => {
      await make();
      const { inputs } = recorder.get("database-postgres17");
      assert.equal(inputs["family"], "postgres17");
      const values = Object.fromEntries(
        (inputs["parameters"] as { name: string; value: string }[]).map(({ name, value }) => [name, value]),
      );
      assert.deepEqual([values["rds.force_ssl"], values["max_connections"]], ["1", "400"], "CKV2_AWS_69");
      assert.deepEqual([parameterFamily("17"), parameterFamily("18.1")], ["postgres17", "postgres18"]);
      assert.equal(new Set(serverParameters(10).map(({ name }) => name)).size, serverParameters(10).length);
      for (const server of recorder.ofType(INSTANCE)) assert.equal(server.inputs["parameterGroupName"], "database-postgres17-1a2b3c4");
    });

    it("has its logs' groups, encrypted and with an end, before RDS makes its own", async () => {
      await make({ replicas: 1 });
      const groups = recorder.ofType("aws:cloudwatch/logGroup:LogGroup");
      assert.deepEqual(
        groups.map(({ inputs }) => inputs["name"]),
        [
          "/aws/rds/instance/phased-stack-dev-database/postgresql",
          "/aws/rds/instance/phased-stack-dev-database/upgrade",
          "/aws/rds/instance/phased-stack-dev-database-replica-1/postgresql",
          "/aws/rds/instance/phased-stack-dev-database-replica-1/upgrade",
          "/aws/rds/proxy/phased-stack-dev-database-proxy",
          "/aws/lambda/phased-stack-dev-database-rotation-rotator",
        ],
      );
      for (const { inputs } of groups) assert.deepEqual([inputs["retentionInDays"], inputs["kmsKeyId"]], [30, "arn:logs-key"]);
      const { dependencies } = recorder.get("database-primary");
      assert.ok(dependencies.some((urn) => urn.endsWith("::database-primary-postgresql-logs")));
      assert.ok(
        dependencies.some((urn) => urn.endsWith("::database-monitoring-managed-1")),
        "the role may write before it is used",
      );
    });

    it("C1 pools connections in RDS Proxy, over TLS, with the app's login only", async () => {
      const database = await make();
      const { inputs } = recorder.get("database-proxy-proxy");
      const [auth] = inputs["auths"] as Record<string, unknown>[];
      assert.deepEqual([inputs["requireTls"], auth?.["authScheme"]], [true, "SECRETS"]);
      assert.match(String(auth?.["secretArn"]), /:secret:database-app-kept-secret$/);
      const pool = recorder.get("database-proxy-targets").inputs["connectionPoolConfig"] as Record<string, number>;
      assert.deepEqual([pool["maxConnectionsPercent"], pool["connectionBorrowTimeout"]], [80, 10]);
      assert.equal(await valueOf(database.host), "database-proxy-proxy.abc123.proxy.eu-central-1.amazonaws.com");
      const allowed = statementsOf(recorder.get("database-proxy-role-policy"));
      assert.deepEqual(
        allowed.map(({ Action, Resource }) => [Action, String(Resource).split(":").at(-1)]),
        [
          ["secretsmanager:GetSecretValue", "database-app-kept-secret"],
          ["kms:Decrypt", "data-key"],
        ],
      );
      assert.throws(
        () => new Database("database", { ...DATABASE, proxy: { securityGroupId: "s", maxConnectionsPercent: 95, borrowSeconds: 1 } }),
        /maxConnectionsPercent is 95; allowed: 1 to 90/,
      );
    });

    it("A14 lets the app in with tokens of IAM on request: to the pool, from there to the primary, and to each replica", async () => {
      const database = await make({ iamLogin: true });
      assert.equal(database.iam?.user, "app_iam");
      const arn = (id: string): string => `arn:aws:rds-db:eu-central-1:123456789012:dbuser:${id}/app_iam`;
      const arns = await Promise.all(database.iam.userArns.map((each) => valueOf(each)));
      assert.deepEqual(arns, ["prx-database-proxy-proxy", "db-database-replica-1", "db-database-replica-2"].map(arn));
      const { inputs } = recorder.get("database-proxy-proxy");
      assert.deepEqual([inputs["defaultAuthScheme"], inputs["requireTls"]], ["IAM_AUTH", true]);
      assert.equal((inputs["auths"] as unknown[]).length, 1, "tasks of the former configuration go on with the password");
      const [login, ...more] = statementsOf(recorder.get("database-proxy-role-policy")).filter(({ Action }) => Action === "rds-db:connect");
      assert.deepEqual([login?.["Resource"], more], [arn("db-database-primary"), []]);
      for (const server of recorder.ofType(INSTANCE)) assert.equal(server.inputs["iamDatabaseAuthenticationEnabled"], true);
    });

    it("A14 without it takes the password alone, and says so: AWS would keep what was there before", async () => {
      const database = await make();
      assert.deepEqual([database.iam, recorder.get("database-proxy-proxy").inputs["defaultAuthScheme"]], [undefined, "NONE"]);
      const direct = await make({ iamLogin: true, proxy: undefined, replicas: 0 });
      const [arn] = direct.iam?.userArns ?? [];
      assert.ok(arn);
      assert.equal(await valueOf(arn), "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-database-primary/app_iam");
    });

    it("is disposable where it is not protected", async () => {
      const database = await make({ protect: false, multiAz: false, replicas: 0, backupDays: 1, proxy: undefined, monitoringSeconds: 0 });
      const { inputs, protect } = recorder.get("database-primary");
      assert.deepEqual(
        [inputs["skipFinalSnapshot"], inputs["deletionProtection"], inputs["deleteAutomatedBackups"], inputs["availabilityZone"], protect],
        [true, false, true, "a", false],
      );
      assert.equal(await valueOf(database.host), await valueOf(database.primaryHost));
      assert.deepEqual(recorder.ofType("aws:rds/proxy:Proxy"), []);
    });

    it("names everything that does not go together, at once", () => {
      assert.throws(
        () => new Database("database", { ...DATABASE, maxAllocatedGb: 120, replicas: 1, backupDays: 0 }),
        /database: maxAllocatedGb is 120; allowed: at least 1\.5 times allocatedGb, 150; backupDays is 0; allowed: at least 1 with replicas/,
      );
    });
  });

  describe("Cache", () => {
    it("fails over to another zone, encrypted at rest and on the way, with a token", async () => {
      const cache = new Cache("redis-cache", CACHE, withProvider());
      const { inputs, secrets, protect } = await recorded("redis-cache-group");
      const expected = {
        replicationGroupId: "phased-stack-dev-redis-cache",
        numCacheClusters: 3,
        automaticFailoverEnabled: true,
        multiAzEnabled: true,
        atRestEncryptionEnabled: true,
        kmsKeyId: "arn:data-key",
        transitEncryptionEnabled: true,
        snapshotRetentionLimit: 0,
      };
      assert.deepEqual(
        Object.fromEntries(Object.keys(expected).map((key) => [key, inputs[key]])),
        expected,
        "CKV_AWS_29/30/31, CKV2_AWS_50",
      );
      assert.deepEqual([secrets, protect], [[canary("redis-cache-token")], true]);
      assert.deepEqual(recorder.get("redis-cache-url-version").secrets, [
        `rediss://:${canary("redis-cache-token")}@redis-cache-group.abc123.cache.eu-central-1.amazonaws.com:6379`,
      ]);
      assert.deepEqual(cache.nodeIds.at(-1), "phased-stack-dev-redis-cache-003");
      assertWellMade(recorder);
      noCanaries();
    });

    it("gives up what expires where it is a cache, and nothing where it holds limits and queues", async () => {
      new Cache("redis-cache", CACHE, withProvider());
      new Cache("redis-limits", { ...CACHE, role: "limits", snapshotDays: 7 }, withProvider());
      await settled();
      const policy = (name: string): unknown =>
        (recorder.get(name).inputs["parameters"] as { name: string; value: string }[]).find((one) => one.name === "maxmemory-policy")
          ?.value;
      assert.deepEqual([policy("redis-cache-valkey8"), policy("redis-limits-valkey8")], ["volatile-lru", "noeviction"]);
      assert.equal(recorder.get("redis-limits-group").inputs["snapshotRetentionLimit"], 7);
      const logs = recorder.get("redis-limits-group").inputs["logDeliveryConfigurations"] as Record<string, string>[];
      assert.deepEqual(
        logs.map(({ logType, destination }) => [logType, destination]),
        [
          ["slow-log", "/phased-stack/dev/redis-limits/slow-log"],
          ["engine-log", "/phased-stack/dev/redis-limits/engine-log"],
        ],
      );
    });

    it("has an identifier that ElastiCache takes, however long the stack's name is", async () => {
      const stack = "a-branch-with-a-very-long-name-of-somebody";
      for (const name of ["redis-cache", "redis-limits"]) new Cache(name, { ...CACHE, context: { ...CONTEXT, stack } }, withProvider());
      await settled();
      const ids = recorder
        .ofType("aws:elasticache/replicationGroup:ReplicationGroup")
        .map(({ inputs }) => String(inputs["replicationGroupId"]));
      for (const id of ids) assert.match(id, /^[a-z](?!.*--)[a-z0-9-]{0,38}[a-z0-9]$/);
      assert.equal(new Set(ids).size, 2);
    });

    it("is one node without failover in development", async () => {
      new Cache("redis-cache", { ...CACHE, nodes: 1, protect: false }, withProvider());
      const { inputs } = await recorded("redis-cache-group");
      assert.deepEqual(
        [inputs["automaticFailoverEnabled"], inputs["multiAzEnabled"], inputs["finalSnapshotIdentifier"]],
        [false, false, undefined],
      );
      assert.throws(() => new Cache("redis-cache", { ...CACHE, nodes: 0 }), /nodes is 0; allowed: an integer from 1 to 6/);
    });
  });

  async function recorded(name: string): Promise<ReturnType<Recorder["get"]>> {
    await settled();
    return recorder.get(name);
  }

  /** No generated text was given to a resource outside a secret. */
  function noCanaries(): void {
    for (const { name, plain } of recorder.resources) assert.doesNotMatch(plain, /canary-value-of-/, name);
    assert.ok(pulumi.getStack());
  }
});
