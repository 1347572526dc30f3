import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type Docker from "dockerode";
import { execIn } from "../../toolchain/lib/docker";
import type { StackStatus } from "../../toolchain/lib/docker-status";
import { everything, type Outcome, runCommand, startCommand, type StartedCommand, startOnTerminal } from "../support/commands";
import { DatabaseStack } from "../support/database-stack";
import { containersOf, docker, leftovers, paused } from "../support/docker";
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

  /** Since when log is missing in the archive, as a node tells. */
  const gap = async (): Promise<unknown> => {
    const { stdout } = await execIn(await stack.node(await stack.primary()), ["entrypoint.sh", "backups", "info"]);
    return (JSON.parse(stdout) as { gap?: unknown }).gap;
  };

  /** Begins a restore, and holds it back once it works on the volume, when all nodes are stopped. */
  const halfway = async (to: string): Promise<{ readonly restoring: StartedCommand; readonly beside: Docker.Container }> => {
    const restoring = startCommand(project, name, "restore", "--to", to, "--yes");
    for (;;) {
      const info = (await containersOf(name, "postgres-restore")).find(({ State }) => State === "running");
      const beside = docker.getContainer(info?.Id ?? "none");
      // One that is gone again meanwhile is noticed by the end of the restore.
      const said = info === undefined ? "" : await beside.logs({ stdout: true, stderr: true }).then(String, () => "");
      if (said.includes("restore: ") && (await paused(beside))) return { restoring, beside };
      if (restoring.hasEnded()) assert.fail(everything(await restoring.outcome));
      await delay(20);
    }
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
      const epoch = async (): Promise<number> => Number(await onPrimary("SELECT epoch FROM redis_fence"));
      const good = await moment();
      await onPrimary("DROP TABLE kept; CREATE TABLE afterwards AS SELECT 1 AS n");
      // Sessions and answers of the time that is undone are in Redis under this one.
      await onPrimary("UPDATE redis_fence SET epoch = epoch + 10");
      const epochs = [await epoch()];
      const late = await moment();
      const output = await succeed("restore", "--to", good, "--yes", "--keep-old");
      assert.match(output, /Postgres is what it was at/);
      assert.doesNotMatch(output, /the archive hears of the new timeline from the node/, "it heard of it before anybody wrote");
      await stack.redundant();
      epochs.push(await epoch());
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
      epochs.push(await epoch());
      assert.equal(await onPrimary("SELECT n FROM afterwards"), "1");
      assert.equal(await onPrimary("SELECT to_regclass('kept') IS NULL"), "t");
      await succeed("restore", "--to", good, "--yes");
      await stack.redundant();
      epochs.push(await epoch());
      assert.equal(await checksum(), before);
      // Also when it goes back to one moment twice.
      assert.deepEqual(
        epochs,
        [...new Set(epochs)].sort((a, b) => a - b),
        "the epoch of Redis only grows",
      );
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

  it("F8 while a restore runs, up is refused, and a node that somebody starts waits for it", async () => {
    const primary = await stack.primary();
    const node = await stack.node(primary);
    const [before, good] = [await checksum(), await moment()];
    await onPrimary("TRUNCATE kept");
    const { restoring, beside } = await halfway(good);
    try {
      const outcome = await run("up", "--yes");
      assert.equal(outcome.code, 1, everything(outcome));
      assert.match(outcome.stderr, /Postgres is being restored: container \S+-restore is paused/);
      const since = Math.floor(Date.now() / 1000);
      await node.start();
      const deadline = Date.now() + 30_000;
      for (;;) {
        const log = (await node.logs({ stdout: true, stderr: true, since })).toString();
        if (log.includes(`another container uses the data of ${primary}`)) break;
        assert.ok(Date.now() < deadline, log);
        await delay(200);
      }
    } finally {
      await beside.unpause();
    }
    const outcome = await restoring.outcome;
    assert.equal(outcome.code, 0, everything(outcome));
    await stack.redundant();
    assert.equal(await checksum(), before);
  });

  it("F8 Ctrl-C of a restore, at the question and while the data are restored, changes nothing, and Postgres serves as before", async () => {
    const good = await moment();
    await onPrimary("INSERT INTO kept SELECT 1 + max(id), 'after the moment' FROM kept");
    const now = await checksum();
    const asking = startOnTerminal(project, name, "restore", "--to", good);
    const deadline = Date.now() + 120_000;
    while (!asking.printed().includes("Type the name of the stack")) {
      if (asking.hasEnded()) assert.fail(everything(await asking.outcome));
      assert.ok(Date.now() < deadline, asking.printed());
      await delay(50);
    }
    asking.interrupt();
    const asked = await asking.outcome;
    assert.equal(asked.code, 130, everything(asked));
    assert.match(asked.stdout, /interrupted: nothing was changed/);
    assert.equal(await checksum(), now, "Postgres was not even stopped");

    const { restoring } = await halfway(good);
    restoring.interrupt();
    const outcome = await restoring.outcome;
    assert.equal(outcome.code, 130, everything(outcome));
    assert.match(outcome.stderr, /interrupted: nothing was changed, and Postgres is started again as it was/);
    await stack.redundant();
    assert.equal(await checksum(), now);
    await onPrimary("INSERT INTO kept SELECT 1 + max(id), 'after Ctrl-C' FROM kept");
    assert.deepEqual(await containersOf(name, "postgres-restore"), [], "nothing is left of it");
  });

  it("F8 a restore that is given up after its data were started leaves no timeline behind: later moments and the latest can be restored", async () => {
    const etcd = async (operation: string, body: Readonly<Record<string, string>>): Promise<void> => {
      const encoded = Object.fromEntries(Object.entries(body).map(([name, text]) => [name, Buffer.from(text).toString("base64")]));
      const request = { method: "POST", body: JSON.stringify(encoded) };
      const code = `fetch("http://etcd-1:2379/v3/kv/${operation}", ${JSON.stringify(request)}).then(({ ok, status }) => process.exit(ok ? 0 : status))`;
      const { exitCode, stderr } = await execIn(await stack.container("postgres-operator"), ["node", "--eval", code]);
      assert.equal(exitCode, 0, stderr);
    };
    /** How many timelines of the archive began with a restore to a moment. */
    const restored = async (): Promise<string> => {
      const script = `cd /var/lib/pgbackrest/archive/postgres/* && for file in *.history; do tail --lines=1 "$file"; done | grep -cE "\\s(before|after) 20" || true`;
      return (await execIn(await stack.node(await stack.primary()), ["bash", "-c", script])).stdout.trim();
    };
    /** In the last moment, when its data have a timeline of their own, somebody is primary. */
    const giveUp = async (to: string): Promise<void> => {
      const before = [await checksum(), await restored()];
      const { restoring, beside } = await halfway(to);
      const leader = { key: "/service/postgres/leader" };
      try {
        await etcd("put", { ...leader, value: "nobody" });
        await beside.unpause();
        const outcome = await restoring.outcome;
        assert.equal(outcome.code, 1, everything(outcome));
        assert.match(
          outcome.stderr,
          /nothing was changed, and Postgres is started again as it was: nobody is primary: somebody has started it/,
        );
        // The next look at who is primary comes once the data have been started and stopped.
        assert.match(outcome.stdout, /the files are there; the log is replayed/, everything(outcome));
      } finally {
        await etcd("deleterange", leader);
      }
      await stack.redundant();
      assert.deepEqual([await checksum(), await restored()], before);
    };
    const row = (note: string): Promise<string> => onPrimary(`INSERT INTO kept SELECT 1 + max(id), '${note}' FROM kept`);

    await succeed("backup");
    // Without a newer backup the latest moment would silently be that of what was given up.
    const early = await moment();
    await row("after the moment");
    await giveUp(early);
    await row("after it was given up");
    const now = await checksum();
    await succeed("restore", "--to", "latest", "--yes");
    await stack.redundant();
    assert.equal(await checksum(), now);

    // With one, every later moment would be refused.
    const second = await moment();
    await row("after the second moment");
    await giveUp(second);
    await row("before the backup");
    await succeed("backup");
    await row("after the backup");
    const [late, wanted] = [await moment(), await checksum()];
    await row("after the late moment");
    const latest = await checksum();
    await succeed("restore", "--to", "latest", "--yes");
    await stack.redundant();
    assert.equal(await checksum(), latest);
    await succeed("restore", "--to", late, "--yes");
    await stack.redundant();
    assert.equal(await checksum(), wanted);
    assert.equal(await gap(), null);
  });

  it("B15 a damaged page makes a backup fail with one sentence; a restore begins with a whole one and brings the page back", async () => {
    await onPrimary(
      "CREATE TABLE fragile WITH (autovacuum_enabled = false) AS SELECT n, repeat('x', 500) AS text FROM generate_series(1, 1000) AS n",
    );
    // Then nobody writes its pages again, which would bring them back.
    await onPrimary("VACUUM (FREEZE) fragile");
    await onPrimary("CHECKPOINT");
    await succeed("backup", "--full");
    const node = await stack.node(await stack.primary());
    const file = await onPrimary("SELECT pg_relation_filepath('fragile')");
    // In the middle of a row of the third page, on the disk only.
    const damage = `printf damaged | dd of=/var/lib/postgresql/data/node/${file} bs=1 seek=$((2 * 8192 + 4000)) conv=notrunc status=none`;
    const { exitCode, stderr } = await execIn(node, ["bash", "-c", damage]);
    assert.equal(exitCode, 0, stderr);
    const failed = await run("backup", "--full");
    assert.equal(failed.code, 1, everything(failed));
    assert.match(failed.stderr, /backup \d{8}-\d{6}F has pages with an invalid checksum: files of the database itself are damaged/);
    await finding(/^Files of the database itself are damaged: backup \d{8}-\d{6}F has pages/, true);
    const before = await checksum();
    const output = await succeed("restore", "--to", "latest", "--yes");
    assert.doesNotMatch(output, /pages with an invalid checksum/, "there is a whole one");
    await stack.redundant();
    assert.deepEqual([await onPrimary("SELECT sum(length(text)) FROM fragile"), await checksum()], ["500000", before]);
    await finding(/./, false);
  });

  it("F8 where log is missing in the archive, a restore that would end there is refused; a backup makes up for it, or the data of before are kept", async () => {
    const lose = async (): Promise<void> => {
      const primary = await stack.primary();
      const node = await stack.node(primary);
      const [first, second] = [await filled("before the gap"), await filled("in the gap")];
      await filled("after the gap");
      assert.notEqual(first, second);
      const { exitCode, stderr } = await execIn(node, ["bash", "-c", `rm /var/lib/pgbackrest/archive/postgres/*/*/${second}-*`]);
      assert.equal(exitCode, 0, stderr);
    };
    /** Ends a segment of the log, and waits until it is archived. */
    const filled = async (note: string): Promise<string> => {
      await onPrimary(`INSERT INTO kept SELECT 1 + max(id), '${note}' FROM kept`);
      const segment = await onPrimary("SELECT pg_walfile_name(pg_switch_wal())");
      const deadline = Date.now() + 90_000;
      while ((await onPrimary("SELECT coalesce(last_archived_wal, '') FROM pg_stat_archiver")) < segment) {
        assert.ok(Date.now() < deadline, `${segment} was not archived`);
        await delay(200);
      }
      return segment;
    };
    assert.equal(await gap(), null);
    await lose();
    const before = await checksum();
    const refused = await run("restore", "--to", "latest", "--yes");
    assert.equal(refused.code, 1, everything(refused));
    assert.match(refused.stderr, /log is missing in the archive from \S+ on: a restore to the latest moment ends there/);
    assert.equal(await checksum(), before);
    await succeed("backup");
    assert.equal(await gap(), null);

    await lose();
    const output = await succeed("restore", "--to", "latest", "--accept-gap", "--yes");
    assert.match(output, /The data of before are kept: log is missing in the archive from/);
    await stack.redundant();
    const notes = await onPrimary("SELECT string_agg(note, ', ' ORDER BY id) FROM kept WHERE note ~ 'gap'");
    assert.equal(notes, "before the gap, in the gap, after the gap, before the gap");
    const [, kept = "", node = ""] =
      /The data of before are in (node\.before-\S+), in the volume of (\S+):/.exec(output) ?? assert.fail(output);
    const listed = await execIn(await stack.node(node), ["ls", "/var/lib/postgresql/data"]);
    assert.ok(listed.stdout.split("\n").includes(kept), listed.stdout);
    assert.equal(await gap(), null, "of the new timeline nothing is missing");
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
