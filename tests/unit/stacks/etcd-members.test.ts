import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { etcdArguments } from "../../../components/local/etcd/settings";
import type { EndpointSettings } from "../../../stacks/local/docker-endpoint";
import { checkEtcdMembers, etcdMembers } from "../../../stacks/local/etcd-members";
import { Recorder } from "../../support/pulumi-mocks";

/** A Docker Engine that answers every list of containers with `body`. */
async function engine(body: string): Promise<{ readonly host: string; readonly asked: URL[]; readonly close: () => Promise<void> }> {
  const asked: URL[] = [];
  const server = http.createServer((request, response) => {
    asked.push(new URL(request.url ?? "", "http://engine"));
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    host: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
      }),
  };
}

function settingsFor(host: string): EndpointSettings {
  return { docker: { get: (key) => (key === "host" ? host : undefined) }, environment: {}, platform: "linux", home: "/nowhere" };
}

/** The command of a member as Docker tells it: what the component starts it with. */
function commandOf(member: number, members: number): string {
  const hosts = Array.from({ length: members }, (_, index) => `etcd-${index + 1}`);
  return ["etcd", ...etcdArguments({ member, hosts })].join(" ");
}

describe("F2 members of etcd before an update", () => {
  beforeEach(() => Recorder.install("shop", "staging"));

  it("F2 are counted in what its containers were started with, stopped ones too, of this stack only", async () => {
    for (const members of [1, 3]) {
      const { host, asked, close } = await engine(JSON.stringify([{ Command: commandOf(members, members) }]));
      try {
        assert.equal(await etcdMembers(settingsFor(host)), members);
        const [url] = asked;
        assert.equal(url?.searchParams.get("all"), "true");
        assert.deepEqual(JSON.parse(url?.searchParams.get("filters") ?? ""), {
          label: ["phased-stack.project=shop", "phased-stack.stack=staging", "phased-stack.service=etcd"],
        });
      } finally {
        await close();
      }
    }
  });

  it("F2 are unknown in a new stack, and when the engine does not say", async () => {
    for (const body of ["[]", "busy", '[{"Command":null}]', '[{"Command":"etcd --initial-cluster-token=dev"}]']) {
      const { host, close } = await engine(body);
      assert.equal(await etcdMembers(settingsFor(host)), undefined, body);
      await close();
      assert.equal(await etcdMembers(settingsFor(host)), undefined, "it does not answer any more");
    }
  });

  it("F2 over ssh a shell on the host asks, for whole commands", async () => {
    const directory = mkdtempSync(path.join(tmpdir(), "phased-etcd-"));
    const before = process.env["PATH"];
    // Stands for the host: runs its last argument in a shell, whose docker prints the command of each container in quotes.
    const programs = {
      ssh: '#!/bin/bash\nexec bash -c "${@: -1}"\n',
      docker: `#!/bin/bash\nprintf '%s\\n' "$@" > ${directory}/asked\nprintf '"%s"\\n' '${commandOf(1, 3)}' '${commandOf(2, 3)}'\n`,
    };
    try {
      for (const [name, text] of Object.entries(programs)) {
        writeFileSync(path.join(directory, name), text);
        chmodSync(path.join(directory, name), 0o755);
      }
      process.env["PATH"] = `${directory}:${before}`;
      assert.equal(await etcdMembers(settingsFor("ssh://deploy@example.com")), 3);
      const asked = execFileSync("cat", [path.join(directory, "asked")], { encoding: "utf8" }).split("\n");
      for (const argument of ["--all", "--no-trunc", "label=phased-stack.service=etcd", "{{.Command}}"])
        assert.ok(asked.includes(argument), asked.join("\n"));
    } finally {
      process.env["PATH"] = before;
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it("F2 another number is refused with what to type, the same one or a first one is not", () => {
    for (const [wanted, made] of [
      [1, undefined],
      [3, undefined],
      [1, 1],
      [3, 3],
    ] as const)
      checkEtcdMembers(wanted, made);
    for (const [wanted, made] of [
      [3, 1],
      [1, 3],
    ] as const) {
      assert.throws(
        () => checkEtcdMembers(wanted, made),
        (error) =>
          pulumi.RunError.isInstance(error) &&
          error.message.startsWith(`etcdMembers is ${wanted}; allowed: ${made}, `) &&
          error.message.endsWith(`pulumi config set etcdMembers ${made}`),
      );
    }
  });
});
