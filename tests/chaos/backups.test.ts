import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { execIn } from "../../toolchain/lib/docker";
import type { StackStatus } from "../../toolchain/lib/docker-status";
import { everything, runCommand, type Outcome } from "../support/commands";
import { DatabaseStack } from "../support/database-stack";
import { leftovers } from "../support/docker";
import { copyProject, freePort, type ProjectCopy } from "../support/project";
import { StackClient } from "../support/stack-client";

/** What operators type, each as a process of its own, on a stack as everybody has it. */
describe("F8 B15 backups of phase database, and the way back to a moment in the past", function () {
  let project: ProjectCopy;
  let url: string;
  const name = `${process.env["PHASED_TEST_PREFIX"] ?? "test-local"}-backup`;
  const stack = new DatabaseStack(name);
  const run = (command: string, ...args: readonly string[]): Promise<Outcome> => runCommand(project, name, command, ...args);
  const succeed = async (command: string, ...args: readonly string[]): Promise<string> => {
    const outcome = await run(command, ...args);
    assert.equal(outcome.code, 0, everything(outcome));
    return outcome.stdout;
  };
  const status = async (): Promise<StackStatus> => JSON.parse((await run("status", "--json")).stdout) as StackStatus;
  const onPrimary = async (query: string): Promise<string> => stack.sql(await stack.primary(), query);
  const checksum = (): Promise<string> => onPrimary("SELECT count(*) || ' ' || md5(string_agg(t::text, ',' ORDER BY id)) FROM kept AS t");
  /** By the server's clock, between two commits. */
  const moment = async (): Promise<string> => {
    await delay(50);
    const now = await onPrimary(`SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`);
    await delay(50);
    return now;
  };
  /** Waits until `npm run status` has such a finding, or none. */
  const finding = async (pattern: RegExp, wanted: boolean): Promise<void> => {
    const deadline = Date.now() + 180_000;
    let last: string[] = [];
    while (Date.now() < deadline) {
      last = (await status()).findings.filter(({ runbook }) => runbook === "backups-failing").map(({ what }) => what);
      if (wanted ? last.some((what) => pattern.test(what)) : last.length === 0) return;
      await delay(1000);
    }
    assert.fail(`${wanted ? "" : "still "}expected ${pattern}: ${last.join("; ")}`);
  };

  before(async () => {
    project = copyProject();
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    const settings = { phase: "database", port: String(port), protect: "false", postgresNodes: "2" };
    await succeed("up", "--yes", ...Object.entries(settings).flatMap(([key, value]) => ["--config", `${key}=${value}`]));
    await onPrimary(
      "CREATE TABLE kept (id int PRIMARY KEY, note text); INSERT INTO kept SELECT n, md5(n::text) FROM generate_series(1, 20000) AS n",
    );
  });

  after(async () => {
    await run("down", "--yes", "--remove-stack");
    assert.deepEqual(await leftovers(name), []);
    project.remove();
  });

  it("F8 a moment before the first backup is refused with one sentence, and nothing is touched", async () => {
    const outcome = await run("restore", "--to", "2020-01-01T00:00:00Z", "--yes");
    assert.equal(outcome.code, 1, everything(outcome));
    assert.match(outcome.stderr, /there is no backup to restore from|is before what the backups cover; allowed: from \S+ to now/);
    await stack.redundant();
  });

  it("B15 backup makes one at once; status tells of it, and the repository is verified", async () => {
    assert.match(await succeed("backup", "--full"), /full backup \d{8}-\d{6}F: [\d.]+ MB/);
    await onPrimary("INSERT INTO kept SELECT n, md5(n::text) FROM generate_series(20001, 20500) AS n");
    assert.match(await succeed("backup"), /incr backup/);
    assert.match(await succeed("backup", "--check"), /every file of the repository is what it was/);
    const deadline = Date.now() + 60_000;
    for (;;) {
      const { data } = await status();
      const backups = data?.postgres.value?.backups;
      if (backups?.backups.at(-1)?.type === "incr" && backups.verified?.ok === true) break;
      assert.ok(Date.now() < deadline, JSON.stringify(backups));
      await delay(1000);
    }
    assert.match(await succeed("status"), /^backups {2}well {2}last incr .* log archived .* verified /m);
  });

  it("F8 a dropped table is back after a restore to just before, every row of it; the app goes on by itself", async () => {
    const client = new StackClient(url);
    try {
      await client.signUp();
      const order = await client.order();
      const before = await checksum();
      const good = await moment();
      await onPrimary("DROP TABLE kept; CREATE TABLE afterwards AS SELECT 1 AS n");
      const late = await moment();
      const output = await succeed("restore", "--to", good, "--yes", "--keep-old");
      assert.match(output, /Postgres is what it was at/);
      await stack.redundant();
      assert.equal(await checksum(), before);
      assert.equal(await onPrimary("SELECT to_regclass('afterwards') IS NULL"), "t");
      for (const node of ["pg-1", "pg-2"]) assert.match(await stack.sql(node, "SELECT count(*) FROM kept"), /^20500$/, node);
      assert.equal((await client.ask("GET", `/api/orders/${order}`)).status, 200, "who was signed in still is, and finds the order");
      await client.order();
      const primary = await stack.node(await stack.primary());
      assert.match((await execIn(primary, ["ls", "/var/lib/postgresql/data"])).stdout, /^node\.before-\d{8}T\d{6}Z$/m);

      // What the first restore left out was the database then: it can still be had.
      await succeed("restore", "--to", late, "--yes");
      await stack.redundant();
      assert.equal(await onPrimary("SELECT n FROM afterwards"), "1");
      assert.equal(await onPrimary("SELECT to_regclass('kept') IS NULL"), "t");
      await succeed("restore", "--to", good, "--yes");
      await stack.redundant();
      assert.equal(await checksum(), before);
    } finally {
      client.close();
    }
  });

  it("F8 backups go on after a failover, and a restore reaches across it", async () => {
    await onPrimary("INSERT INTO kept VALUES (30000, 'before the failover')");
    await succeed("failover");
    await onPrimary("INSERT INTO kept VALUES (30001, 'after the failover')");
    const [before, good] = [await checksum(), await moment()];
    await onPrimary("TRUNCATE kept");
    await succeed("restore", "--to", good, "--yes");
    await stack.redundant();
    assert.equal(await checksum(), before);
  });

  it("B15 a repository that takes nothing is noticed; a restore from it changes nothing; it heals by itself", async () => {
    const node = await stack.node(await stack.primary());
    const shell = async (script: string): Promise<void> => {
      const { exitCode, stderr } = await execIn(node, ["bash", "-c", script]);
      assert.equal(exitCode, 0, stderr);
    };
    const before = await checksum();
    await shell("mv /var/lib/pgbackrest/archive/postgres /var/lib/pgbackrest/archive/away");
    try {
      await finding(/repository of the backups cannot be used/, true);
      assert.equal((await run("status")).code, 1);
      const outcome = await run("restore", "--to", "latest", "--yes");
      assert.equal(outcome.code, 1, everything(outcome));
      assert.match(outcome.stderr, /docs\/runbooks\/backups-failing\.md/);
      assert.equal(await checksum(), before);
    } finally {
      await shell("mv /var/lib/pgbackrest/archive/away /var/lib/pgbackrest/archive/postgres");
    }
    await finding(/./, false);
  });
});
