import assert from "node:assert/strict";
import { evaluate, sentence } from "../../../policy/evaluate";
import { Graph, type Resource } from "../../../policy/graph";
import { profileOf } from "../../../policy/profile";
import { RULES } from "../../../policy/rules";
import { cloudGraph, EKS } from "../../support/cloud-program";
import { identities } from "../../support/golden";
import { decide, type Request } from "../../support/iam-simulation";

const VIA_S3 = { "kms:ViaService": "s3.eu-central-1.amazonaws.com" };
const VIA_SECRETS = { "kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com" };

/** The roles by runtime: what the app works as, who reads its secrets, and who reads those of the migration. */
const ROLES = {
  ecs: { app: "app-roles-task", appSecrets: "app-roles-execution", migrationSecrets: "migrations-roles-execution" },
  eks: { app: "cluster-app-role", appSecrets: "cluster-app-role", migrationSecrets: "cluster-migrations-role" },
} as const;

for (const [runtime, roles] of Object.entries(ROLES)) {
  describe(`phase cloud: what roles can do, on ${runtime}`, function () {
    this.timeout(60_000);
    let resources: Resource[];
    before(async () => {
      resources = await cloudGraph("prod", { ...(runtime === "eks" ? EKS : {}), events: "sqs" });
    });
    const find = (name: string): Resource => {
      const found = resources.find((resource) => resource.name === name);
      assert.ok(found, name);
      return found;
    };
    const arn = (name: string): string => String(find(name).outputs["arn"]);
    const may = (role: string, { action, resource, context = {} }: Request): boolean =>
      decide(find(role), new Graph(resources), { action, resource, context }) === "allowed";
    const readSecret = (name: string): Request => ({ action: "secretsmanager:GetSecretValue", resource: arn(name) });

    it("A14 the app's role can do its work", () => {
      const work: Request[] = [
        ...["s3:GetObject", "s3:PutObject"].map((action) => ({ action, resource: `${arn("storage-uploads-bucket")}/uploads/1/a.pdf` })),
        ...["s3:GetObject", "s3:PutObject", "s3:DeleteObject"].map((action) => ({
          action,
          resource: `${arn("storage-uploads-bucket")}/incoming/1/2/3`,
        })),
        // To look for one file, and to list some of them.
        { action: "s3:ListBucket", resource: arn("storage-uploads-bucket") },
        { action: "s3:ListBucket", resource: arn("storage-uploads-bucket"), context: { "s3:prefix": "uploads/removed/" } },
        { action: "s3:ListBucket", resource: arn("storage-uploads-bucket"), context: { "s3:prefix": "incoming/" } },
        { action: "kms:GenerateDataKey", resource: arn("keys-storage"), context: VIA_S3 },
        ...["sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage"].map((action) => ({ action, resource: arn("events-events") })),
      ];
      for (const request of work) assert.ok(may(roles.app, request), request.action);
    });

    it("A14 and nothing beside it", () => {
      const rest: Request[] = [
        { action: "s3:PutObject", resource: `${arn("storage-uploads-bucket")}/a.pdf` },
        { action: "s3:PutObject", resource: `${arn("storage-assets-bucket")}/uploads/a.js` },
        { action: "s3:DeleteObject", resource: `${arn("storage-logs-bucket")}/uploads/a` },
        { action: "s3:ListBucket", resource: arn("storage-uploads-bucket"), context: { "s3:prefix": "" } },
        { action: "s3:ListBucket", resource: arn("storage-assets-bucket") },
        { action: "s3:PutBucketPolicy", resource: arn("storage-uploads-bucket") },
        { action: "kms:Decrypt", resource: arn("keys-storage") },
        { action: "kms:Decrypt", resource: arn("keys-logs"), context: VIA_S3 },
        { action: "kms:ScheduleKeyDeletion", resource: arn("keys-storage"), context: VIA_S3 },
        { action: "sqs:SendMessage", resource: arn("events-dead") },
        { action: "sqs:PurgeQueue", resource: arn("events-events") },
        { action: "rds:DeleteDBInstance", resource: arn("database-primary") },
        { action: "iam:PassRole", resource: arn(roles.app) },
        readSecret("database-owner-kept-secret"),
      ];
      for (const request of rest) assert.ok(!may(roles.app, request), `${request.action} ${request.resource}`);
    });

    it("A14 only the migration is given the password of the tables' owner", () => {
      for (const name of ["database-app-kept-secret", "redis-cache-url-secret", "redis-limits-url-secret", "session-secret-kept-secret"]) {
        assert.ok(may(roles.appSecrets, readSecret(name)), name);
      }
      const owner = readSecret("database-owner-kept-secret");
      assert.deepEqual([may(roles.appSecrets, owner), may(roles.migrationSecrets, owner)], [false, true]);
      assert.ok(!may(roles.migrationSecrets, readSecret("session-secret-kept-secret")));
      const decrypt = { action: "kms:Decrypt", resource: arn("keys-data") };
      for (const role of [roles.appSecrets, roles.migrationSecrets]) {
        assert.deepEqual([may(role, decrypt), may(role, { ...decrypt, context: VIA_SECRETS })], [false, true], role);
      }
    });

    it("A14 databaseLogin iam: the app logs in with tokens where it reads and writes, and is given no password", async () => {
      const changes = { ...(runtime === "eks" ? EKS : {}), events: "sqs", databaseLogin: "iam" };
      const graph = new Graph(await cloudGraph("prod", changes));
      const roleOf = (name: string): Resource => graph.resources.find((resource) => resource.name === name) ?? assert.fail(name);
      const can = (role: string, request: Request): boolean => decide(roleOf(role), graph, request) === "allowed";
      const login = (id: string, user = "app_iam"): Request => ({
        action: "rds-db:connect",
        resource: `arn:aws:rds-db:eu-central-1:123456789012:dbuser:${id}/${user}`,
      });
      for (const id of ["prx-database-proxy-proxy", "db-database-replica-1"]) {
        assert.deepEqual(
          ["app_iam", "app", "app_owner"].map((user) => can(roles.app, login(id, user))),
          [true, false, false],
          id,
        );
      }
      assert.ok(!can(roles.app, login("db-database-primary")), "writes go through the pool");
      assert.ok(can("database-proxy-role", login("db-database-primary")));
      assert.ok(!can(roles.migrationSecrets, login("db-database-primary")));
      assert.deepEqual(
        [
          can(roles.appSecrets, readSecret("database-app-kept-secret")),
          can(roles.migrationSecrets, readSecret("database-app-kept-secret")),
        ],
        [false, true],
      );
      assert.ok(!may(roles.app, login("prx-database-proxy-proxy")), "with a password it may not");
      const { violations } = evaluate([...graph.resources], RULES, profileOf("prod"));
      assert.deepEqual(violations.map(sentence), []);
      assert.deepEqual(identities([...graph.resources]), identities(resources), "the same resources: nothing is replaced");
    });
  });
}
