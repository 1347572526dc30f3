import assert from "node:assert/strict";
import type { BackupStatus, MemberStatus, PostgresStatus } from "../../../components/local/postgres-operator/src/status-types";
import { parseDiskFree, parseProxyAnswer, type DataPlaneStatus } from "../../../toolchain/lib/data-plane";
import { ageText, backupsLine, renderDataPlane } from "../../../toolchain/lib/data-plane-tables";
import { findings } from "../../../toolchain/lib/findings";
import type { AppReport } from "../../../toolchain/lib/docker-app";
import { refusalOf } from "../../../toolchain/lib/kafka-restart";
import { kafkaStatus, lagOf, type BrokerState, type KafkaStatus } from "../../../toolchain/lib/kafka-status";
import { candidates, parsePostgresStatus } from "../../../toolchain/lib/postgres-operator";
import { parseInfo, redisStatus, type RedisStatus } from "../../../toolchain/lib/redis-status";

const member = (name: string, more: Partial<MemberStatus> = {}): MemberStatus => ({
  ...{ name, role: "standby", state: "streaming", timeline: 3, lagBytes: 0, sync: "quorum", pendingRestart: false },
  ...more,
});
const PRIMARY = member("pg-1", { role: "primary", state: "running", sync: null });
const POOL = {
  ...{ database: "app", user: "app", clientsActive: 24, clientsWaiting: 0, serversActive: 3, serversIdle: 9 },
  ...{ longestWaitMs: 0, paused: false },
};
const POSTGRES: PostgresStatus = {
  at: "2026-11-21T14:00:00.000Z",
  healthy: true,
  problems: [],
  leader: "pg-1",
  automaticFailover: true,
  members: [PRIMARY, member("pg-2"), member("pg-3", { lagBytes: 4096 })],
  pools: [POOL],
  reaper: { healthy: true, rounds: 100, failedRounds: 0, suspiciousRounds: 0, reaped: 0 },
  switchoverRunning: false,
  lastSwitchover: { ok: true, message: "", from: "pg-2", to: "pg-1", heldMs: 412, at: "2026-11-21T13:00:00.000Z" },
  backupsUnknown: null,
  backups: {
    ...{ at: "2026-11-21T13:59:55Z", node: "pg-1", everyHours: 6, fullEveryDays: 7, keepDays: 2 },
    ...{ repository: null, restores: [], running: null, failure: null, gap: null, problems: [] },
    backups: [
      {
        ...{ label: "20261121-100000F", type: "full", timeline: 3, sizeBytes: 64 * 2 ** 20, storedBytes: 8 * 2 ** 20 },
        ...{ startedAt: "2026-11-21T10:00:00Z", stoppedAt: "2026-11-21T10:00:07Z" },
      },
    ],
    archive: { archivedAt: "2026-11-21T13:59:20Z", failing: false, failures: 0, waiting: 0 },
    verified: { at: "2026-11-21T10:01:00Z", ok: true, message: null },
  },
};
const REDIS: RedisStatus = {
  ...{ service: "redis-limits", role: "master", usedBytes: 2 ** 20, maxBytes: 64 * 2 ** 20, policy: "noeviction" },
  ...{ clients: 12, maxClients: 10_000, appendOnly: "on", evicted: 0, operationsPerSecond: 7, loading: false },
};
const COUNTS = { waiting: 0, active: 1, delayed: 2, failed: 0, paused: false };

const asked = <Part>(value: Part | null, problem: string | null = null): { value: Part | null; problem: string | null } => ({
  value,
  problem,
});
const DATA: DataPlaneStatus = {
  postgres: asked(POSTGRES),
  proxy: asked({ primaries: ["pg-1"] }),
  disk: asked({ freeBytes: 40 * 2 ** 30, sizeBytes: 100 * 2 ** 30 }),
  redis: { "redis-cache": asked<RedisStatus>({ ...REDIS, service: "redis-cache", policy: "volatile-lru" }), "redis-limits": asked(REDIS) },
  queues: asked({ status: "ok", driver: "redis", queues: { "tax-computation": COUNTS } }),
  kafka: null,
};

