import assert from "node:assert/strict";
import * as aws from "@pulumi/aws";
import type { ServiceArgs } from "../../../../components/aws/service";
import { Migrations } from "../../../../components/aws/migrations";
import {
  Cluster,
  ecrRepositoryArn,
  Service,
  STOP_SECONDS,
  taskEnvironment,
  taskLogGroup,
  TaskRoles,
} from "../../../../components/aws/service";
import type { TaskServices } from "../../../../components/aws/service/environment";
import { containerEnvironment } from "../../../../components/aws/service/environment";
import { DRAIN_DELAY_SECONDS, SHUTDOWN_TIMEOUT_SECONDS } from "../../../../components/contract";
import { Recorder, settled, valueOf } from "../../../support/pulumi-mocks";
import { assertWellMade, CONTEXT, statementsOf, withProvider } from "./support";

const LOGS = { retentionDays: 30, kmsKeyArn: "arn:logs-key" };
const SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret";
const IMAGE = `123456789012.dkr.ecr.eu-central-1.amazonaws.com/app@sha256:${"a".repeat(64)}`;
const SERVICES: TaskServices = {
  region: CONTEXT.region,
  database: { host: "proxy", port: 5432, name: "app", user: "app", password: `${SECRET}:app:password::`, replicaHosts: ["one", "two"] },
  redis: { cacheUrl: `${SECRET}:cache`, limitsUrl: `${SECRET}:limits` },
  uploads: { bucket: "uploads" },
  sessionSecret: `${SECRET}:session`,
  adminToken: `${SECRET}:admin`,
  metricsNamespace: "shop/prod",
};
const SETTINGS = { appName: "shop", version: "1", role: "web", workers: 2, pools: { max: 20, replicaMax: 30 } } as const;

interface Container {
  readonly environment: readonly { readonly name: string; readonly value: string }[];
  readonly secrets: readonly { readonly name: string; readonly valueFrom: string }[];
  readonly [key: string]: unknown;
}

