import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import type { EndpointSettings } from "../../../stacks/local/docker-endpoint";
import program from "../../../stacks/index";
import { checkNothingOnDocker, postgresVolumes } from "../../../stacks/local/volumes";
import { configOf } from "../../support/cloud-program";
import { Recorder, settled } from "../../support/pulumi-mocks";

const OF_STACK = ["phased-stack.project=shop", "phased-stack.stack=staging"];

/** Runs `test` with a Docker Engine that has these volumes, then once more after the engine is gone. */
async function withEngine(
  names: readonly string[] | null,
  test: (settings: EndpointSettings, labels: readonly string[]) => Promise<void>,
  gone: (settings: EndpointSettings) => Promise<void>,
): Promise<void> {
  const labels: string[] = [];
  const server = http.createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://engine");
    assert.equal(url.pathname, "/volumes");
    labels.push(...(JSON.parse(url.searchParams.get("filters") ?? "{}") as { label: string[] }).label);
    response.end(JSON.stringify({ Volumes: names?.map((Name) => ({ Name })) ?? null }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const settings = settingsFor(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`);
  try {
    await test(settings, labels);
  } finally {
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }
  await gone(settings);
}

function settingsFor(host: string): EndpointSettings {
  return { docker: { get: (key) => (key === "host" ? host : undefined) }, environment: {}, platform: "linux", home: "/nowhere" };
}

describe("data of a stack on a Docker host", () => {
  beforeEach(() => Recorder.install("shop", "staging"));

  for (const names of [["postgres-1-data"], [], null]) {
    it(`A1 volumes of Postgres are found by their labels (${String(names?.length)}); an engine that does not answer may have some`, () =>
      withEngine(
        names,
        async (settings, labels) => {
          assert.equal(await postgresVolumes(settings), (names ?? []).length > 0);
          assert.deepEqual(labels, [...OF_STACK, "phased-stack.service=postgres"]);
        },
        async (settings) => assert.equal(await postgresVolumes(settings), true),
      ));
  }

  it("A1 phase cloud is refused while a stack has volumes, naming them and the way out; an engine that is not there is no obstacle", () =>
    withEngine(
      ["database", "backups", "uploads", "secrets"],
      async (settings, labels) => {
        await assert.rejects(checkNothingOnDocker(settings), (error) => {
          assert.ok(error instanceof pulumi.RunError);
          assert.match(error.message, /^Docker has volumes of stack staging \(backups, database, secrets and 1 more\)/);
          assert.match(error.message, /pulumi stack init NAME.*npm run migrate:data.*pulumi config set leaveDatabase true$/);
          return true;
        });
        assert.deepEqual(labels, OF_STACK);
      },
      (settings) => checkNothingOnDocker(settings),
    ));

  it("A1 a stack without volumes goes to the cloud, also with an address that is none", async () => {
    await withEngine(
      [],
      (settings) => checkNothingOnDocker(settings),
      () => Promise.resolve(),
    );
    await checkNothingOnDocker(settingsFor("nonsense"));
  });

  it("A1 the program asks before it makes anything, and does not ask when leaveDatabase says that they may go", function () {
    // The whole program of a cloud.
    this.timeout(120_000);
    return withEngine(
      ["database"],
      async (settings, labels) => {
        const run = async (more: Readonly<Record<string, string>>): Promise<Recorder> => {
          const recorder = await Recorder.install("shop", "staging");
          const values = Object.entries({ ...configOf("dev", { profile: "dev" }), ...more });
          const config = Object.fromEntries(values.map(([key, value]) => [`shop:${key}`, value]));
          pulumi.runtime.setAllConfig({ ...config, "docker:host": settings.docker.get("host") ?? "" });
          await program().catch((error: unknown) => {
            assert.deepEqual(recorder.names(), []);
            throw error;
          });
          await settled();
          return recorder;
        };
        await assert.rejects(run({}), /Docker has volumes of stack staging \(database\)/);
        assert.deepEqual(labels, OF_STACK);
        assert.ok((await run({ leaveDatabase: "true" })).names().length > 0);
        assert.deepEqual(labels, OF_STACK, "it was not asked again");
      },
      () => Promise.resolve(),
    );
  });

  it("A1 over ssh the host's docker is asked", async () => {
    const directory = mkdtempSync(path.join(tmpdir(), "phased-volumes-"));
    const before = process.env["PATH"];
    const programs = {
      ssh: '#!/bin/bash\nexec bash -c "${@: -1}"\n',
      docker: `#!/bin/bash\nprintf '%s\\n' "$@" > ${directory}/asked; echo database\n`,
    };
    for (const [name, text] of Object.entries(programs)) {
      writeFileSync(path.join(directory, name), text);
      chmodSync(path.join(directory, name), 0o755);
    }
    process.env["PATH"] = `${directory}:${before ?? ""}`;
    try {
      await assert.rejects(checkNothingOnDocker(settingsFor("ssh://deploy@box")), /of stack staging \(database\)/);
      const asked = readFileSync(path.join(directory, "asked"), "utf8").trim().split("\n");
      assert.deepEqual(asked, ["volume", "ls", "--quiet", ...OF_STACK.flatMap((label) => ["--filter", `label=${label}`])]);
    } finally {
      process.env["PATH"] = before;
      rmSync(directory, { recursive: true });
    }
  });
});
