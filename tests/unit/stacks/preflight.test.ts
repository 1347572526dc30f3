import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { dockerEndpoint, type EndpointSettings } from "../../../stacks/local/docker-endpoint";
import { checkCapacity, publicHost } from "../../../stacks/local/host";
import { dockerHost } from "../../../stacks/local/preflight";

const INFO = { OSType: "linux", Architecture: "aarch64", NCPU: 8, MemTotal: 16 * 1024 ** 3 };

describe("preflight of the Docker host", () => {
  let home: string;
  const servers: Server[] = [];
  const sockets: Socket[] = [];

  beforeEach(() => {
    home = mkdtempSync(path.join(tmpdir(), "phased-preflight-"));
  });

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const server of servers.splice(0)) {
      await new Promise((resolve) => server.close(resolve));
    }
    rmSync(home, { recursive: true, force: true });
  });

  function settings(config: Record<string, string> = {}, environment: NodeJS.ProcessEnv = {}): EndpointSettings {
    return { docker: { get: (key) => config[key] }, environment, platform: "linux", home };
  }

  async function listen(server: Server, at: string | 0): Promise<string> {
    servers.push(server);
    server.on("connection", (socket) => sockets.push(socket));
    await new Promise<void>((resolve) => (at === 0 ? server.listen(0, "127.0.0.1", resolve) : server.listen(at, resolve)));
    return at === 0 ? `tcp://127.0.0.1:${(server.address() as AddressInfo).port}` : `unix://${at}`;
  }

  function engine(info: unknown = INFO, status = 200): Server {
    return http.createServer((request, response) => {
      assert.equal(request.url, "/info");
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(info));
    });
  }

  async function failure(given: EndpointSettings): Promise<string> {
    const error: unknown = await dockerHost(given).then(
      () => assert.fail("accepted"),
      (reason: unknown) => reason,
    );
    assert.ok(pulumi.RunError.isInstance(error), String(error));
    return error.message;
  }

  it("reads platform, CPUs and memory over a socket and over TCP", async () => {
    for (const at of [path.join(home, "docker.sock"), 0] as const) {
      const host = await listen(engine(), at);
      assert.deepEqual(await dockerHost(settings({ host })), { address: host, platform: "linux/arm64", cpus: 8, memoryMb: 16_384 });
    }
  });

  it("names the address, where it came from, the reason and the command when nothing is there", async () => {
    const host = `unix://${home}/none.sock`;
    const message = await failure(settings({ host }));
    assert.ok(message.includes(`not reachable at ${host} (from docker:host)`), message);
    assert.match(message, /ENOENT/);
    assert.match(message, /pulumi config set docker:host \S+/);
    assert.match(await failure(settings({}, { DOCKER_HOST: host })), /\(from DOCKER_HOST\)/);
  });

  it("gives up within 2 s on something that never answers", async () => {
    const silent = createServer();
    const host = await listen(silent, 0);
    const start = Date.now();
    assert.match(await failure(settings({ host })), /no answer within 2 s/);
    assert.ok(Date.now() - start < 3500, `${Date.now() - start} ms`);
  }).timeout(8000);

  it("names another Docker that does answer", async () => {
    const socket = path.join(home, ".docker/run/docker.sock");
    mkdirSync(path.dirname(socket), { recursive: true });
    await listen(engine(), socket);
    const message = await failure(settings({ host: `unix://${home}/none.sock` }));
    // The real default socket of the test machine may answer first; either is right.
    assert.match(message, /Another Docker answers; use it with: pulumi config set docker:host unix:\/\/\S+docker\.sock/);
  });

  it("refuses what is not a Docker Engine with Linux containers", async () => {
    assert.match(await failure(settings({ host: await listen(engine("hello"), 0) })), /not a Docker Engine/);
    assert.match(await failure(settings({ host: await listen(engine({}), 0) })), /not a Docker Engine/);
    assert.match(await failure(settings({ host: await listen(engine({}, 404), 0) })), /answered 404/);
    assert.match(await failure(settings({ host: await listen(engine({ ...INFO, OSType: "windows" }), 0) })), /runs windows containers/);
  });

  it("refuses addresses Docker does not know", async () => {
    for (const host of ["localhost", "ftp://host", "unix://", "tcp://", "ssh://-oProxyCommand=x"]) {
      const message = await failure(settings({ host }));
      assert.ok(message.includes(host), message);
      assert.match(message, /allowed: |not an ssh address/, message);
    }
  });

  it("asks over ssh as the provider would, and repeats what ssh said", async () => {
    const bin = path.join(home, "bin");
    mkdirSync(bin);
    writeFileSync(
      path.join(bin, "ssh"),
      `#!/bin/sh\nfor a; do last=$a; done\ncase "$*" in *"-l deploy -p 2222 -- box docker info"*) echo '${JSON.stringify(INFO)}';; *) echo "Permission denied" >&2; exit 255;; esac\n`,
    );
    chmodSync(path.join(bin, "ssh"), 0o755);
    const before = process.env["PATH"];
    process.env["PATH"] = `${bin}:${before ?? ""}`;
    try {
      assert.equal((await dockerHost(settings({ host: "ssh://deploy@box:2222" }))).cpus, 8);
      assert.match(await failure(settings({ host: "ssh://other" })), /ssh:\/\/other.*Permission denied/);
      process.env["PATH"] = home;
      assert.match(await failure(settings({ host: "ssh://other" })), /ssh client is not installed/);
    } finally {
      process.env["PATH"] = before;
    }
  });

  it("follows the provider's order: context, docker:host, DOCKER_HOST, default", () => {
    const meta = path.join(home, ".docker/contexts/meta", createHash("sha256").update("colima").digest("hex"));
    mkdirSync(meta, { recursive: true });
    writeFileSync(path.join(meta, "meta.json"), JSON.stringify({ Endpoints: { docker: { Host: "unix:///colima.sock" } } }));
    const all = { DOCKER_HOST: "tcp://env:1", DOCKER_CONTEXT: "colima" };
    const hosts = [
      settings({ host: "tcp://config:1" }, all),
      settings({ host: "tcp://config:1", context: "default" }, all),
      settings({}, { DOCKER_HOST: "tcp://env:1" }),
      settings(),
    ].map((given) => dockerEndpoint(given).host);
    assert.deepEqual(hosts, ["unix:///colima.sock", "tcp://config:1", "tcp://env:1", "unix:///var/run/docker.sock"]);
    assert.throws(() => dockerEndpoint(settings({ context: "nowhere" })), /cannot read the Docker context nowhere/);
    assert.throws(() => dockerEndpoint(settings({ host: "tcp://x:1", certPath: `${home}/none` })), /certPath/);
  });
});

