import assert from "node:assert/strict";
import { look } from "../../../toolchain/commands/status";
import { UserError } from "../../../toolchain/lib/errors";
import type { ExportedStack } from "../../../toolchain/lib/update-recovery";
import { withServer } from "../../support/web-server";

const DATABASE = { urn: "urn:pulumi:prod::p::aws:rds/instance:Instance::database", type: "aws:rds/instance:Instance", id: "db" };
const APP = { urn: "urn:pulumi:prod::p::docker:index/container:Container::app-0", type: "docker:index/container:Container", id: "app-id" };
const DATA = { urn: "urn:pulumi:prod::p::docker:index/volume:Volume::data", type: "docker:index/volume:Volume", id: "prod-data" };

const exportedOf = (...resources: NonNullable<NonNullable<ExportedStack["deployment"]>["resources"]>): ExportedStack => ({
  deployment: { resources },
});

/** A stack that is configured for phase cloud. */
function stackOf(exported: ExportedStack, outputs: Readonly<Record<string, unknown>>, dockerHost = "unix:///nowhere/docker.sock") {
  return {
    ...{ name: "prod", phase: "cloud", dockerHost },
    exported: () => Promise.resolve(exported),
    outputs: () => Promise.resolve(outputs),
    command: (name: string, ...args: readonly string[]) => ["npm run", name, "-- --stack prod", ...args].join(" "),
  };
}

describe("where status looks for a stack", () => {
  it("one in the cloud is not called down: what tells of it is named, and no Docker Engine is asked", async () => {
    const outputs = { phase: "cloud", consoleUrl: "https://console.example.com/dashboard" };
    await assert.rejects(look(stackOf(exportedOf(DATABASE), outputs)), (error) => {
      assert.ok(error instanceof UserError);
      assert.match(error.message, /^stack prod is in phase cloud: /);
      assert.match(error.hint ?? "", /npm run verify .*npm run drift .*console: https:\/\/console\.example\.com\/dashboard$/);
      return true;
    });
    await assert.rejects(
      look(stackOf(exportedOf(DATABASE), {})),
      (error) => error instanceof UserError && !/console/.test(error.hint ?? ""),
    );
  });

  it("one that is not deployed yet is down; what is deployed on a Docker host is looked for there, whatever phase comes next", async () => {
    const { state, stack } = await look(stackOf({}, {}));
    assert.deepEqual([state, stack], ["down", "prod"]);
    for (const phase of ["cluster", "cloud"]) {
      await assert.rejects(look(stackOf(exportedOf(APP), { phase })), /Docker does not answer at unix:\/\/\/nowhere/, phase);
    }
  });

  it("a Docker Engine that has nothing of it may be another one, and is not believed; one without its containers has it down", async () => {
    const volumes: { Name: string }[] = [];
    await withServer(
      (request, response) => {
        const path = request.url ?? "";
        const body = path.includes("/volumes") ? { Volumes: volumes } : [];
        response.setHeader("content-type", "application/json").end(path.includes("_ping") ? "OK" : JSON.stringify(body));
      },
      async (url) => {
        const stack = stackOf(exportedOf(APP, DATA), { phase: "database" }, url);
        await assert.rejects(look(stack), (error) => {
          assert.ok(error instanceof UserError);
          assert.match(error.message, /has none of the 2 containers, networks and volumes of stack prod/);
          assert.match(
            error.hint ?? "",
            /removed there by hand: the stack is down, and npm run up -- --stack prod --refresh makes it anew$/,
          );
          return true;
        });
        volumes.push({ Name: "prod-data" });
        const { state, findings } = await look(stack);
        assert.deepEqual([state, findings.map(({ what }) => what)], ["down", ["app-0 was removed"]]);
      },
    );
  });
});
