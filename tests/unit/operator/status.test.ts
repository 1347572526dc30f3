import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { operatorEnvironment, SECRET_FILES } from "../../../components/local/postgres-operator/settings";
import { BackupWatch, backupProblems } from "../../../components/local/postgres-operator/src/backups";
import { renderMetrics } from "../../../components/local/postgres-operator/src/metrics";
import type { NodeState } from "../../../components/local/postgres-operator/src/patroni";
import { hasLeft } from "../../../components/local/postgres-operator/src/proxy-watch";
import { parseRequest } from "../../../components/local/postgres-operator/src/server";
import { readSettings } from "../../../components/local/postgres-operator/src/settings";
import { describeMembers, findProblems, type Seen } from "../../../components/local/postgres-operator/src/status";
import type { BackupReport, MemberStatus, PoolStatus } from "../../../components/local/postgres-operator/src/status-types";

const primary: NodeState = {
  state: "running",
  role: "primary",
  timeline: 3,
  xlog: { location: 5000 },
  replication: [{ application_name: "pg-2", state: "streaming", sync_state: "quorum" }],
};
const standby: NodeState = {
  state: "running",
  role: "replica",
  timeline: 3,
  replication_state: "streaming",
  xlog: { replayed_location: 4200 },
};

const pool: PoolStatus = {
  database: "app",
  user: "app",
  clientsActive: 1,
  clientsWaiting: 0,
  serversActive: 1,
  serversIdle: 1,
  longestWaitMs: 0,
  paused: false,
};

const member = (name: string, role: MemberStatus["role"], rest: Partial<MemberStatus> = {}): MemberStatus => ({
  name,
  role,
  state: role === "primary" ? "running" : "streaming",
  timeline: 3,
  lagBytes: 0,
  sync: role === "standby" ? "quorum" : null,
  pendingRestart: false,
  ...rest,
});

const WELL: Seen = {
  members: [member("pg-1", "primary"), member("pg-2", "standby"), member("pg-3", "standby")],
  cluster: { leader: { name: "pg-1", lease: "7" }, syncStandbys: ["pg-2", "pg-3"], quorum: 1 },
  pools: [pool],
  automaticFailover: true,
  switchoverRunning: false,
};

const AFTERNOON = Date.parse("2026-01-01T15:00:00Z");
const BACKUPS: BackupReport = {
  at: "2026-01-01T14:59:55Z",
  node: "pg-1",
  ...{ everyHours: 6, fullEveryDays: 7, keepDays: 2 },
  repository: null,
  backups: [
    { ...{ label: "20260101-000000F", type: "full", timeline: 1, sizeBytes: 1000, storedBytes: 100 }, ...at("00:00:00") },
    { ...{ label: "20260101-000000F_20260101-120000I", type: "incr", timeline: 1, sizeBytes: 1000, storedBytes: 10 }, ...at("12:00:00") },
  ],
  restores: [],
  archive: { archivedAt: "2026-01-01T14:59:30Z", failing: false, failures: 0, waiting: 0 },
  ...{ running: null, failure: null, gap: null },
  verified: { at: "2026-01-01T00:10:00Z", ok: true, message: null },
};

function at(time: string): { readonly startedAt: string; readonly stoppedAt: string } {
  return { startedAt: `2026-01-01T${time}Z`, stoppedAt: `2026-01-01T${time}Z` };
}

