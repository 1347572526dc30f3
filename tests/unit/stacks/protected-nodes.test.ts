import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import program from "../../../stacks/index";
import type { EndpointSettings } from "../../../stacks/local/docker-endpoint";
import { checkProtectedStay, nodesWithData, type Wanted } from "../../../stacks/local/protected-nodes";
import { Recorder, settled } from "../../support/pulumi-mocks";

const THREE = ["pg-1", "pg-2", "pg-3"];
const BROKERS = ["kafka-1", "kafka-2", "kafka-3"];
const OF_STACK = ["phased-stack.project=phased-stack", "phased-stack.stack=shop"];

/** Runs `test` with a Docker Engine of two CPUs and 8 GiB that has containers with these nodes' names, and no other. */
async function withEngine(nodes: readonly string[], test: (host: string, asked: readonly URL[]) => Promise<void>): Promise<void> {
  const info = { OSType: "linux", Architecture: "x86_64", NCPU: 2, MemTotal: 8192 * 1024 ** 2 };
  const asked: URL[] = [];
  const server = http.createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://engine");
    const { label = [] } = JSON.parse(url.searchParams.get("filters") ?? "{}") as { label?: readonly string[] };
    const isAsked = label.includes("phased-stack.node");
    if (isAsked) asked.push(url);
    const containers = isAsked ? [...nodes.map((node) => ({ Labels: { "phased-stack.node": node } })), { Labels: null }] : [];
    response.end(JSON.stringify(url.pathname.startsWith("/containers/") ? containers : info));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await test(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`, asked);
  } finally {
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }
}

function settingsFor(host: string): EndpointSettings {
  return { docker: { get: (key) => (key === "host" ? host : undefined) }, environment: {}, platform: "linux", home: "/nowhere" };
}

describe("protected data that an update would remove", () => {
  beforeEach(() => Recorder.install("phased-stack", "shop"));

  const refusal = (wanted: Wanted, nodes: readonly string[]): string => {
    try {
      checkProtectedStay(wanted, nodes);
    } catch (error) {
      assert.ok(pulumi.RunError.isInstance(error), String(error));
      return error.message;
    }
    return "";
  };

  it("A7 containers with data are found by their label, stopped ones too, of this stack only; an engine that does not answer has none", async () => {
    let gone = "";
    await withEngine([...BROKERS, ...THREE, "pg-1"], async (host, asked) => {
      gone = host;
      assert.deepEqual(await nodesWithData(settingsFor(host)), [...BROKERS, ...THREE]);
      const [url] = asked;
      assert.equal(url?.searchParams.get("all"), "true");
      assert.deepEqual(JSON.parse(url?.searchParams.get("filters") ?? ""), { label: [...OF_STACK, "phased-stack.node"] });
    });
    for (const host of [gone, "nonsense"]) assert.deepEqual(await nodesWithData(settingsFor(host)), []);
  });

  it("A7 over ssh a shell on the host asks, and the command line survives it", async () => {
    const directory = mkdtempSync(path.join(tmpdir(), "phased-protected-"));
    const before = process.env["PATH"];
    // Stands for the host: runs its last argument in a shell, whose docker prints the label of each container.
    const programs = {
      ssh: '#!/bin/bash\nexec bash -c "${@: -1}"\n',
      docker: `#!/bin/bash\nprintf '%s\\n' "$@" > ${directory}/asked\nprintf 'pg-2\\n\\npg-1\\n'\n`,
    };
    try {
      for (const [name, text] of Object.entries(programs)) {
        writeFileSync(path.join(directory, name), text);
        chmodSync(path.join(directory, name), 0o755);
      }
      process.env["PATH"] = `${directory}:${before}`;
      assert.deepEqual(await nodesWithData(settingsFor("ssh://deploy@example.com")), ["pg-1", "pg-2"]);
      const asked = execFileSync("cat", [path.join(directory, "asked")], { encoding: "utf8" }).split("\n");
      for (const argument of [
        "--all",
        ...[...OF_STACK, "phased-stack.node"].map((label) => `label=${label}`),
        '{{.Label "phased-stack.node"}}',
      ])
        assert.ok(asked.includes(argument), asked.join("\n"));
    } finally {
      process.env["PATH"] = before;
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it("A7 fewer nodes and no brokers are refused with the three steps; as many, more, and first ones are not", () => {
    const cases: readonly (readonly [Wanted, readonly string[]])[] = [
      [{ postgresNodes: 3, kafka: true }, [...THREE, ...BROKERS, "etcd-1"]],
      [{ postgresNodes: 5, kafka: true }, THREE],
      [{ postgresNodes: 2, kafka: false }, ["pg-1", "pg-2", "etcd-1"]],
      [{ postgresNodes: 2, kafka: false }, []],
    ];
    for (const [wanted, nodes] of cases) assert.equal(refusal(wanted, nodes), "");
    assert.equal(
      refusal({ postgresNodes: 2, kafka: true }, [...THREE, ...BROKERS, "etcd-1"]),
      "postgresNodes is 2, and protect is true: the data of pg-3 are protected, and nothing was changed. Fix: postgresNodes 3 as before; or, if " +
        "these data are to be deleted, one after the other: npm run up -- --stack shop --config protect=false --config postgresNodes=3; " +
        "npm run up -- --stack shop --config postgresNodes=2; npm run up -- --stack shop --config protect=true",
    );
    assert.match(
      refusal({ postgresNodes: 3, kafka: false }, [...THREE, ...BROKERS]),
      /^kafka is false, and .* of kafka-1, kafka-2, kafka-3 are .*--config protect=false --config kafka=true; .*--config kafka=false; /,
    );
    assert.match(
      refusal({ postgresNodes: 2, kafka: false }, ["pg-1", "pg-2", "pg-3", "pg-4", "kafka-1"]),
      /^postgresNodes is 2, kafka is false, .* of pg-3, pg-4, kafka-1 are .*--config postgresNodes=4 --config kafka=true; .*--config postgresNodes=2 --config kafka=false; /,
    );
  });

  it("A7 the program refuses it before it makes anything where data are protected, and asks nobody where they are not", function () {
    this.timeout(60_000);
    return withEngine([...THREE, ...BROKERS], async (host, asked) => {
      const run = async (config: Readonly<Record<string, string>>): Promise<string[]> => {
        const recorder = await Recorder.install("phased-stack", "shop");
        const values = Object.entries({ phase: "database", kafka: "true", ...config });
        pulumi.runtime.setAllConfig({
          "docker:host": host,
          ...Object.fromEntries(values.map(([key, value]) => [`phased-stack:${key}`, value])),
        });
        await program().catch((error: unknown) => {
          assert.deepEqual(recorder.names(), []);
          throw error;
        });
        await settled();
        return recorder.names();
      };
      await assert.rejects(run({ postgresNodes: "2" }), /^Error: postgresNodes is 2, and protect is true: the data of pg-3 are/);
      await assert.rejects(run({ kafka: "false" }), /kafka is false, and protect is true/);
      assert.ok((await run({})).includes("postgres-pg-3"));
      assert.equal(asked.length, 3);
      const names = await run({ postgresNodes: "2", protect: "false" });
      assert.ok(names.includes("postgres-pg-2") && !names.includes("postgres-pg-3"));
      assert.equal(asked.length, 3);
    });
  });
});
