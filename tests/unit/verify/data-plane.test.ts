import assert from "node:assert/strict";
import type { BackupStatus, MemberStatus, PostgresStatus } from "../../../components/local/postgres-operator/src/status-types";
import { backupChecks, backupsOutcome, isArchived, verificationOutcome } from "../../../toolchain/verify/checks/backups";
import { lagOutcome, replicaLagChecks } from "../../../toolchain/verify/checks/replica-lag";
import { lagSamples, lagsOf, percentile, type LagSample } from "../../../toolchain/verify/lag";
import type { Check, Outcome } from "../../../toolchain/verify/types";
import { type Answer, fakeContainer, fakeContext, type FakeStack } from "../../support/verify-context";
import { withServer } from "../../support/web-server";

const run = (checks: readonly Check[], title: RegExp, stack: FakeStack): Promise<Outcome> => {
  const check = checks.find((one) => title.test(one.title));
  assert.ok(check, String(title));
  return check.run(fakeContext(stack));
};

const member = (name: string, role: MemberStatus["role"]): MemberStatus => ({
  ...{ name, role, state: role === "primary" ? "running" : "streaming", timeline: 1, lagBytes: 0, sync: null, pendingRestart: false },
});

const postgres = (backups: BackupStatus | null = null, standbys = ["pg-2", "pg-3"]) => {
  const members = [member("pg-1", "primary"), ...standbys.map((name) => member(name, "standby"))];
  return (): Promise<PostgresStatus> => Promise.resolve({ leader: "pg-1", members, backups } as unknown as PostgresStatus);
};

const primary = (answer: Answer) => ({
  postgres: [fakeContainer(() => new Error("not this one"), { node: "pg-2" }), fakeContainer(answer, { node: "pg-1" })],
});