describe("B15 F8 what is wrong with backups", () => {
  it("nothing while they are made, archived and verified; everything else is one sentence", () => {
    assert.deepEqual(backupProblems(BACKUPS, AFTERNOON), []);
    const cases: readonly (readonly [RegExp, Partial<BackupReport>, number?])[] = [
      [/repository of the backups cannot be used: unable to open/, { repository: "unable to open" }],
      [/log is not archived \(12 segments wait\)/, { archive: { ...BACKUPS.archive, failing: true, waiting: 12 } }],
      [/no moment after that can be restored until/, { gap: "2026-01-01T14:00:00Z" }],
      [
        /The last full backup failed at .*: no space/,
        { failure: { at: "2026-01-01T14:00:00Z", what: "full backup", message: "no space." } },
      ],
      [/is damaged.*checksum invalid/, { verified: { at: "2026-01-01T14:00:00Z", ok: false, message: "checksum invalid: 1" } }],
      [
        /^Files of the database itself are damaged: backup 20260101-120000F has pages with an invalid checksum; .* no backup is deleted\.$/,
        { backups: [...BACKUPS.backups, { ...BACKUPS.backups[0]!, label: "20260101-120000F", ...at("14:00:00"), damaged: true }] },
      ],
      [/last backup is 8 hours old; one is wanted every 6\./, { at: "2026-01-01T20:00:00Z" }, Date.parse("2026-01-01T20:00:05Z")],
      [/There is no backup, an hour after the first one could be made\./, { backups: [], emptySince: "2026-01-01T14:00:00Z" }],
      [
        /There is no backup, 8 hours after the first one could be made \(full backup is under way\)\./,
        { backups: [], emptySince: "2026-01-01T07:00:00Z", running: "full backup" },
      ],
      [/Nobody has looked after the backups since 2026-01-01T14:59:55Z, when pg-1 did/, {}, AFTERNOON + 200_000],
    ];
    for (const [expected, change, now = AFTERNOON] of cases) {
      const problems = backupProblems({ ...BACKUPS, ...change }, now);
      assert.equal(problems.length, 1, problems.join(" "));
      assert.match(problems[0] ?? "", expected);
      assert.match(problems[0] ?? "", /^[A-Z].*[^.]\.$/);
    }
  });

  it("a damaged backup is over with the next one that is whole", () => {
    const [full, incr] = BACKUPS.backups;
    assert.deepEqual(
      backupProblems(
        {
          ...BACKUPS,
          backups: [
            { ...full!, damaged: true },
            { ...incr!, damaged: false },
          ],
        },
        AFTERNOON,
      ),
      [],
    );
  });

  it("a first backup has its time: an hour until it is begun, and what others have while it is made", () => {
    const waiting = (since: string, running: string | null): string[] =>
      backupProblems({ ...BACKUPS, backups: [], emptySince: `2026-01-01T${since}Z`, running }, AFTERNOON);
    assert.deepEqual(waiting("14:01:00", null), []);
    assert.deepEqual(waiting("07:01:00", "full backup"), []);
    const { emptySince: unknown, ...older } = { ...BACKUPS, emptySince: null };
    assert.equal(unknown, null);
    assert.deepEqual(backupProblems({ ...older, backups: [] }, AFTERNOON), [], "told by a node of an older image");
  });

  /** An operator whose etcd has this, and nothing at all for `undefined`. */
  const watching = (backups: boolean) => {
    const seen = { now: AFTERNOON, value: undefined as string | Error | undefined, asked: [] as string[] };
    const etcd: ConstructorParameters<typeof BackupWatch>[0] = {
      get: (key) => {
        seen.asked.push(key);
        if (seen.value instanceof Error) return Promise.reject(seen.value);
        return Promise.resolve(seen.value === undefined ? undefined : { value: seen.value, lease: "0" });
      },
    };
    return { seen, watch: new BackupWatch(etcd, { scope: "postgres", backups }, () => seen.now) };
  };

  it("is read from where the primary keeps it, and is nothing where none are made", async () => {
    const { seen, watch } = watching(false);
    seen.now += 86_400_000;
    assert.deepEqual(await watch.read(), { backups: null, backupsUnknown: null });
    seen.value = JSON.stringify(BACKUPS);
    const { backups: read } = await watch.read();
    assert.deepEqual([read?.backups, seen.asked], [BACKUPS.backups, Array(2).fill("/phased-stack/postgres/backups")]);
    assert.match(read?.problems.join(" ") ?? "", /Nobody has looked/, "that report is old");
  });

  it("backups that are wanted and of which nobody tells are a problem, once a stack has had its time to begin", async () => {
    const { seen, watch } = watching(true);
    assert.deepEqual(await watch.read(), { backups: null, backupsUnknown: null });
    seen.now += 301_000;
    const none = "Backups are wanted, and nobody tells of any: the primary has not begun to look after them.";
    assert.deepEqual(await watch.read(), { backups: null, backupsUnknown: none });
    seen.value = new Error("etcd does not answer /v3/kv/range");
    assert.match((await watch.read()).backupsUnknown ?? "", /nobody tells of any: etcd does not answer \/v3\/kv\/range\.$/);
    seen.value = JSON.stringify({ ...BACKUPS, at: new Date(seen.now).toISOString() });
    assert.equal((await watch.read()).backupsUnknown, null);
    seen.value = undefined;
    assert.deepEqual(await watch.read(), { backups: null, backupsUnknown: null }, "its time begins anew");
    seen.now += 301_000;
    assert.equal((await watch.read()).backupsUnknown, none);
  });

  it("while etcd is away the last report counts: what was wrong does not look well, and gets old", async () => {
    const { seen, watch } = watching(true);
    seen.value = JSON.stringify({ ...BACKUPS, gap: "2026-01-01T14:00:00Z" });
    assert.deepEqual((await watch.read()).backups?.problems.length, 1);
    seen.value = new Error("refused");
    assert.match((await watch.read()).backups?.problems.join(" ") ?? "", /^The log from 2026-01-01T14:00:00Z on/);
    seen.now += 130_000;
    assert.match((await watch.read()).backups?.problems.join(" ") ?? "", /Nobody has looked after the backups/);
  });
});