const partition = (inSync: readonly number[], leader = inSync[0] ?? -1): BrokerState["partitions"][number] => ({
  ...{ topic: "company-events", partition: 0, leader, replicas: [1, 2, 3], inSync: [...inSync] },
});
const KAFKA_NAMES = ["kafka-1", "kafka-2", "kafka-3"];
const withKafka = (brokers: number[], partitions: BrokerState["partitions"], lag: number | null = 0): DataPlaneStatus => ({
  ...DATA,
  kafka: asked(kafkaStatus({ broker: 1, brokers, partitions }, KAFKA_NAMES, lag)),
});

const found = (data: DataPlaneStatus): string[] =>
  findings({ containers: [], instances: [], data }).map(({ severity, what, runbook }) => `${severity} ${runbook}: ${what}`);
const withPostgres = (change: Partial<PostgresStatus>): DataPlaneStatus => ({ ...DATA, postgres: asked({ ...POSTGRES, ...change }) });

describe("status of phase database (A7, A8, B3, F2)", () => {
  it("nothing is found in a stack that is well", () => {
    assert.deepEqual(found(DATA), []);
  });

  it("every state that somebody should look at is found, with its page", () => {
    const cases: readonly (readonly [DataPlaneStatus, RegExp])[] = [
      [
        withPostgres({ leader: null, members: [member("pg-2", { state: "running", sync: null })] }),
        /^critical no-primary: Postgres has no primary/,
      ],
      [withPostgres({ members: [PRIMARY, member("pg-2", { sync: "async" })] }), /^critical no-sync-standby: /],
      [
        withPostgres({ members: [PRIMARY, member("pg-2", { role: "primary", state: "running", sync: null })] }),
        /^critical split-brain: pg-1 and pg-2/,
      ],
      [
        withPostgres({ members: [PRIMARY, member("pg-2"), member("pg-3", { role: "unknown", state: "unreachable", sync: null })] }),
        /^critical postgres-node-down: pg-3/,
      ],
      [
        withPostgres({ members: [PRIMARY, member("pg-2"), member("pg-3", { state: "starting", sync: null })] }),
        /^critical postgres-node-down: pg-3 does not follow/,
      ],
      [
        withPostgres({ members: [PRIMARY, member("pg-2"), member("pg-3", { timeline: 2 })] }),
        /^critical postgres-node-down: pg-3 is on timeline 2, the primary on 3/,
      ],
      [withPostgres({ members: [PRIMARY, member("pg-2", { lagBytes: 30 * 2 ** 20 })] }), /^warning replica-lagging: pg-2 is 30 MB behind/],
      [withPostgres({ reaper: { ...POSTGRES.reaper, healthy: false } }), /^critical etcd-down: /],
      [withPostgres({ automaticFailover: false }), /^critical failover-off: automatic failover is switched off/],
      [withPostgres({ pools: null }), /^critical pgbouncer-down: PgBouncer does not answer/],
      [withPostgres({ pools: [{ ...POOL, paused: true }] }), /^critical pgbouncer-down: .*paused/],
      [
        withPostgres({ pools: [{ ...POOL, clientsWaiting: 4, longestWaitMs: 3100 }] }),
        /^critical pgbouncer-saturated: 4 clients wait for app \(app\), the first for 3\.1 s/,
      ],
      [withPostgres({ healthy: false, problems: ["Something new."] }), /^critical postgres-node-down: Something new\./],
      [{ ...DATA, postgres: asked<PostgresStatus>(null, "no answer") }, /^critical operator-down: .*no answer/],
      [{ ...DATA, proxy: asked({ primaries: ["pg-1", "pg-2"] }) }, /^critical split-brain: postgres-proxy sees two/],
      [{ ...DATA, disk: asked({ freeBytes: 3, sizeBytes: 100 }) }, /^critical wal-disk-full: /],
      [{ ...DATA, disk: asked({ freeBytes: 12, sizeBytes: 100 }) }, /^warning disk-full: /],
      [
        { ...DATA, redis: { "redis-cache": asked<RedisStatus>(null, "no container") } },
        /^critical redis-down: redis-cache does not answer: no container/,
      ],
      [
        { ...DATA, redis: { "redis-limits": asked({ ...REDIS, usedBytes: 60 * 2 ** 20 }) } },
        /^critical redis-full: redis-limits is nearly full/,
      ],
      [{ ...DATA, redis: { "redis-limits": asked<RedisStatus>({ ...REDIS, appendOnly: "failing" }) } }, /^critical redis-full: .*failing/],
      [
        { ...DATA, queues: asked({ status: "warning", driver: "redis", queues: { ocr: { ...COUNTS, failed: 2 } } }) },
        /^warning jobs-waiting: 2 jobs of ocr failed/,
      ],
      [
        { ...DATA, queues: asked({ status: "warning", driver: "redis", reason: "No answer.", queues: {} }) },
        /^warning jobs-waiting: No answer\./,
      ],
      [{ ...DATA, kafka: asked<KafkaStatus>(null, "refused") }, /^critical kafka-broker-down: Kafka does not answer: refused/],
      [withKafka([1, 3], [partition([1, 3])]), /^critical kafka-broker-down: kafka-2 left the cluster/],
      [withKafka([1, 2, 3], [partition([1, 3])]), /^warning kafka-broker-down: 1 partitions of Kafka lack a copy in sync/],
      [withKafka([1], [partition([1])]), /^critical kafka-broker-down: 1 partitions of Kafka acknowledge nothing/],
      [withKafka([1], [partition([2], -1)]), /^critical kafka-broker-down: 1 partitions of Kafka have no leader/],
      [withKafka([1, 2, 3], [partition([1, 2, 3])], 20_000), /^warning kafka-lagging: 20000 events wait to be read/],
    ];
    for (const [data, expected] of cases) {
      const lines = found(data);
      assert.ok(
        lines.some((line) => expected.test(line)),
        `${String(expected)} is not among ${JSON.stringify(lines)}`,
      );
    }
  });

  it("what is meant to be is no finding: a pause of a switchover, a wait of a moment, a full cache that drops what is old", () => {
    assert.deepEqual(
      found(withPostgres({ switchoverRunning: true, pools: [{ ...POOL, paused: true, clientsWaiting: 9, longestWaitMs: 2500 }] })),
      [],
    );
    assert.deepEqual(found(withPostgres({ pools: [{ ...POOL, clientsWaiting: 9, longestWaitMs: 100 }] })), []);
    const full: RedisStatus = { ...REDIS, policy: "volatile-lru", usedBytes: 64 * 2 ** 20 };
    assert.deepEqual(found({ ...DATA, redis: { "redis-cache": asked(full) } }), []);
  });

  it("the gravest comes first", () => {
    const data = { ...withPostgres({ leader: null, members: [member("pg-2")] }), disk: asked({ freeBytes: 12, sizeBytes: 100 }) };
    const severities = found(data).map((line) => line.split(" ")[0]);
    assert.deepEqual(severities, [...severities].sort());
    assert.equal(severities.at(-1), "warning");
  });

  it("shows nodes, pools, Redis and queues", () => {
    const text = renderDataPlane(DATA);
    assert.match(text, /^pg-1 +primary +running +3 +– +–$/m);
    assert.match(text, /^pg-3 +standby +streaming +3 +4\.0 kB +yes \(any of them\)$/m);
    assert.match(
      text,
      /leader pg-1 · pg-2, pg-3 can take over · failover watched · last switchover pg-2 → pg-1, writes held for 412 ms · disk 40 GB/,
    );
    assert.match(text, /^app +app +active +24 +0 +3 \+ 9$/m);
    assert.match(text, /^redis-limits +primary +1\.0 MB of 64 MB +noeviction +12 of 10000 +on +7$/m);
    assert.match(text, /^queue \(redis\)/m);
    assert.match(text, /^tax-computation +active +0 +1 +2 +0$/m);
  });

  it("B15 shows the last good backup, its age and the archive; what is wrong is a finding with its page", () => {
    const backups = POSTGRES.backups!;
    const now = Date.parse(POSTGRES.at);
    assert.equal(
      backupsLine(POSTGRES, now),
      "backups  well  last full 3 h ago · 1 kept, 8.0 MB, since 2026-11-21T10:00:07Z · log archived 40 s ago · verified 3 h ago",
    );
    const pages = {
      ...backups,
      backups: [{ ...backups.backups[0]!, damaged: true }],
      problems: ["Files of the database itself are damaged."],
    };
    assert.match(
      backupsLine({ backups: pages, backupsUnknown: null }, now),
      /^backups {2}look above {2}last full 3 h ago · with damaged pages · /,
    );
    assert.equal(backupsLine({ backups: null, backupsUnknown: null }, now), "backups  none are made");
    const failing: BackupStatus = {
      ...backups,
      backups: [],
      archive: { ...backups.archive, failing: true, waiting: 3 },
      verified: { at: POSTGRES.at, ok: false, message: "checksum invalid: 1" },
      running: "full backup",
      problems: ["The log is not archived."],
    };
    assert.equal(
      backupsLine({ backups: failing, backupsUnknown: null }, now),
      "backups  look above  none yet · log not archived, 3 segments wait · damaged · full backup under way",
    );
    assert.deepEqual(found(withPostgres({ backups: failing })), ["critical backups-failing: The log is not archived"]);
    assert.deepEqual(found(withPostgres({ backups: null })), [], "somebody wants none");
    const unknown = { backups: null, backupsUnknown: "Backups are wanted, and nobody tells of any: etcd does not answer." };
    assert.equal(backupsLine(unknown, now), "backups  nobody tells of any");
    assert.deepEqual(found(withPostgres(unknown)), [
      "critical backups-failing: Backups are wanted, and nobody tells of any: etcd does not answer",
    ]);
    assert.deepEqual(
      [59, 121, 7300, 200_000].map((s) => ageText(new Date(now - s * 1000).toISOString(), now)),
      ["59 s", "2 min", "2 h", "2 days"],
    );
  });

  it("B5 shows brokers, copies and lag; of a Kafka that is well nothing is found", () => {
    const well = withKafka([1, 2, 3], [partition([1, 2, 3]), partition([1, 2, 3], 3)], 12);
    assert.deepEqual(found(well), []);
    assert.match(renderDataPlane(well), /^kafka-1 +there +1 +2 +0$/m);
    assert.match(renderDataPlane(well), /^2 partitions · all copies in sync · 12 events wait to be read$/m);
    const broken = withKafka([1, 3], [partition([1, 3]), partition([3])], null);
    assert.match(renderDataPlane(broken), /^kafka-2 +away +0 +2 +2$/m);
    assert.match(renderDataPlane(broken), /^2 partitions · 1 acknowledge nothing · 2 lack a copy in sync · lag unknown$/m);
  });

  it("B5 the lag is that of who reads, else of who publishes, else unknown", () => {
    const report = (consuming: boolean, lag: number | null) => ({ events: { status: "ok", enabled: true, consuming, lag } }) as AppReport;
    assert.equal(lagOf([report(false, null), report(false, 7), report(true, 5)]), 5);
    assert.equal(lagOf([null, report(true, null), report(false, 7)]), 7);
    assert.equal(lagOf([null, report(false, null), { events: undefined } as AppReport]), null);
  });

  it("F2 a broker is restarted only when all are there and nothing lacks a copy", () => {
    const refusal = (brokers: number[], partitions: BrokerState["partitions"]): string | undefined =>
      refusalOf(kafkaStatus({ broker: 1, brokers, partitions }, KAFKA_NAMES, null));
    assert.equal(refusal([1, 2, 3], [partition([1, 2, 3])]), undefined);
    assert.equal(refusal([3, 1, 2], []), undefined, "no topic yet");
    assert.match(refusal([1, 3], [partition([1, 3])]) ?? "", /^kafka-2 is away; /);
    assert.match(refusal([1, 2, 3], [partition([1, 2, 3]), partition([1, 2])]) ?? "", /^1 partitions lack a copy in sync; /);
  });

  it("shows what does not answer, and why", () => {
    const text = renderDataPlane({
      ...DATA,
      postgres: asked<PostgresStatus>(null, "no container of postgres-operator runs"),
      redis: { "redis-cache": asked<RedisStatus>(null, "refused") },
      queues: asked<NonNullable<DataPlaneStatus["queues"]["value"]>>(null, "no app"),
    });
    assert.match(text, /^postgres +unknown +no container of postgres-operator runs$/m);
    assert.match(text, /^redis-cache +no answer .*refused$/m);
    assert.match(text, /^queues +unknown +no app$/m);
  });

  it("says nothing of queues where nobody was asked for any: with an image of the user's own", () => {
    const text = renderDataPlane({ ...DATA, queues: { value: null, problem: null } });
    assert.doesNotMatch(text, /queue|unknown/);
    assert.match(text, /^redis-cache +primary/m);
  });

  it("the operator's line is read, and one of another version is not taken for it", () => {
    assert.deepEqual(parsePostgresStatus(JSON.stringify(POSTGRES)), POSTGRES);
    const { backups, backupsUnknown, ...older } = POSTGRES;
    assert.ok(backups);
    assert.equal(backupsUnknown, null);
    const parsed = parsePostgresStatus(JSON.stringify(older));
    assert.deepEqual([parsed.backups, parsed.backupsUnknown], [null, null], "an operator from before there were backups");
    assert.deepEqual(candidates(POSTGRES), ["pg-2", "pg-3"]);
    assert.throws(() => parsePostgresStatus(JSON.stringify({ ...POSTGRES, members: [{ name: "pg-1" }] })), /is not understood.*members/s);
  });

  it("Redis' INFO, df and the proxy's answer are read", () => {
    const info = parseInfo(
      [
        "# Memory\r",
        ...["used_memory:1024\r", "maxmemory:2048\r", "maxmemory_policy:noeviction\r", "connected_clients:3\r", "maxclients:10000\r"],
        ...["role:master\r", "aof_enabled:1\r", "aof_last_write_status:ok\r", "aof_last_bgrewrite_status:err\r", "loading:0\r"],
        ...["evicted_keys:5\r", "instantaneous_ops_per_sec:11\r"],
      ].join("\n"),
    );
    assert.deepEqual(redisStatus("redis-limits", info), {
      ...REDIS,
      ...{ usedBytes: 1024, maxBytes: 2048, clients: 3, appendOnly: "failing", evicted: 5, operationsPerSecond: 11 },
    });
    assert.throws(() => redisStatus("redis-cache", {}), /INFO of redis-cache has no field role/);
    const df = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sda1 1000 600 350 64% /data\n";
    assert.deepEqual(parseDiskFree(df), { sizeBytes: 1_024_000, freeBytes: 358_400 });
    assert.throws(() => parseDiskFree("df: no such file"), /df is not understood/);
    const answer = (status: string, body: string): string => `HTTP/1.1 ${status}\r\ncontent-type: text/plain\r\n\r\n${body}`;
    assert.deepEqual(parseProxyAnswer(answer("200 OK", "pg-2 ")), { primaries: ["pg-2"] });
    assert.deepEqual(parseProxyAnswer(answer("503 Service Unavailable", "no primary")), { primaries: [] });
    assert.throws(() => parseProxyAnswer("garbage"), /the proxy answers "garbage"/);
  });
});
