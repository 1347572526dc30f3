import assert from "node:assert/strict";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { OwnerRotation } from "../../../../components/aws/rotation";
import { Recorder, settled } from "../../../support/pulumi-mocks";
import { assertWellMade, CONTEXT, statementsOf, withProvider } from "./support";

type Fields = Record<string, unknown>;
type CheckRollout = (event: Fields, describe: (input: Fields) => Promise<Fields>) => Promise<unknown>;
type Rotate = (event: Fields, cloud: object, instance: string) => Promise<unknown>;

async function load<Exports>(file: string): Promise<Exports> {
  return (await import(pathToFileURL(path.resolve(__dirname, "../../../../components/aws", file)).href)) as Exports;
}

describe("functions of the cloud phase's own operation", () => {
  describe("F3 the check of a rollout", () => {
    const EVENT = { cluster: "arn:cluster", service: "web", taskDefinition: "arn:task-definition/web:8" };
    const check = async (service: Fields): Promise<unknown> => {
      const { checkRollout } = await load<{ checkRollout: CheckRollout }>("rollout/check-rollout.mjs");
      return checkRollout(EVENT, () => Promise.resolve({ services: [service] }));
    };

    it("is content with a service that runs the new definition", async () => {
      const deployments = [{ status: "PRIMARY", taskDefinition: EVENT.taskDefinition, rolloutState: "COMPLETED" }];
      assert.deepEqual(await check({ deployments }), { service: "web", taskDefinition: EVENT.taskDefinition });
    });

    it("fails for a service that is stable because ECS has gone back, and says why and what to do", async () => {
      const deployments = [
        { status: "PRIMARY", taskDefinition: "arn:task-definition/web:7", rolloutState: "COMPLETED", rolloutStateReason: "rolled back" },
      ];
      const events = [{ message: "(service web) deployment failed: tasks failed to start." }];
      await assert.rejects(
        check({ deployments, events }),
        /^Error: service web did not become healthy and runs web:7 instead of web:8 \(rolled back\)\. Its last events: .*tasks failed to start\..* pulumi up --refresh$/,
      );
    });

    it("fails for a definition whose own rollout failed, and for a service that is gone", async () => {
      const deployments = [
        { status: "PRIMARY", taskDefinition: EVENT.taskDefinition, rolloutState: "FAILED", rolloutStateReason: "circuit breaker" },
      ];
      await assert.rejects(check({ deployments }), /runs web:8 instead of web:8 \(circuit breaker\)/);
      const { checkRollout } = await load<{ checkRollout: CheckRollout }>("rollout/check-rollout.mjs");
      const gone = checkRollout(EVENT, () => Promise.resolve({ services: [], failures: [{ reason: "MISSING" }] }));
      await assert.rejects(gone, /service web cannot be found: MISSING/);
    });
  });

  describe("the rotation of the owner's password", () => {
    const TOKEN = "new-version";

    /** Secrets Manager and RDS in memory, asked as the function asks them. */
    class Cloud {
      readonly versions = new Map<string, { content?: string; stages: string[] }>([
        ["old-version", { content: '{"username":"owner","password":"old"}', stages: ["AWSCURRENT"] }],
        [TOKEN, { stages: ["AWSPENDING"] }],
      ]);
      serverPassword = "old";
      pendingLooks = 2;
      made = 0;
      passedMs = 0;

      describeSecret(): Promise<Fields> {
        const stages = [...this.versions].map(([id, version]) => [id, version.stages] as const);
        return Promise.resolve({ VersionIdsToStages: Object.fromEntries(stages) });
      }
      getSecretValue({ VersionId, VersionStage }: { VersionId?: string; VersionStage: string }): Promise<Fields> {
        const [, found] =
          [...this.versions].find(([id, { stages }]) => (VersionId === undefined || id === VersionId) && stages.includes(VersionStage)) ??
          [];
        if (found?.content === undefined) {
          return Promise.reject(Object.assign(new Error("no such version"), { name: "ResourceNotFoundException" }));
        }
        return Promise.resolve({ SecretString: found.content });
      }
      getRandomPassword(): Promise<Fields> {
        this.made += 1;
        return Promise.resolve({ RandomPassword: `made-${this.made}` });
      }
      putSecretValue({ SecretString }: { SecretString: string }): Promise<Fields> {
        this.versions.get(TOKEN)!.content = SecretString;
        return Promise.resolve({});
      }
      modifyDBInstance({ MasterUserPassword }: { MasterUserPassword: string }): Promise<Fields> {
        this.serverPassword = MasterUserPassword;
        return Promise.resolve({});
      }
      describeDBInstances(): Promise<Fields> {
        this.pendingLooks -= 1;
        const PendingModifiedValues = this.pendingLooks > 0 ? { MasterUserPassword: "****" } : {};
        return Promise.resolve({ DBInstances: [{ DBInstanceStatus: "available", PendingModifiedValues }] });
      }
      updateSecretVersionStage({ MoveToVersionId, RemoveFromVersionId }: Record<string, string>): Promise<Fields> {
        this.versions.get(RemoveFromVersionId!)!.stages = ["AWSPREVIOUS"];
        this.versions.get(MoveToVersionId!)!.stages = ["AWSCURRENT"];
        return Promise.resolve({});
      }
      sleep(ms: number): Promise<void> {
        this.passedMs += ms;
        return Promise.resolve();
      }
      remainingMs(): number {
        return 300_000 - this.passedMs;
      }
    }
    const step = async (name: string, cloud: Cloud, token = TOKEN): Promise<void> => {
      const { rotate } = await load<{ rotate: Rotate }>("rotation/rotate-owner.mjs");
      await rotate({ Step: name, SecretId: "secret", ClientRequestToken: token }, cloud, "database");
    };
    const STEPS = ["createSecret", "setSecret", "testSecret", "finishSecret"];

    it("gives server and secret the same new password, and the old one up only in the end", async () => {
      const cloud = new Cloud();
      for (const name of STEPS.slice(0, 3)) await step(name, cloud);
      assert.deepEqual(cloud.versions.get("old-version")?.stages, ["AWSCURRENT"]);
      await step("finishSecret", cloud);
      assert.equal(cloud.versions.get(TOKEN)?.content, '{"username":"owner","password":"made-1"}');
      assert.deepEqual([cloud.serverPassword, cloud.versions.get(TOKEN)?.stages], ["made-1", ["AWSCURRENT"]]);
      assert.equal(cloud.pendingLooks, 0, "it waited until the server had it");
    });

    it("may repeat every step, with one password in the end", async () => {
      const cloud = new Cloud();
      for (const name of STEPS) {
        await step(name, cloud);
        await step(name, cloud);
      }
      assert.deepEqual([cloud.made, cloud.serverPassword], [1, "made-1"]);
    });

    it("refuses a version that is none of this rotation, and says that the server has not taken the password", async () => {
      await assert.rejects(step("createSecret", new Cloud(), "other"), /the secret has no version other to rotate to/);
      const strange = new Cloud();
      strange.versions.get(TOKEN)!.stages = [];
      await assert.rejects(step("createSecret", strange), /is not AWSPENDING/);
      const slow = new Cloud();
      slow.pendingLooks = 1000;
      await assert.rejects(step("testSecret", slow), /the database database has not taken the new password yet/);
      await assert.rejects(step("deleteSecret", new Cloud()), /deleteSecret is not a step/);
    });

    it("is called by Secrets Manager for this secret, every month, and may change this server alone", async () => {
      const recorder = await Recorder.install();
      const logs = { retentionDays: 30, kmsKeyArn: "arn:logs-key" };
      const args = { context: CONTEXT, secretArn: "arn:secret", kmsKeyArn: "arn:data-key", instanceIdentifier: "database", logs };
      new OwnerRotation("rotation", args, withProvider());
      await settled();
      const { rotationRules, rotateImmediately } = recorder.get("rotation-schedule").inputs;
      assert.deepEqual([rotationRules, rotateImmediately], [{ automaticallyAfterDays: 30 }, false]);
      const { principal, sourceArn } = recorder.get("rotation-called").inputs;
      assert.deepEqual([principal, sourceArn], ["secretsmanager.amazonaws.com", "arn:secret"]);
      const change = statementsOf(recorder.get("rotation-rotator-role-policy")).find(({ Sid }) => Sid === "ChangePassword");
      assert.equal(change?.["Resource"], "arn:aws:rds:eu-central-1:123456789012:db:database");
      assert.throws(() => new OwnerRotation("rotation", { ...args, days: 91 }), /days is 91; allowed: 1 to 90/);
      assertWellMade(recorder);
    });
  });
});