describe("F3 status of Postgres", () => {
  it("F3 tells of every node what it says of itself, its lag, and whether commits wait for it", () => {
    assert.deepEqual(describeMembers(["pg-1", "pg-2", "pg-3"], [primary, standby, undefined]), [
      { name: "pg-1", role: "primary", state: "running", timeline: 3, lagBytes: 0, sync: null, pendingRestart: false },
      { name: "pg-2", role: "standby", state: "streaming", timeline: 3, lagBytes: 800, sync: "quorum", pendingRestart: false },
      { name: "pg-3", role: "unknown", state: "unreachable", timeline: null, lagBytes: null, sync: null, pendingRestart: false },
    ]);
    const [lone] = describeMembers(["pg-2"], [{ ...standby, pending_restart: true }]);
    assert.deepEqual([lone?.lagBytes, lone?.pendingRestart], [null, true], "no primary to compare with");
  });

  it("F3 a cluster that is well has no problems; everything else is one sentence", () => {
    assert.deepEqual(findProblems(WELL), []);
    const [one, two, three] = WELL.members as [MemberStatus, MemberStatus, MemberStatus];
    const cases: readonly (readonly [RegExp, Partial<Seen>])[] = [
      [/pg-1 and pg-2 both say they are primary/, { members: [one, member("pg-2", "primary"), three] }],
      [/No node is primary/, { members: [two, three] }],
      [/etcd does not answer/, { cluster: undefined }],
      [/Nobody holds the lease/, { cluster: { leader: undefined, syncStandbys: [], quorum: 0 } }],
      [/pg-2 holds the lease, but pg-1 is primary/, { cluster: { ...WELL.cluster!, leader: { name: "pg-2", lease: "8" } } }],
      [/No standby confirms writes/, { members: [one, { ...two, sync: "async" }, { ...three, sync: null }] }],
      [/pg-3 does not answer/, { members: [one, two, member("pg-3", "unknown", { state: "unreachable", sync: null })] }],
      [/pg-3 does not stream from pg-1 \(starting\)/, { members: [one, two, { ...three, state: "starting", sync: null }] }],
      [/patronictl pause/, { automaticFailover: false }],
      [/pg-2 has settings that wait for a restart/, { members: [one, { ...two, pendingRestart: true }, three] }],
      [/PgBouncer does not answer/, { pools: undefined }],
      [/holds statements back/, { pools: [{ ...pool, paused: true }] }],
      [/has waited 7 s/, { pools: [{ ...pool, longestWaitMs: 7100 }] }],
    ];
    for (const [expected, change] of cases) {
      const problems = findProblems({ ...WELL, ...change });
      assert.ok(
        problems.some((problem) => expected.test(problem)),
        `${expected}: ${problems.join(" ")}`,
      );
      for (const problem of problems) assert.match(problem, /^\w.*\.$/);
    }
    assert.deepEqual(
      findProblems({ ...WELL, pools: [{ ...pool, paused: true }], switchoverRunning: true }),
      [],
      "a switchover holds them back",
    );
    assert.deepEqual(findProblems({ ...WELL, members: [one] }), [], "a single node has nobody to wait for");
  });

  it("F3 metrics as Prometheus reads them", () => {
    const reaper = { healthy: true, rounds: 12, failedRounds: 1, suspiciousRounds: 0, reaped: 2 };
    const counts = { done: 3, nothing: 0, refused: 1, failed: 0 };
    const last = { ok: true, message: "", from: "pg-1", to: "pg-2", heldMs: 1500, at: "" };
    const text = renderMetrics(reaper, { counts, last, running: undefined }, { backups: null, backupsUnknown: null });
    for (const line of [
      "postgres_reaper_reaped_total 2",
      'postgres_switchovers_total{outcome="done"} 3',
      "postgres_switchover_held_seconds 1.5",
    ]) {
      assert.ok(text.split("\n").includes(line), line);
    }
    assert.doesNotMatch(text, /backup|archive/, "no figure of what is not there");
    const unknown = renderMetrics(reaper, { counts, last, running: undefined }, { backups: null, backupsUnknown: "Nobody tells." });
    assert.ok(unknown.split("\n").includes("postgres_backup_problems 1"), "or no alert would fire");
    const known = { backups: { ...BACKUPS, problems: ["One."] }, backupsUnknown: null };
    const withBackups = renderMetrics(reaper, { counts, last, running: undefined }, known);
    for (const line of [
      "postgres_backup_problems 1",
      'postgres_backup_last_success_timestamp_seconds{type="any"} 1767268800',
      'postgres_backup_last_success_timestamp_seconds{type="full"} 1767225600',
      "postgres_backup_stored_bytes 110",
      "postgres_archive_waiting_segments 0",
    ]) {
      assert.ok(withBackups.split("\n").includes(line), line);
    }
    const damaged = BACKUPS.backups.map((backup) => ({ ...backup, damaged: backup.type === "incr" }));
    const withDamage = renderMetrics(
      reaper,
      { counts, last, running: undefined },
      { ...known, backups: { ...known.backups, backups: damaged } },
    );
    assert.ok(withDamage.split("\n").includes('postgres_backup_last_success_timestamp_seconds{type="any"} 1767225600'), "only whole ones");
    for (const line of withBackups.trimEnd().split("\n")) assert.match(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{\w+="\w+"\})? [\d.]+)$/);
  });
});

