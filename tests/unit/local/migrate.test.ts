import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { failureText, Migrate, MIGRATE_SERVICE, type MigrateArgs } from "../../../components/local/migrate";
import { explainFailure } from "../../../toolchain/lib/update-failures";
import { FINISHED_SERVICES } from "../../../toolchain/lib/docker-app";
import { Recorder, settled } from "../../support/pulumi-mocks";

const ARGS: MigrateArgs = {
  ...{ image: "app:1", version: "1", appName: "shop", networkName: "net-1", secretsRevision: "r-1", attempt: 3 },
  databaseUrl: { path: "/run/secrets/url" },
  queues: { host: "redis", port: 6379 },
  mount: { volumeName: "owner", containerPath: "/run/secrets", readOnly: true },
};

describe("A14 the container that migrates", () => {
  it("runs once to its end; nothing of the image's health check is left to be filled in, and no volume of the image is made", async () => {
    const recorder = await Recorder.install();
    const migrate = new Migrate("migrate", ARGS);
    await settled();
    const { inputs, deleteBeforeReplace } = recorder.get("migrate-run");
    assert.deepEqual(
      ["restart", "attach", "logs", "mustRun", "wait"].map((key) => inputs[key]),
      ["no", true, true, false, undefined],
    );
    assert.deepEqual((inputs["command"] as string[]).slice(3), ["node", "main.js", "migrate"]);
    const { tests, ...fields } = inputs["healthcheck"] as Record<string, unknown>;
    assert.deepEqual(tests, ["NONE"]);
    assert.deepEqual(Object.keys(fields).sort(), ["interval", "retries", "startPeriod", "timeout"]);
    for (const value of Object.values(fields)) assert.ok(Number.parseInt(String(value), 10) > 0);
    assert.deepEqual(Object.keys(inputs["tmpfs"] as object).sort(), ["/data", "/tmp"]);
    assert.equal(deleteBeforeReplace, false);
    assert.ok(FINISHED_SERVICES.includes(MIGRATE_SERVICE));
    assert.ok(pulumi.Resource.isInstance(await promiseOf(migrate.succeeded)));
  });

  it("whoever depends on it is not touched when it failed, and the update says why", async () => {
    const recorder = await Recorder.install();
    Recorder.exitCode = 1;
    const { succeeded } = new Migrate("migrate", ARGS);
    await assert.rejects(promiseOf(succeeded), (error) => {
      assert.ok(pulumi.RunError.isInstance(error));
      assert.match(
        error.message,
        /^the migration of the database failed \(exit code 1\).*Its last lines:\n {4}first line\n {4}last line$/s,
      );
      const known = explainFailure(`error: ${error.message}\nno space left on device`, { stack: "dev", configSet: () => "" });
      assert.equal(known?.kind, "migration");
      return true;
    });
    assert.ok(recorder.names().includes("migrate-run"));
  });

  it("says what ended it, and no more than the end of its log", () => {
    assert.match(failureText(124, ""), /took longer than 3600 s\).*It printed nothing\.$/);
    assert.match(failureText(137, undefined), /more than 256 MiB/);
    assert.match(failureText(undefined, "x"), /nobody saw how it ended/);
    const lines = Array.from({ length: 30 }, (_, index) => `line ${index + 1}`);
    const told = failureText(2, `${lines.join("\n")}\n`);
    assert.ok(told.includes("line 30") && told.includes("line 21") && !told.includes("line 20"));
  });
});

function promiseOf<T>(output: pulumi.Output<T>): Promise<T> {
  return (output as unknown as { promise(): Promise<T> }).promise();
}