describe("capacity of the Docker host", () => {
  const host = { cpus: 4, memoryMb: 8000 };
  const config = { appCpus: undefined, appMemoryMb: 1024, appInstances: 1 };

  it("accepts what fits", () => {
    checkCapacity(config, host);
    checkCapacity({ ...config, appCpus: 4, appMemoryMb: 8000 }, host);
  });

  it("B13 refuses more CPUs or memory than there is, both at once", () => {
    assert.throws(
      () => checkCapacity({ ...config, appCpus: 4.5, appMemoryMb: 8001 }, host),
      (error: unknown) =>
        pulumi.RunError.isInstance(error) &&
        error.message.includes("appCpus is 4.5; allowed: at most 4") &&
        error.message.includes("pulumi config set appMemoryMb 4000"),
    );
  });
});

describe("public host", () => {
  it("is the address, or for all addresses the Docker host", () => {
    assert.equal(publicHost("127.0.0.1", "ssh://deploy@box"), "127.0.0.1");
    assert.equal(publicHost("0.0.0.0", "unix:///var/run/docker.sock"), "127.0.0.1");
    assert.equal(publicHost("0.0.0.0", "ssh://deploy@box:22"), "box");
    assert.equal(publicHost("::", "tcp://[fe80::1]:2376"), "fe80::1");
  });
});