describe("B4 what the operator is told", () => {
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(path.join(tmpdir(), "phased-operator-"))));
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const given = (): Record<string, string> => {
    for (const file of Object.values(SECRET_FILES)) writeFileSync(path.join(directory, file), `secret of ${file}\n`);
    return operatorEnvironment({ etcdHosts: ["etcd-1"], nodes: ["pg-1", "pg-2"], pgbouncer: { host: "pgbouncer", port: 6432 } }, directory);
  };

  it("B4 the component's environment is understood; secrets come by file only", () => {
    const environment = given();
    const settings = readSettings(environment);
    assert.deepEqual(settings.nodes, ["pg-1", "pg-2"]);
    assert.deepEqual(settings.etcdUrls, ["http://etcd-1:2379"]);
    assert.equal(settings.patroni.password, `secret of ${SECRET_FILES.patroni}`);
    assert.equal(settings.pgbouncer.database, "app");
    assert.equal(settings.backups, false, "nobody said that they are wanted");
    const pgbouncer = { host: "pgbouncer", port: 6432 };
    const wanted = operatorEnvironment({ etcdHosts: ["etcd-1"], nodes: ["pg-1"], pgbouncer, backups: true }, directory);
    assert.equal(readSettings(wanted).backups, true);
    assert.ok(!JSON.stringify(environment).includes("secret of"));
  });

  it("B4 a mistake is one sentence that names the variable", () => {
    const cases: readonly (readonly [string, string | undefined, RegExp])[] = [
      ["PORT", "0", /^PORT: "0" is not allowed; use a port/],
      ["BACKUPS_WANTED", "yes", /^BACKUPS_WANTED: "yes" is not allowed; use true or false/],
      ["NODES", "", /^NODES: not set; give the names/],
      ["PATRONI_SCOPE", "a/b", /^PATRONI_SCOPE: "a\/b" is not allowed/],
      ["PGBOUNCER_DATABASE", 'a"; SHUTDOWN', /^PGBOUNCER_DATABASE: .* is not allowed/],
      ["PATRONI_PASSWORD_FILE", "/nowhere", /^PATRONI_PASSWORD_FILE: "\/nowhere" cannot be read/],
    ];
    for (const [name, value, expected] of cases) {
      assert.throws(() => readSettings({ ...given(), [name]: value }), { message: expected });
    }
    const pgbouncer = { host: "pgbouncer", port: 6432 };
    assert.throws(() => operatorEnvironment({ etcdHosts: [], nodes: ["pg-1"], pgbouncer }, directory), RangeError);
    assert.throws(() => operatorEnvironment({ etcdHosts: ["etcd-1"], nodes: [], pgbouncer }, directory), RangeError);
  });

  it("F2 a request for a switchover names nodes or nothing", () => {
    assert.deepEqual(parseRequest(""), { from: undefined, to: undefined });
    assert.deepEqual(parseRequest('{"from":"pg-1"}'), { from: "pg-1", to: undefined });
    for (const bad of ["[]", "1", "null", "{", '{"to":1}', '{"leader":"pg-1"}']) assert.equal(parseRequest(bad), undefined, bad);
  });

  it("F2 PgBouncer moves when a proxy it may be at stops and another one is there", () => {
    const set = (...addresses: string[]): Set<string> => new Set(addresses);
    assert.equal(hasLeft(set("a"), set("a", "b")), false, "the new one is there, the old one still takes connections");
    assert.equal(hasLeft(set("a", "b"), set("b")), true);
    assert.equal(hasLeft(set("a"), set("b")), true);
    assert.equal(hasLeft(set("a"), set()), false, "nowhere to go");
    assert.equal(hasLeft(set(), set("a")), false, "just started");
  });
});
