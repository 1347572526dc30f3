import assert from "node:assert/strict";
import type { StackStatus } from "../../toolchain/lib/docker-status";
import { everything, runCommand, type Outcome } from "../support/commands";
import { containersOf, docker, leftovers, runningIds } from "../support/docker";
import { copyProject, freePort, type ProjectCopy } from "../support/project";
import { eventually } from "../support/services/container";
import { StackClient } from "../support/stack-client";
import { startTraffic } from "../support/traffic";

/** What operators type in phase `database`, each as a process of its own. */
describe("npm run up, status, failover, restart, verify in phase database (A11, C8, F2)", function () {
  let project: ProjectCopy;
  let url: string;
  const stack = `${process.env["PHASED_TEST_PREFIX"] ?? "test-local"}-dbcmd`;
  const run = (command: string, ...args: readonly string[]): Promise<Outcome> => runCommand(project, stack, command, ...args);

  const status = async (): Promise<StackStatus> => {
    const outcome = await run("status", "--json");
    return JSON.parse(outcome.stdout) as StackStatus;
  };
  const leader = async (): Promise<string> => {
    const { data } = await status();
    assert.ok(data?.postgres.value?.leader, JSON.stringify(data?.postgres));
    return data.postgres.value.leader;
  };

  before(async () => {
    project = copyProject();
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    const settings = { phase: "database", port: String(port), protect: "false", workers: "2", postgresNodes: "2" };
    const config = Object.entries(settings).flatMap(([key, value]) => ["--config", `${key}=${value}`]);
    const outcome = await run("up", "--yes", ...config);
    assert.equal(outcome.code, 0, everything(outcome));
  });

  after(async () => {
    await run("down", "--yes", "--remove-stack");
    assert.deepEqual(await leftovers(stack), []);
    project.remove();
  });

  it("status shows every part of a stack that is well, and exits with 0", async () => {
    const outcome = await run("status", "--json");
    assert.equal(outcome.code, 0, everything(outcome));
    const { state, phase, instances, data, findings } = JSON.parse(outcome.stdout) as StackStatus;
    assert.deepEqual([state, phase, instances.length, findings], ["up", "database", 4, []]);
    const members = data?.postgres.value?.members ?? [];
    assert.deepEqual(members.map(({ role }) => role).sort(), ["primary", "standby"]);
    assert.deepEqual(Object.keys(data?.redis ?? {}), ["redis-cache", "redis-limits"]);
    assert.equal(data?.redis["redis-limits"]?.value?.appendOnly, "on");
    assert.ok(Object.keys(data.queues.value?.queues ?? {}).length >= 3);
    const text = (await run("status")).stdout;
    for (const expected of [/^pg-2 +\w+ +\w+/m, /^redis-cache +primary/m, /^app +app +active/m, /can take over/])
      assert.match(text, expected);
    // eslint-disable-next-line no-control-regex -- what starts a colour code
    assert.doesNotMatch(text, /\u001b/, "colours belong on a terminal");
  });

  it("F2 failover makes the other node the primary, with no failed request", async () => {
    const before = await leader();
    const traffic = startTraffic(`${url}/health`);
    const outcome = await run("failover");
    const report = await traffic.stop();
    assert.equal(outcome.code, 0, everything(outcome));
    assert.notEqual(await leader(), before);
    assert.equal(report.failed, 0, JSON.stringify(report));
  });

  it("failover refuses what cannot be with one sentence, and has nothing to do for who is primary already", async () => {
    const unknown = await run("failover", "--to", "pg-9");
    assert.equal(unknown.code, 1, everything(unknown));
    assert.match(unknown.stderr, /--to pg-9 is no node of this stack; allowed: pg-1, pg-2/);
    const already = await run("failover", "--to", await leader());
    assert.equal(already.code, 0, everything(already));
    assert.match(already.stdout, /is the primary already; nothing was changed/);
  });

  it("restart postgres: every server starts anew, the containers stay, the replica first and the primary handed over", async () => {
    const [before, ids] = [await leader(), await runningIds(stack, "postgres")];
    const started = async (): Promise<string[]> =>
      Promise.all(ids.map(async (id) => (await docker.getContainer(id).inspect()).State.StartedAt));
    const at = await started();
    const outcome = await run("restart", "postgres");
    assert.equal(outcome.code, 0, everything(outcome));
    assert.deepEqual(await runningIds(stack, "postgres"), ids);
    const again = await started();
    assert.ok(
      again.every((time, index) => time !== at[index]),
      "a server was not restarted",
    );
    assert.notEqual(await leader(), before);
  });

  it("what is stopped is found and named with its page, and exits with 1", async () => {
    const [redis] = await containersOf(stack, "redis-limits");
    assert.ok(redis);
    await docker.getContainer(redis.Id).stop();
    const outcome = await run("status");
    assert.equal(outcome.code, 1, everything(outcome));
    assert.match(outcome.stdout, /✗ +redis-limits does not answer.*docs\/runbooks\/redis-down\.md/);
    await docker.getContainer(redis.Id).start();
  });

  it("verify passes every check", async () => {
    const outcome = await run("verify", "--json", "-");
    const report = JSON.parse(outcome.stdout) as { passed: number; failed: number; rows: { verdict: string }[] };
    assert.deepEqual(
      report.rows.filter(({ verdict }) => verdict === "fail"),
      [],
    );
    assert.ok(report.passed >= 33, `only ${report.passed} checks passed`);
    assert.equal(outcome.code, 0, everything(outcome));
  });

  it("down --keep-data, then up: whoever had an account signs in, and finds what there was", async () => {
    const client = new StackClient(url);
    try {
      let account: Awaited<ReturnType<typeof client.signUp>> | undefined;
      let order = "";
      // "verify" has just sent, from this address, more than its limits of one second and of ten.
      await eventually(
        "this address may sign up and order",
        async () => {
          account ??= await client.signUp();
          order = await client.order();
          return true;
        },
        30_000,
        1000,
      );
      assert.equal((await run("down", "--yes", "--keep-data")).code, 0);
      assert.deepEqual(await runningIds(stack, "postgres"), []);
      const outcome = await run("up", "--yes");
      assert.equal(outcome.code, 0, everything(outcome));
      client.cookies.clear();
      assert.equal((await client.ask("POST", "/api/auth/login", { json: account })).status, 200);
      assert.equal((await client.ask("GET", `/api/orders/${order}`)).status, 200);
    } finally {
      client.close();
    }
  });
});
