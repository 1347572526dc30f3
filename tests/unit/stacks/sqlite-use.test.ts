import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import type { EndpointSettings } from "../../../stacks/local/docker-endpoint";
import { sqliteUse, useIn } from "../../../stacks/local/sqlite-use";
import { Recorder } from "../../support/pulumi-mocks";

const answers = (ready: number, status: string, kind: string): string =>
  `HTTP/1.1 ${ready} X\r\nContent-Type: application/json\r\n\r\n{"status":"${status}"}` +
  `HTTP/1.1 200 OK\r\n\r\n{"status":"ok","phase":"cluster","database":{"kind":"${kind}","status":"up"}}`;
const SEALED = answers(503, "moved", "sqlite");
const WRITES = answers(200, "ready", "sqlite");
const ELSEWHERE = answers(200, "ready", "postgres");

const settingsFor = (host: string): EndpointSettings => ({
  docker: { get: (key) => (key === "host" ? host : undefined) },
  environment: process.env,
  platform: "linux",
  home: "/nowhere",
});

describe("A1 what the app does with the SQLite file, asked before an update", () => {
  beforeEach(() => Recorder.install("shop", "staging"));

  it("one that reads only is told from one that writes and from one on another database; nobody's answer is none", () => {
    assert.equal(useIn(`${ELSEWHERE}\n${SEALED}`), "sealed");
    assert.equal(useIn(`${ELSEWHERE}\n${WRITES}`), "writes");
    const left = answers(503, "moved", "postgres");
    assert.equal(useIn(left), "none", "it is Postgres whose rows were moved");
    assert.equal(useIn(`${left}\n${WRITES}`), "writes");
    assert.equal(useIn(`${left}\n${SEALED}`), "sealed");
    for (const text of [ELSEWHERE, "", "HTTP/1.1 404 Not Found\r\n\r\n{}", '{"message":"moved"}']) assert.equal(useIn(text), "none", text);
  });

  it("every running instance is asked; one in which nothing can be run counts for nothing, as an engine that does not answer", async () => {
    const asked: string[] = [];
    const instances: Readonly<Record<string, string | undefined>> = { paused: undefined, one: ELSEWHERE, two: SEALED };
    const server = http.createServer((request, response) => {
      const url = new URL(request.url ?? "", "http://engine");
      const [, what, id = "", action] = url.pathname.split("/");
      if (what === "containers" && id === "json") {
        const { label } = JSON.parse(url.searchParams.get("filters") ?? "{}") as { label: string[] };
        assert.deepEqual(label, ["phased-stack.project=shop", "phased-stack.stack=staging", "phased-stack.service=app"]);
        assert.equal(url.searchParams.get("all"), null, "one that does not run cannot be asked");
        response.end(JSON.stringify(Object.keys(instances).map((Id) => ({ Id }))));
      } else if (action === "exec") {
        asked.push(id);
        if (instances[id] === undefined) response.writeHead(409).end("is paused");
        else response.writeHead(201).end(JSON.stringify({ Id: `exec-${id}` }));
      } else response.end(instances[id.replace("exec-", "")]);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const settings = settingsFor(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`);
    try {
      assert.equal(await sqliteUse(settings), "sealed");
      assert.deepEqual(asked.sort(), ["one", "paused", "two"]);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
    assert.equal(await sqliteUse(settings), "none");
  });

  it("over ssh the same is one line of shell that asks all of them", async function () {
    this.timeout(20_000);
    const directory = mkdtempSync(path.join(tmpdir(), "sqlite-use-"));
    const before = process.env["PATH"];
    try {
      const tool = (name: string, script: string): void => {
        writeFileSync(path.join(directory, name), `#!/usr/bin/env bash\n${script}\n`);
        chmodSync(path.join(directory, name), 0o755);
      };
      tool("ssh", `printf '%s' "\${@: -1}" > ${directory}/line; PATH=${directory}:$PATH bash -c "\${@: -1}"`);
      tool("docker", `case $1 in ps) echo one; echo two;; exec) [[ $2 == two ]] && cat ${directory}/answer || exit 1;; esac`);
      writeFileSync(path.join(directory, "answer"), SEALED);
      process.env["PATH"] = `${directory}:${before ?? ""}`;
      assert.equal(await sqliteUse(settingsFor("ssh://deploy@example.com")), "sealed");
      const line = readFileSync(path.join(directory, "line"), "utf8");
      assert.match(line, /GET \/ready .*GET \/health /);
      execFileSync("bash", ["-n", "-c", line]);
    } finally {
      process.env["PATH"] = before;
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
