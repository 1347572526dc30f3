import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import type { EndpointSettings } from "../../../stacks/local/docker-endpoint";
import { checkPrimaryStays, currentCluster, primaryIn } from "../../../stacks/local/primary";
import { Recorder } from "../../support/pulumi-mocks";

/** An answer of Patroni 4's `GET /cluster`, as a shell sees it. */
function cluster(leader: string | undefined): string {
  const members = ["pg-1", "pg-2", "pg-3"].map((name) => ({
    name,
    role: name === leader ? "leader" : "sync_standby",
    state: "running",
    api_url: `http://${name}:8008/patroni`,
    host: name,
    port: 5432,
    timeline: 3,
  }));
  return `HTTP/1.0 200 OK\r\nServer: BaseHTTP/0.6\r\n\r\n${JSON.stringify({ members, scope: "postgres" })}`;
}

interface Engine {
  readonly settings: EndpointSettings;
  /** Labels the containers were asked for. */
  readonly labels: string[];
  close(): Promise<void>;
}

/** A Docker Engine with nodes; an answer of `undefined` is a node in which nothing can be run. */
async function engine(nodes: Readonly<Record<string, string | undefined>>): Promise<Engine> {
  const labels: string[] = [];
  const server = http.createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://engine");
    const [, what, id = "", action] = url.pathname.split("/");
    const send = (status: number, body: string): void => void response.writeHead(status).end(body);
    if (what === "containers" && id === "json") {
      labels.push(...(JSON.parse(url.searchParams.get("filters") ?? "{}") as { label: string[] }).label);
      assert.equal(url.searchParams.get("all"), "true");
      send(200, JSON.stringify(Object.keys(nodes).map((Id) => ({ Id, State: Id === "stopped" ? "exited" : "running" }))));
    } else if (what === "containers" && action === "exec") {
      if (nodes[id] === undefined) send(409, "is paused");
      else send(201, JSON.stringify({ Id: `exec-${id}` }));
    } else if (what === "exec" && action === "start") send(200, nodes[id.replace("exec-", "")] ?? "");
    else send(404, "");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    settings: settingsFor(host),
    labels,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function settingsFor(host: string): EndpointSettings {
  return { docker: { get: (key) => (key === "host" ? host : undefined) }, environment: {}, platform: "linux", home: "/nowhere" };
}

describe("who is primary, asked before an update", () => {
  beforeEach(() => Recorder.install("shop", "staging"));

  const cases: readonly [what: string, nodes: Readonly<Record<string, string | undefined>>, primary: string | undefined][] = [
    ["the first node that answers says it", { a: cluster("pg-2"), b: cluster("pg-3") }, "pg-2"],
    ["a node that is paused, or whose Patroni is away, is no obstacle", { a: undefined, b: "", c: cluster("pg-3") }, "pg-3"],
    ["a cluster without a leader has none", { a: cluster(undefined) }, undefined],
    ["a node that is stopped is a cluster, and is not asked", { stopped: cluster("pg-1") }, undefined],
    ["without a node it is the first start", {}, undefined],
    ["what is no answer of Patroni is none", { a: '{"name":"x"}', b: "role: leader" }, undefined],
  ];
  for (const [what, nodes, primary] of cases) {
    it(`F3 ${what}`, async () => {
      const docker = await engine(nodes);
      try {
        assert.deepEqual(await currentCluster(docker.settings), { firstStart: Object.keys(nodes).length === 0, primary });
        const wanted = ["phased-stack.project=shop", "phased-stack.stack=staging", "phased-stack.service=postgres"];
        assert.deepEqual(docker.labels, wanted, "only this stack's own nodes are asked");
      } finally {
        await docker.close();
      }
    });
  }

  it("F3 an engine that does not answer fails no update", async () => {
    const docker = await engine({});
    await docker.close();
    const unknown = { firstStart: false, primary: undefined };
    assert.deepEqual(await currentCluster(docker.settings), unknown);
    assert.deepEqual(await currentCluster(settingsFor("nonsense")), unknown);
  });

  it("F3 over ssh a shell on the host asks, and the command line survives it", async () => {
    const directory = mkdtempSync(path.join(tmpdir(), "phased-primary-"));
    const before = process.env["PATH"];
    // Stands for the host: runs its last argument in a shell whose docker knows one node, and does what it is told inside of it.
    const programs = {
      ssh: '#!/bin/bash\nexec bash -c "${@: -1}"\n',
      docker: `#!/bin/bash\nif [[ $1 == ps ]]; then printf '%s\\n' "$@" > ${directory}/asked; cat ${directory}/nodes; exit; fi
[[ $1 == exec && $2 == node-1 && $3 == bash && $4 == -c ]] || exit 1
bash -n -c "$5" && [[ $5 == *"GET /cluster HTTP/1.0"* ]] && cat ${directory}/answer\n`,
    };
    try {
      for (const [name, text] of Object.entries(programs)) {
        writeFileSync(path.join(directory, name), text);
        chmodSync(path.join(directory, name), 0o755);
      }
      writeFileSync(path.join(directory, "answer"), cluster("pg-1"));
      process.env["PATH"] = `${directory}:${before}`;
      const ask = () => currentCluster(settingsFor("ssh://deploy@example.com"));
      assert.deepEqual(await ask(), { firstStart: false, primary: undefined }, "docker fails there");
      writeFileSync(path.join(directory, "nodes"), "");
      assert.deepEqual(await ask(), { firstStart: true, primary: undefined });
      writeFileSync(path.join(directory, "nodes"), "gone\nnode-1\n");
      assert.deepEqual(await ask(), { firstStart: false, primary: "pg-1" });
      const asked = execFileSync("cat", [path.join(directory, "asked")], { encoding: "utf8" });
      assert.ok(asked.includes("label=phased-stack.stack=staging"), asked);
    } finally {
      process.env["PATH"] = before;
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it("F3 an update that would remove the primary is refused; any other one is not", () => {
    for (const primary of ["pg-1", "pg-2", undefined]) checkPrimaryStays(primary, 2);
    checkPrimaryStays("pg-3", 3);
    assert.throws(
      () => checkPrimaryStays("pg-3", 2),
      (error) =>
        pulumi.RunError.isInstance(error) &&
        error.message.startsWith("postgresNodes is 2, without pg-3, which is primary") &&
        error.message.includes("npm run failover -- --stack staging --to pg-1"),
    );
  });

  it("reads leader and primary, in whatever order the fields come", () => {
    assert.equal(primaryIn('{"members":[{"role": "primary", "tags": 1, "name": "pg-4"}]}'), "pg-4");
    assert.equal(primaryIn('[{"name":"pg-1","role":"replica"},{"name":"pg-2","role":"leader"}]'), "pg-2");
    assert.equal(primaryIn(""), undefined);
  });
});
