import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import type { EndpointSettings } from "../../../stacks/local/docker-endpoint";
import { runningBrokers } from "../../../stacks/local/brokers";
import { Recorder } from "../../support/pulumi-mocks";

/** A Docker Engine that answers every list of containers with `body`. */
async function engine(body: string): Promise<{ readonly host: string; readonly filters: unknown[]; close(): Promise<void> }> {
  const filters: unknown[] = [];
  const server = http.createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://engine");
    assert.match(url.pathname, /\/containers\/json$/);
    filters.push(JSON.parse(url.searchParams.get("filters") ?? "{}"));
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    host: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    filters,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function settingsFor(host: string): EndpointSettings {
  return { docker: { get: (key) => (key === "host" ? host : undefined) }, environment: {}, platform: "linux", home: "/nowhere" };
}

describe("B5 brokers that run before an update", () => {
  beforeEach(() => Recorder.install("shop", "staging"));

  it("B5 are asked of the engine by project, stack and service, and told by name", async () => {
    const labelled = (node?: string) => ({ Labels: node === undefined ? null : { "phased-stack.node": node } });
    const { host, filters, ...made } = await engine(
      JSON.stringify([labelled("kafka-3"), labelled("kafka-1"), labelled(), labelled("kafka-1")]),
    );
    try {
      assert.deepEqual(await runningBrokers(settingsFor(host)), ["kafka-1", "kafka-3"]);
      const label = ["phased-stack.project=shop", "phased-stack.stack=staging", "phased-stack.service=kafka"];
      assert.deepEqual(filters, [{ label, status: ["running"] }]);
    } finally {
      await made.close();
    }
  });

  it("B5 are none in a new stack; what an engine does not say is not known", async () => {
    const none = await engine("[]");
    assert.deepEqual(await runningBrokers(settingsFor(none.host)), []);
    await none.close();
    const nonsense = await engine("busy");
    assert.equal(await runningBrokers(settingsFor(nonsense.host)), undefined);
    await nonsense.close();
    assert.equal(await runningBrokers(settingsFor(none.host)), undefined, "it does not answer any more");
  });

  it("B5 over ssh a shell on the host asks, and the command line survives it", async () => {
    const directory = mkdtempSync(path.join(tmpdir(), "phased-brokers-"));
    const before = process.env["PATH"];
    // Stands for the host: runs its last argument in a shell, whose docker prints a name for each running broker.
    const programs = {
      ssh: '#!/bin/bash\nexec bash -c "${@: -1}"\n',
      docker: `#!/bin/bash\nprintf '%s\\n' "$@" > ${directory}/asked\nprintf 'kafka-2\\nkafka-1\\n'\n`,
    };
    try {
      for (const [name, text] of Object.entries(programs)) {
        writeFileSync(path.join(directory, name), text);
        chmodSync(path.join(directory, name), 0o755);
      }
      process.env["PATH"] = `${directory}:${before}`;
      assert.deepEqual(await runningBrokers(settingsFor("ssh://deploy@example.com")), ["kafka-1", "kafka-2"]);
      const asked = execFileSync("cat", [path.join(directory, "asked")], { encoding: "utf8" }).split("\n");
      for (const argument of ["label=phased-stack.stack=staging", "status=running", '{{.Label "phased-stack.node"}}'])
        assert.ok(asked.includes(argument), asked.join("\n"));
    } finally {
      process.env["PATH"] = before;
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
