import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { execIn } from "../../toolchain/lib/docker";
import type { LoadResult } from "../../toolchain/load/result";
import { everything, runCommand, type Outcome } from "../support/commands";
import { containersOf, docker, leftovers, runningIds } from "../support/docker";
import { copyProject, freePort, type ProjectCopy } from "../support/project";

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

  const run = (command: string, ...args: readonly string[]): Promise<Outcome> => runCommand(project, stack, command, ...args);

  it("status of a stack that does not exist says how to start it, with exit code 3", async () => {
    const outcome = await run("status");
    assert.equal(outcome.code, 3, everything(outcome));
    assert.match(outcome.stdout, /does not exist.*npm run up/);
    assert.equal((await run("drift")).code, 3);
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

  it("failover says that there is nothing to fail over in this phase", async () => {
    const outcome = await run("failover");
    assert.equal(outcome.code, 1, everything(outcome));
    assert.match(outcome.stderr, /is in phase cluster, in which no Postgres of this project runs/);
  });

  it("restart of a service that does not exist names those that do", async () => {
    const outcome = await run("restart", "postgres");
    assert.equal(outcome.code, 1, everything(outcome));
    assert.match(outcome.stderr, /"postgres" is not part of stack .*; allowed: app, load-balancer/);
  });

  it("verify passes every check", async () => {
    const outcome = await run("verify", "--json", "-");
    const report = JSON.parse(outcome.stdout) as { passed: number; failed: number; rows: { verdict: string }[] };
    const failed = report.rows.filter(({ verdict }) => verdict === "fail");
    assert.deepEqual(failed, []);
    assert.ok(report.passed >= 20, `only ${report.passed} checks passed`);
    assert.equal(outcome.code, 0, everything(outcome));
  });

  it("F9 drift names what was changed by hand and changes nothing; up puts it back", async () => {
    const [[changed], [removed]] = [await containersOf(stack, "app"), await containersOf(stack, "load-balancer")];
    assert.ok(changed !== undefined && removed !== undefined);
    const deployed = (await docker.getContainer(changed.Id).inspect()).HostConfig.Memory ?? 0;
    const limit = 512 * 1024 * 1024;
    assert.notEqual(deployed, limit);
    await docker.getContainer(changed.Id).update({ Memory: limit, MemorySwap: limit });
    await docker.getContainer(removed.Id).remove({ force: true });

    const outcome = await run("drift", "--json");
    assert.equal(outcome.code, 1, everything(outcome));
    const { drift, pending } = JSON.parse(outcome.stdout) as {
      drift: { kind: string; physicalName: string; properties: { property: string; deployed: number; now: number }[] }[];
      pending: unknown[];
    };
    const nameOf = ({ Names }: { Names: string[] }): string => Names.join("").slice(1);
    const found = drift.map(({ kind, physicalName }) => `${kind} ${physicalName}`).sort();
    assert.deepEqual([found, pending], [[`changed ${nameOf(changed)}`, `removed ${nameOf(removed)}`], []]);
    const memory = drift.flatMap(({ properties }) => properties).find(({ property }) => property === "memory");
    assert.deepEqual([memory?.deployed, memory?.now], [deployed / 1024 ** 2, 512]);
    assert.equal((await containersOf(stack, "load-balancer")).length, 0, "drift changed something");

    const looked = await run("status");
    assert.equal(looked.code, 1, everything(looked));
    assert.match(looked.stdout, /✗ +load-balancer-haproxy was removed +docs\/runbooks\/load-balancer-down\.md/);

    // Without --refresh: it notices by itself that a container is gone.
    const put = await run("up", "--yes", "--skip-preview");
    assert.equal(put.code, 0, everything(put));
    assert.equal((await docker.getContainer(changed.Id).inspect()).HostConfig.Memory, deployed);
    assert.equal((await runningIds(stack, "load-balancer")).length, 1);
    // Nor where it is only changed.
    await docker.getContainer(changed.Id).update({ Memory: limit, MemorySwap: limit });
    const again = await run("up", "--yes", "--skip-preview");
    assert.equal(again.code, 0, everything(again));
    assert.match(again.stdout, /Looking first at what is really there \(--refresh\): .* was changed by hand \(memory\)\./);
    assert.equal((await docker.getContainer(changed.Id).inspect()).HostConfig.Memory, deployed);
    const after = await run("drift");
    assert.equal(after.code, 0, everything(after));
  });

  it("F6 load sends what a profile says, judges it and writes the report", async () => {
    const outcome = await run("load", "--seconds", "5", "--json", "-", "--report", path.join(project.directory, "load.html"));
    assert.equal(outcome.code, 0, everything(outcome));
    const result = JSON.parse(outcome.stdout) as LoadResult;
    assert.deepEqual([result.measured.due, result.measured.failed, result.ownSeconds], [80, 0, 25]);
    assert.ok(result.samples.length >= 3, `${result.samples.length} looks at the app`);
    assert.ok(result.hitRate !== undefined && result.hitRate > 0, "dashboards come from the cache as well");
    assert.match(readFileSync(path.join(project.directory, "load.html"), "utf8"), /all 2 targets met/);
    const unknown = await run("load", "--profile", "everything");
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /--profile "everything": allowed are smoke, /);
  });

  it("E10 the image makes companies for a load, once", async () => {
    const [app = ""] = await runningIds(stack, "app");
    const seed = async (): Promise<{ readonly said: string; readonly lines: string[] }> => {
      const command = ["node", "main.js", "seed", "--companies=60", "--sessions"];
      const { exitCode, stdout, stderr } = await execIn(docker.getContainer(app), command, 60_000);
      assert.equal(exitCode, 0, stderr);
      return { said: stderr, lines: stdout.trim().split("\n") };
    };
    const [first, second] = [await seed(), await seed()];
    assert.match(first.said, /60 companies are there, 60 made now/);
    assert.match(second.said, /60 companies are there, 0 made now/);
    assert.deepEqual([first.lines.length, second.lines.length], [60, 60]);
    const { token } = JSON.parse(second.lines[59] ?? "{}") as { token: string };
    const { url } = JSON.parse((await run("status", "--json")).stdout) as { url: string };
    const answer = await fetch(`${url}/api/company`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal(((await answer.json()) as { name: string }).name, "Seed 1 000060");
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