describe("the app on ECS", () => {
  let recorder: Recorder;
  beforeEach(async () => {
    recorder = await Recorder.install();
  });

  function serviceArgs(): ServiceArgs {
    const provider = withProvider();
    const cluster = new Cluster("cluster", { context: CONTEXT }, provider);
    const logGroup = taskLogGroup("web-logs", { context: CONTEXT, role: "web", logs: LOGS }, provider);
    return {
      context: CONTEXT,
      role: "web",
      cluster,
      logGroup,
      image: IMAGE,
      architecture: "ARM64",
      cpu: 2048,
      memoryMb: 4096,
      environment: taskEnvironment(SERVICES, SETTINGS),
      executionRoleArn: "arn:execution",
      taskRoleArn: "arn:task",
      subnetIds: ["private-1", "private-2"],
      securityGroupId: "sg-app",
      desiredTasks: 3,
      capacity: { base: 2, fargate: 1, spot: 1 },
      targetGroupArn: "arn:targets",
    };
  }

  const container = (name: string): Container => (JSON.parse(String(recorder.get(name).inputs["containerDefinitions"])) as Container[])[0]!;

  describe("A14 A18 Service", () => {
    it("rolls out beside the old tasks, goes back by itself, and reports it", async () => {
      new Service("web", serviceArgs(), withProvider());
      await settled();
      const { inputs, ignoreChanges } = recorder.get("web-service");
      const expected = {
        deploymentCircuitBreaker: { enable: true, rollback: true },
        deploymentMinimumHealthyPercent: 100,
        deploymentMaximumPercent: 200,
        waitForSteadyState: true,
        enableExecuteCommand: false,
        platformVersion: "LATEST",
        healthCheckGracePeriodSeconds: 60,
        networkConfiguration: { subnets: ["private-1", "private-2"], securityGroups: ["sg-app"], assignPublicIp: false },
        desiredCount: 3,
        capacityProviderStrategies: [
          { capacityProvider: "FARGATE", base: 2, weight: 1 },
          { capacityProvider: "FARGATE_SPOT", weight: 1 },
        ],
        loadBalancers: [{ targetGroupArn: "arn:targets", containerName: "app", containerPort: 3001 }],
      };
      assert.deepEqual(Object.fromEntries(Object.keys(expected).map((key) => [key, inputs[key]])), expected, "CKV_AWS_333");
      assert.deepEqual(ignoreChanges, ["desiredCount"], "autoscaling decides from then on");
      assertWellMade(recorder);
    });

    it("is found by the others in the cluster's namespace, whichever role it has", async () => {
      const args = serviceArgs();
      for (const role of ["web", "jobs", "consumer"] as const)
        new Service(role, { ...args, role, targetGroupArn: undefined }, withProvider());
      await settled();
      assert.deepEqual(
        ["web", "jobs", "consumer"].map((role) => {
          const { services, enabled } = recorder.get(`${role}-service`).inputs["serviceConnectConfiguration"] as Record<string, unknown>;
          return [enabled, (services as { clientAlias: unknown }[])[0]?.clientAlias];
        }),
        ["app", "jobs", "consumer"].map((dnsName) => [true, [{ dnsName, port: 3001 }]]),
      );
      assert.deepEqual(
        container("web-task")["portMappings"],
        [{ name: "app", containerPort: 3001, hostPort: 3001, protocol: "tcp" }],
        "as a proxy for HTTP, Service Connect would end streams after 15 s",
      );
      assert.equal(
        recorder.get("jobs-service").inputs["healthCheckGracePeriodSeconds"],
        undefined,
        "without a load balancer ECS refuses it",
      );
      const { settings } = recorder.get("cluster-ecs").inputs;
      assert.deepEqual(settings, [{ name: "containerInsights", value: "enhanced" }], "CKV_AWS_65");
    });

    it("runs its container without privilege on a root nobody can write to, and gives it time to drain", async () => {
      new Service("web", serviceArgs(), withProvider());
      await settled();
      const definition = container("web-task");
      const expected = {
        image: IMAGE,
        user: "10001:10001",
        privileged: false,
        readonlyRootFilesystem: true,
        linuxParameters: { initProcessEnabled: true, capabilities: { drop: ["ALL"] } },
        mountPoints: [{ sourceVolume: "data", containerPath: "/data", readOnly: false }],
      };
      assert.deepEqual(Object.fromEntries(Object.keys(expected).map((key) => [key, definition[key]])), expected, "CKV_AWS_336");
      assert.ok(STOP_SECONDS > DRAIN_DELAY_SECONDS + SHUTDOWN_TIMEOUT_SECONDS && STOP_SECONDS <= 120);
      assert.equal(definition["stopTimeout"], STOP_SECONDS);
      const { options } = definition["logConfiguration"] as { options: Record<string, string> };
      assert.deepEqual([options["mode"], options["awslogs-group"]], ["non-blocking", "/phased-stack/dev/web"]);
      assert.deepEqual((definition["healthCheck"] as { command: string[] }).command, ["CMD", "node", "main.js", "healthcheck"]);
      const { inputs } = recorder.get("web-task");
      assert.deepEqual([inputs["cpu"], inputs["memory"], inputs["networkMode"]], ["2048", "4096", "awsvpc"]);
      assert.notEqual(inputs["taskRoleArn"], inputs["executionRoleArn"], "CKV_AWS_249");
    });

    it("has the app's contract in its environment, and secrets by reference only", async () => {
      new Service("web", serviceArgs(), withProvider());
      await settled();
      const { environment, secrets } = container("web-task");
      const variables = Object.fromEntries(environment.map(({ name, value }) => [name, value]));
      assert.equal(variables["DATABASE_URL"], "postgres://app@proxy:5432/app?sslmode=verify-full");
      assert.equal(
        variables["DATABASE_READ_REPLICAS"],
        "postgres://app@one:5432/app?sslmode=verify-full,postgres://app@two:5432/app?sslmode=verify-full",
      );
      assert.deepEqual(
        ["ROLE", "WORKERS", "DB_POOL_MAX", "DB_REPLICA_POOL_MAX", "S3_BUCKET", "S3_DIRECT_UPLOADS", "MIGRATIONS", "TMPDIR"].map(
          (name) => variables[name],
        ),
        ["web", "2", "20", "30", "uploads", "on", "external", "/data"],
      );
      assert.deepEqual([variables["DATABASE_CA"], variables["AWS_REGION"]], ["rds", "eu-central-1"]);
      assert.deepEqual(
        Object.keys(variables).filter((name) => name.startsWith("KAFKA_")),
        [],
      );
      assert.deepEqual(
        secrets.map(({ name, valueFrom }) => [name, valueFrom.replace(`${SECRET}:`, "")]),
        [
          ["ADMIN_TOKEN", "admin"],
          ["DATABASE_PASSWORD", "app:password::"],
          ["REDIS_LIMITS_URL", "limits"],
          ["REDIS_URL", "cache"],
          ["SESSION_SECRET", "session"],
        ],
      );
      assert.deepEqual(
        environment.map(({ name }) => name),
        environment.map(({ name }) => name).sort(),
        "in one order, or each update would be a new revision",
      );
      assert.throws(() => taskEnvironment(SERVICES, { ...SETTINGS, extra: { S3_BUCKET: "other" } }), /cannot be set by hand: S3_BUCKET/);
    });

    it("logs in to Kafka by its role, over TLS", async () => {
      const kafka = taskEnvironment({ ...SERVICES, kafka: { brokers: "b-1:9098,b-2:9098" } }, SETTINGS);
      const variables = (await valueOf(kafka.environment)).filter(({ name }) => name.startsWith("KAFKA_"));
      assert.deepEqual(
        variables.map(({ name, value }) => `${name}=${value}`),
        ["KAFKA_BROKERS=b-1:9098,b-2:9098", "KAFKA_SASL_MECHANISM=AWS_MSK_IAM", "KAFKA_TLS=true"],
      );
    });

    it("may do what it needs, and nothing on everything", async () => {
      const uses = {
        uploads: { bucketArn: "arn:aws:s3:::uploads", kmsKeyArn: "arn:storage-key" },
        sqs: { queueArn: "arn:queue", kmsKeyArn: "arn:messages-key" },
        kafka: { clusterArn: "arn:aws:kafka:eu-central-1:123456789012:cluster/events/uuid" },
        database: { userArns: ["arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-1/app_iam"] },
      };
      const args = { context: CONTEXT, repositoryArns: ["arn:repository"], logGroupArns: ["arn:logs"], secretArns: [SECRET] };
      const roles = new TaskRoles("roles", { ...args, dataKeyArn: "arn:data-key", uses }, withProvider());
      await settled();
      assert.equal(roles.policies.length, 2);
      const statements = ["roles-execution-policy", "roles-task-policy"].flatMap((name) => statementsOf(recorder.get(name)));
      for (const { Sid, Action, Resource } of statements) {
        assert.ok(!JSON.stringify(Action).includes("*"), String(Sid));
        if (Sid !== "LoginToRegistry") assert.notEqual(Resource, "*", String(Sid));
      }
      const byId = new Map(statements.map(({ Sid, Resource }) => [Sid, Resource]));
      assert.equal(byId.get("KeepUploads"), "arn:aws:s3:::uploads/uploads/*");
      assert.equal(byId.get("TakeUploads"), "arn:aws:s3:::uploads/incoming/*");
      assert.equal(byId.get("UseTopics"), "arn:aws:kafka:eu-central-1:123456789012:topic/events/uuid/*");
      assert.deepEqual(byId.get("LoginToDatabase"), ["arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-1/app_iam"]);
      for (const name of ["roles-execution", "roles-task"]) {
        const [assumed] = statementsOf(recorder.get(name), "assumeRolePolicy");
        assert.deepEqual(assumed?.["Condition"], { StringEquals: { "aws:SourceAccount": CONTEXT.accountId } });
      }
    });

    it("knows the repository of an image in an ECR of any account", () => {
      assert.equal(ecrRepositoryArn(IMAGE), "arn:aws:ecr:eu-central-1:123456789012:repository/app");
      assert.equal(ecrRepositoryArn(`1.dkr.ecr.cn-north-1.amazonaws.com.cn/team/app@sha256:1`), undefined, "an account has 12 digits");
      assert.equal(ecrRepositoryArn("docker.io/team/app:1"), undefined);
    });
  });

  describe("A14 Migrations", () => {
    const make = async (image = IMAGE): Promise<Migrations> => {
      const provider = withProvider();
      const cluster = new Cluster("cluster", { context: CONTEXT }, provider);
      const logGroup = taskLogGroup("migrations-logs", { context: CONTEXT, role: "migrations", logs: LOGS }, provider);
      const roles = ["execution", "task"].map(
        (name) => new aws.iam.Role(name, { assumeRolePolicy: "{}", tags: { Project: "phased-stack", Name: "phased-stack-dev-x" } }),
      );
      const task = {
        image,
        architecture: "ARM64",
        environment: containerEnvironment(
          { DATABASE_URL: "postgres://owner@primary/app" },
          { DATABASE_PASSWORD: `${SECRET}:owner:password::` },
        ),
        executionRoleArn: "arn:execution",
        taskRoleArn: "arn:task",
        logGroup,
      } as const;
      const network = { subnetIds: ["private-1"], securityGroupId: "sg-app" };
      const migrations = new Migrations("migrations", { context: CONTEXT, task, roles, cluster, logs: LOGS, ...network }, provider);
      await settled();
      return migrations;
    };

    it("run once for each definition of their task: the call is another one whenever that is", async () => {
      await make();
      const { inputs } = recorder.get("migrations-run");
      const definition = "arn:aws:ecs:eu-central-1:123456789012:task-definition/phased-stack-dev-migrations-task:1";
      assert.deepEqual([inputs["triggers"], inputs["lifecycleScope"]], [{ taskDefinition: definition }, "CREATE_ONLY"]);
      assert.deepEqual(JSON.parse(String(inputs["input"])), {
        cluster: "arn:aws:ecs:eu-central-1:123456789012:cluster/cluster-ecs-1a2b3c4",
        taskDefinition: definition,
        subnets: ["private-1"],
        securityGroups: ["sg-app"],
        container: "app",
        logGroup: "/phased-stack/dev/migrations",
      });
      const definitionOfTask = container("migrations-task");
      assert.deepEqual(
        [definitionOfTask["command"], definitionOfTask["portMappings"], definitionOfTask["healthCheck"]],
        [["migrate"], undefined, undefined],
      );
      assertWellMade(recorder);
    });

    it("start no other task, and hand over no other role", async () => {
      await make();
      const statements = statementsOf(recorder.get("migrations-runner-role-policy"));
      const byId = new Map(statements.map((statement) => [statement["Sid"], statement]));
      assert.equal(
        byId.get("StartMigration")?.["Resource"],
        "arn:aws:ecs:eu-central-1:123456789012:task-definition/phased-stack-dev-migrations-task:*",
      );
      assert.deepEqual(byId.get("GiveRolesToTasks")?.["Resource"], [
        "arn:aws:iam::123456789012:role/execution",
        "arn:aws:iam::123456789012:role/task",
      ]);
      assert.deepEqual(byId.get("GiveRolesToTasks")?.["Condition"], { StringEquals: { "iam:PassedToService": "ecs-tasks.amazonaws.com" } });
      for (const { Resource } of statements) assert.notEqual(Resource, "*");
    });

    it("are told of by environment and reference: the owner's address without its password", async () => {
      const migrations = await make();
      assert.deepEqual(container("migrations-task").environment, [{ name: "DATABASE_URL", value: "postgres://owner@primary/app" }]);
      assert.match(await valueOf(migrations.nodes.taskDefinition.arn), /task-definition/);
    });
  });
});
