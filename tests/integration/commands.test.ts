import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import path from "node:path";
import { containersOf, docker, leftovers, runningIds } from "../support/docker";
import { copyProject, freePort, type ProjectCopy } from "../support/project";

/** The search path without the directories of an installed language host: that one belongs to the clone that runs the tests. */
function withoutPulumi(search: string): string {
  const directories = search.split(path.delimiter);
  return directories.filter((directory) => !existsSync(path.join(directory, "pulumi-language-nodejs"))).join(path.delimiter);
}

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The commands of README, on a copy of the project, as a user types them: each is a process of its own. */
describe("npm run up, status, verify, restart, down (A11, C8)", function () {
  let project: ProjectCopy;
  const stack = `${process.env["PHASED_TEST_PREFIX"] ?? "test-local"}-cmd`;

  before(() => {
    project = copyProject();
  });

  after(async () => {
    // A failed test leaves a running stack; a passed one leaves nothing to delete.
    await run("down", "--yes", "--remove-stack");
    assert.deepEqual(await leftovers(stack), []);
    project.remove();
  });

  async function run(command: string, ...args: readonly string[]): Promise<Outcome> {
    const child = spawn(process.execPath, [path.join(project.directory, "toolchain/run.mjs"), command, "--stack", stack, ...args], {
      cwd: project.directory,
      // Its own state and PULUMI_HOME in the copy, as on a new machine: stand-ins that it installs go with the copy.
      env: {
        ...process.env,
        PATH: withoutPulumi(process.env["PATH"] ?? ""),
        PULUMI_HOME: path.join(project.directory, ".phased/pulumi-home"),
        ...{ PULUMI_BACKEND_URL: "", PULUMI_CONFIG_PASSPHRASE: "", PULUMI_CONFIG_PASSPHRASE_FILE: "" },
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const [code] = (await once(child, "close")) as [number | null];
    return { code, stdout, stderr };
  }

  const everything = ({ code, stdout, stderr }: Outcome): string => `exit code ${String(code)}\n${stdout}\n${stderr}`;

  it("status of a stack that does not exist says how to start it, with exit code 3", async () => {
    const outcome = await run("status");
    assert.equal(outcome.code, 3, everything(outcome));
    assert.match(outcome.stdout, /does not exist.*npm run up/);
  });

  it("up prints the address of the app and how to stop it", async () => {
    const port = await freePort();
    const outcome = await run("up", "--yes", "--config", `port=${port}`, "--config", "appInstances=2", "--config", "protect=false");
    assert.equal(outcome.code, 0, everything(outcome));
    assert.ok(outcome.stdout.includes(`http://127.0.0.1:${port}`), everything(outcome));
    assert.match(outcome.stdout, /npm run down/);
  });

  it("status shows instances, workers and the load balancer", async () => {
    const outcome = await run("status", "--json");
    assert.equal(outcome.code, 0, everything(outcome));
    const status = JSON.parse(outcome.stdout) as { state: string; phase: string; instances: unknown[] };
    assert.deepEqual([status.state, status.phase, status.instances.length], ["up", "cluster", 2]);
  });

  it("verify passes every check", async () => {
    const outcome = await run("verify", "--json", "-");
    const report = JSON.parse(outcome.stdout) as { passed: number; failed: number; rows: { verdict: string }[] };
    const failed = report.rows.filter(({ verdict }) => verdict === "fail");
    assert.deepEqual(failed, []);
    assert.ok(report.passed >= 20, `only ${report.passed} checks passed`);
    assert.equal(outcome.code, 0, everything(outcome));
  });

  it("restart replaces every worker and keeps the containers", async () => {
    const before = await runningIds(stack, "app");
    const outcome = await run("restart");
    assert.equal(outcome.code, 0, everything(outcome));
    assert.deepEqual(await runningIds(stack, "app"), before);
  });

  it("down asks first: without a terminal nothing is deleted, and the sentence says what to add", async () => {
    const outcome = await run("down");
    assert.equal(outcome.code, 1, everything(outcome));
    assert.match(outcome.stderr, /--yes/);
    assert.equal((await containersOf(stack, "app")).length, 2);
  });

  it("down touches nothing of another clone's stack of the same name", async () => {
    const foreign = `${stack}-other-clone`;
    const labels = { "phased-stack.stack": stack, "phased-stack.project": "phased-stack", "phased-stack.service": "database" };
    await docker.createVolume({ Name: foreign, Labels: labels });
    try {
      const outcome = await run("down", "--yes");
      assert.equal(outcome.code, 0, everything(outcome));
      assert.match(outcome.stdout, new RegExp(`Not touched[^]*volume ${foreign}`));
      assert.deepEqual(await leftovers(stack), [`volume ${foreign}`]);
    } finally {
      await docker.getVolume(foreign).remove();
    }
  });

  it("down --yes leaves nothing behind", async () => {
    const outcome = await run("down", "--yes", "--remove-stack");
    assert.equal(outcome.code, 0, everything(outcome));
    assert.deepEqual(await leftovers(stack), []);
    assert.equal((await run("status")).code, 3);
  });
});