describe("A7 the lag of replicas, in time", () => {
  const sample = (at: number, written: number, replayed: Readonly<Record<string, number>>): LagSample => ({ at, written, replayed });

  it("is read from what psql prints, and from nothing else", () => {
    const lines = ["1000.5|500|pg-2|500", "1000.5|500|pg-3|400", "Sun 22 Nov (every 0.1s)", "1100.5|900|pg-2|900", "1100.5|900||"];
    assert.deepEqual(lagSamples(lines), [sample(1000.5, 500, { "pg-2": 500, "pg-3": 400 }), sample(1100.5, 900, { "pg-2": 900 })]);
  });

  it("is 0 for who has everything, and counts from the last moment at which the primary had no more", () => {
    const samples = [0, 100, 200, 300].map((at) => sample(at, at, { fast: at, slow: Math.max(0, at - 150), stuck: 100 }));
    assert.deepEqual(lagsOf(samples, "fast"), [0, 0, 0, 0]);
    assert.deepEqual(lagsOf(samples, "slow"), [0, 100, 200, 200]);
    assert.deepEqual(lagsOf(samples, "stuck"), [0, 0, 100, 200]);
    assert.deepEqual(lagsOf(samples, "unknown"), []);
  });

  it("grows for a replica that stands still from before the first look", () => {
    const samples = [0, 1000, 2000].map((at) => sample(at, 500, { stuck: 100 }));
    assert.deepEqual(lagsOf(samples, "stuck"), [0, 1000, 2000]);
  });

  it("percentiles leave out what they say", () => {
    const values = Array.from({ length: 200 }, (_nothing, index) => 200 - index);
    assert.equal(percentile(values, 0.99), 198);
    assert.equal(percentile([7], 0.99), 7);
    assert.ok(Number.isNaN(percentile([], 0.99)));
  });

  const looks = (lagOf: (n: number) => number): LagSample[] =>
    Array.from({ length: 100 }, (_nothing, n) => sample(n * 100, n * 100, { "pg-2": n * 100, "pg-3": Math.max(0, n * 100 - lagOf(n)) }));

  it("passes below a second, and fails for one replica of two that is later", () => {
    assert.deepEqual(
      lagOutcome(
        looks(() => 300),
        ["pg-2", "pg-3"],
      ),
      {
        verdict: "pass",
        measured: "p99 0.3 s, at most 0.3 s, 2 replicas, 200 looks",
      },
    );
    assert.equal(
      lagOutcome(
        looks((n) => (n === 50 ? 3000 : 0)),
        ["pg-2", "pg-3"],
      ).verdict,
      "pass",
      "one of 200 looks",
    );
    assert.match(
      lagOutcome(
        looks(() => 1500),
        ["pg-2", "pg-3"],
      ).measured,
      /^p99 1\.5 s/,
    );
    assert.equal(
      lagOutcome(
        looks(() => 1500),
        ["pg-2", "pg-3"],
      ).verdict,
      "fail",
    );
  });

  it("fails for a replica that did not stream all the time", () => {
    const samples = looks(() => 0).map((one, n) => (n < 90 ? one : sample(one.at, one.written, { "pg-2": one.written })));
    assert.deepEqual(lagOutcome(samples, ["pg-2", "pg-3"]), { verdict: "fail", measured: "pg-3 streamed in 90 of 100 looks" });
  });

  it("is measured on the primary while orders are written", async () => {
    let written = 0;
    const scripts: string[] = [];
    const answer: Answer = (command) => {
      scripts.push(command.join(" "));
      return Array.from({ length: 100 }, (_nothing, n) => ["pg-2", "pg-3"].map((name) => `${n * 100}.0|${n}|${name}|${n}`).join("\n")).join(
        "\n",
      );
    };
    const outcome = await withServer(
      (request, response) => {
        written += request.method === "POST" && request.url === "/api/orders" ? 1 : 0;
        response.writeHead(201).end("{}");
      },
      (url) => run(replicaLagChecks, /lag/, { url, postgres: postgres(), containers: primary(answer) }),
    );
    assert.deepEqual(outcome, { verdict: "pass", measured: "p99 0.0 s, at most 0.0 s, 2 replicas, 200 looks" });
    assert.ok(written > 0, "nothing was written meanwhile");
    assert.match(scripts.join(), /entrypoint\.sh psql .*pg_stat_replication.*\\watch interval=0\.1 count=100/s);
  });

  it("fails when the writes do, and is left out with a sentence where there is no replica", async () => {
    const answer: Answer = () => Array.from({ length: 100 }, (_nothing, n) => `${n}.0|${n}|pg-2|${n}`).join("\n");
    const outcome = await withServer(
      (_request, response) => response.writeHead(503).end(),
      (url) => run(replicaLagChecks, /lag/, { url, postgres: postgres(null, ["pg-2"]), containers: primary(answer) }),
    );
    assert.equal(outcome.verdict, "fail");
    assert.match(outcome.measured, /writes failed: \d+ × 503/);
    const alone = await run(replicaLagChecks, /lag/, { postgres: postgres(null, []) });
    assert.deepEqual(alone, { verdict: "skip", measured: "the stack has no replica: postgresNodes is 1" });
  });
});

