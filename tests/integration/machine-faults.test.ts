import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, writeSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import type { Stack } from "@pulumi/pulumi/automation";
import { containersOf, leftovers, runningIds } from "../support/docker";
import { privateDockerUnavailable, startPrivateDocker } from "../support/private-docker";
import { copyProject, freePort, type ProjectCopy } from "../support/project";

const ROOT = path.resolve(__dirname, "../..");

describe("phase cluster when the machine is at fault", function () {
  let project: ProjectCopy;
  let stack: Stack;

  before(() => {
    project = copyProject();
  });

  after(() => {
    project.remove();
  });

  beforeEach(async () => {
    stack = await project.createStack({ phase: "cluster", port: String(await freePort()), workers: "1" });
  });

  afterEach(async () => {
    await stack.destroy();
    assert.deepEqual(await leftovers(stack.name), []);
    await stack.workspace.removeStack(stack.name, { force: true });
  });

  it("Docker stopped: up fails at once, names docker:host and the value it tried", async () => {
    const host = `unix://${path.join(project.directory, "no-such.sock")}`;
    await stack.setConfig("docker:host", { value: host });
    const failure = await failureOf(stack);
    await stack.removeConfig("docker:host");
    assert.match(failure, /docker:host/);
    assert.ok(failure.includes(host), failure);
    assert.doesNotMatch(failure, /^\s+at .*\.ts:\d+/m, "a stack trace reached the user");
  });

  it("port taken: up names the port, and works once it is free", async () => {
    const port = Number((await stack.getConfig("phased-stack:port")).value);
    const occupant = createServer();
    occupant.listen(port, "127.0.0.1");
    await once(occupant, "listening");
    const failure = await failureOf(stack);
    assert.match(failure, new RegExp(`\\b${port}\\b`));
    assert.match(failure, /already (allocated|in use)/);
    await new Promise((resolve) => occupant.close(resolve));
    const result = await stack.up();
    assert.equal((await fetch(`${String(result.outputs["appUrl"]?.value)}/health`)).status, 200);
  });

  it("image store full: up fails with Docker's reason and leaves nothing half-made", async function () {
    const unavailable = privateDockerUnavailable();
    if (unavailable) {
      console.log(`      skipped: ${unavailable}`);
      this.skip();
    }
    const size = execFileSync("docker", ["image", "inspect", "--format", "{{.Size}}", "node:24-trixie-slim"], { encoding: "utf8" });
    const engine = await startPrivateDocker(Math.ceil((3 * Number(size)) / 1024 / 1024));
    try {
      execFileSync("sh", ["-c", `docker save node:24-trixie-slim debian:trixie-slim | docker -H "${engine.host}" load`], {
        stdio: "ignore",
      });
      fill(engine.store);
      await stack.setConfig("docker:host", { value: engine.host });
      const failure = await failureOf(stack);
      assert.match(failure, /no space left on device/);
      assert.deepEqual(await engine.client.listContainers({ all: true, filters: { status: ["running"] } }), []);
      await stack.destroy();
    } finally {
      await stack.removeConfig("docker:host");
      await engine.stop();
    }
  });

  it("Ctrl-C in the middle of up: nothing is orphaned, and the next up finishes the work", async () => {
    const args = ["up", "--yes", "--skip-preview", "--non-interactive", "--color", "never", "--stack", stack.name];
    const child = spawn("pulumi", args, {
      cwd: project.directory,
      env: { ...process.env, ...project.environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let printed = "";
    const interrupted = new Promise<void>((resolve) => {
      const watch = (chunk: Buffer): void => {
        printed += chunk.toString();
        // The app's container is being created and waited for: the longest step of an up.
        if (/docker:index:?\/?container:?Container\s+\S*app\S*\s+creating|Container .*app.* creating/i.test(printed)) resolve();
      };
      child.stdout.on("data", watch);
      child.stderr.on("data", watch);
    });
    const exit = once(child, "exit");
    await Promise.race([interrupted, exit]);
    assert.equal(child.exitCode, null, `up ended before it could be interrupted:\n${printed}`);
    child.kill("SIGINT");
    await exit;

    const result = await stack.up({ refresh: true });
    assert.equal(result.summary.result, "succeeded");
    assert.equal((await runningIds(stack.name, "app")).length, 1);
    assert.equal((await containersOf(stack.name, "load-balancer")).length, 1);
    await stack.preview({ expectNoChanges: true });
  });
});

describe("npm run doctor", () => {
  it("looks without touching and says what is there", () => {
    const printed = execFileSync(process.execPath, [path.join(ROOT, "toolchain/run.mjs"), "doctor"], { cwd: ROOT, encoding: "utf8" });
    assert.match(printed, /Docker/);
    assert.match(printed, /Pulumi/);
  });
});

/** Writes a file into `directory` until its file system has no room left. */
function fill(directory: string): void {
  const file = openSync(path.join(directory, "filler"), "w");
  try {
    for (;;) writeSync(file, Buffer.alloc(1024 * 1024));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  } finally {
    closeSync(file);
  }
}

/** The text of a failing up. */
function failureOf(stack: Stack): Promise<string> {
  return stack.up().then(
    () => assert.fail("up succeeded"),
    (error: unknown) => String(error),
  );
}