describe("F8, B15 the backups of a running stack", () => {
  const NOW = Date.parse("2026-11-22T12:00:00Z");
  const ago = (minutes: number): string => new Date(NOW - minutes * 60_000).toISOString();
  const BACKUPS: BackupStatus = {
    ...{ at: ago(0), node: "pg-1", everyHours: 6, fullEveryDays: 7, keepDays: 7, repository: null, restores: [], running: null },
    backups: [
      { label: "F", type: "full", startedAt: ago(400), stoppedAt: ago(399), timeline: 1, sizeBytes: 31 * 1024 ** 2, storedBytes: 1 },
      { label: "F_I", type: "incr", startedAt: ago(40), stoppedAt: ago(39), timeline: 1, sizeBytes: 31 * 1024 ** 2, storedBytes: 1 },
    ],
    archive: { archivedAt: ago(3), failing: false, failures: 0, waiting: 0 },
    ...{ failure: null, verified: { at: ago(398), ok: true, message: null }, gap: null, problems: [] },
  };

  it("says how old the last one and the archive are", () => {
    assert.deepEqual(backupsOutcome(BACKUPS, NOW, NOW - 1e9), {
      verdict: "pass",
      measured: "2, the last (incr, 31 MB) 39 min old, archive 3 min old",
    });
  });

  it("fails with every problem that the operator sees", () => {
    const problems = ["The log is not archived (3 segments wait): what is written now is in no backup.", "Nobody looks."];
    const outcome = backupsOutcome({ ...BACKUPS, problems }, NOW, NOW);
    assert.equal(outcome.verdict, "fail");
    assert.match(outcome.measured, /^The log is not archived .* in no backup; Nobody looks$/);
    assert.equal(backupsOutcome(null, NOW, NOW).verdict, "fail");
  });

  it("a stack that has just begun is no failure, one that runs without a backup is", () => {
    const none = { ...BACKUPS, backups: [], verified: null };
    assert.match(backupsOutcome({ ...none, running: "full backup" }, NOW, NOW - 1e9).measured, /being made \(full backup\)/);
    assert.equal(backupsOutcome(none, NOW, NOW - 60_000).verdict, "skip");
    assert.deepEqual(backupsOutcome(none, NOW, NOW - 3_600_000), { verdict: "fail", measured: "there is none" });
    assert.equal(verificationOutcome(none, NOW).verdict, "skip");
  });

  it("what was found in the repository counts, and never having looked does", () => {
    assert.deepEqual(verificationOutcome(BACKUPS, NOW), { verdict: "pass", measured: "6.6 h ago, whole" });
    const damaged = { ...BACKUPS, verified: { at: ago(1), ok: false, message: "2 files are missing" } };
    assert.deepEqual(verificationOutcome(damaged, NOW), { verdict: "fail", measured: "damaged: 2 files are missing" });
    assert.deepEqual(verificationOutcome({ ...BACKUPS, verified: null }, NOW), { verdict: "fail", measured: "it has never been read" });
    assert.equal(verificationOutcome({ ...BACKUPS, verified: null, running: "verification" }, NOW).verdict, "skip");
    assert.equal(verificationOutcome({ ...BACKUPS, verified: null, backups: BACKUPS.backups.slice(1) }, NOW - 30 * 60_000).verdict, "skip");
  });

  it("archived is what was closed before, on this timeline or a later one", () => {
    const segment = "00000002000000000000000A";
    for (const last of [segment, "00000002000000000000000B", "000000030000000000000001", `${segment}.00000028.backup`]) {
      assert.equal(isArchived(segment, last), true, last);
    }
    for (const last of ["", "000000020000000000000009", "0000000100000000000000FF", "00000003.history"]) {
      assert.equal(isArchived(segment, last), false, last);
    }
  });

  it("log that is written now is followed into the archive", async () => {
    const answers = ["t\n000000010000000000000007\nt\n", "000000010000000000000006\n", "000000010000000000000007\n"];
    const asked: string[] = [];
    const answer: Answer = (command) => {
      asked.push(command.at(-1) ?? "");
      return answers[asked.length - 1] ?? new Error("asked too often");
    };
    const stack = { expected: { backups: true }, postgres: postgres(BACKUPS), containers: primary(answer) };
    const outcome = await run(backupChecks, /archive/, stack);
    assert.equal(outcome.verdict, "pass", outcome.measured);
    assert.equal(asked.length, 3);
    assert.match(asked[0] ?? "", /pg_logical_emit_message.*pg_walfile_name.*pg_switch_wal/s);
  });

  it("fails with what psql says", async () => {
    const stack = { expected: { backups: true }, postgres: postgres(BACKUPS), containers: primary(() => new Error("FATAL: no room")) };
    await assert.rejects(run(backupChecks, /archive/, stack), /psql: FATAL: no room/);
  });

  it("is left out with a sentence where no backups are made", async () => {
    for (const check of backupChecks) {
      assert.deepEqual(await check.run(fakeContext({})), { verdict: "skip", measured: "no backups are made: backups is false" });
    }
  });
});
