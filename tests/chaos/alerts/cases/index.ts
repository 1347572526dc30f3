import type { AlertCase } from "./alert-case";
import { undoAll } from "./alert-case";

/** Services whose end is told by an alert each, of which none needs another to be told. */
const SERVERS = {
  "load-balancer": "load-balancer",
  pgbouncer: "pgbouncer",
  "postgres-proxy": "postgres-proxy",
  "redis-cache": "redis",
} as const;

/** What is watched through an exporter, or is one. */
const WATCHED = { node: "node-exporter", postgres: "postgres-exporter", pgbouncer: "pgbouncer-exporter", redis: "redis-exporter" } as const;

/** Faults, and the alerts that tell of each: all fire, and all are over once it is taken back. */
export const ALERT_CASES: readonly AlertCase[] = [
  {
    title: "every instance of the app is stopped",
    fires: [
      { rule: "NoInstanceReady critical app" },
      { rule: "HighErrorRate critical app" },
      { rule: "ServiceDown critical", labels: { service: "app" } },
      { rule: "ServiceDown critical app" },
    ],
    fault: (stack) => stack.stop("app"),
    meanwhile: (stack) => stack.knock(20, "GET", "/api/orders"),
  },
  {
    title: "servers between the app and its data are stopped",
    fires: Object.values(SERVERS).map((service) => ({ rule: `ServiceDown critical ${service}` })),
    fault: (stack) => stack.stop(...Object.keys(SERVERS)),
  },
  {
    title: "etcd and the operator of Postgres are stopped",
    fires: [{ rule: "ServiceDown critical etcd" }, { rule: "ServiceDown warning postgres-operator" }],
    fault: (stack) => stack.stop("etcd", "postgres-operator"),
  },
  {
    title: "what watches is stopped",
    fires: ["alertmanager", ...Object.keys(WATCHED)].map((job) => ({ rule: "ServiceDown warning", labels: { job } })),
    fault: (stack) => stack.stop("alertmanager", ...Object.values(WATCHED)),
  },
  {
    title: "the only standby is stopped",
    fires: [
      { rule: "ServiceDown critical postgres", labels: { instance: /^pg-\d$/ } },
      { rule: "PostgresNoSyncStandby critical postgres" },
    ],
    fault: async (stack) => {
      const { standbys } = await stack.data.roles();
      const undo = await stack.stopAll(await Promise.all(standbys.map((name) => stack.data.node(name))));
      return () => undoAll([() => stack.data.redundant(), undo]);
    },
  },
  {
    title: "both nodes of Postgres are stopped",
    fires: [{ rule: "PostgresNoPrimary critical postgres" }],
    fault: async (stack) => {
      await stack.data.redundant();
      const undo = await stack.stop("postgres");
      return () => undoAll([() => stack.data.redundant(), undo]);
    },
  },
  {
    title: "whoever is told refuses, while a Redis is down",
    fires: [{ rule: "AlertsNotDelivered warning alertmanager" }, { rule: "HeartbeatNotDelivered warning alertmanager" }],
    fault: async (stack) => {
      stack.receiver.status = 503;
      const start = await stack.stop("redis-cache");
      const accept = (): Promise<void> => Promise.resolve(void (stack.receiver.status = 200));
      return () => undoAll([start, accept]);
    },
  },
  {
    title: "a replica does not replay what the primary writes",
    fires: [{ rule: "PostgresReplicaLag warning", labels: { instance: /^pg-\d$/ } }],
    fault: async (stack) => {
      const { primary, standbys } = await stack.data.roles();
      const standby = standbys[0] ?? "";
      await stack.data.sql(standby, "SELECT pg_wal_replay_pause()");
      const resume = (): Promise<string> => stack.data.sql(standby, "SELECT pg_wal_replay_resume()");
      // 32 MB of log, where 10 MiB are too much.
      await stack.data.sql(primary, "CREATE TABLE alert_filler AS SELECT repeat('x', 1000) AS text FROM generate_series(1, 32000)");
      return () => undoAll([() => stack.data.sql(primary, "DROP TABLE alert_filler"), resume]);
    },
  },
  {
    title: "automatic failover is switched off by hand",
    fires: [{ rule: "PostgresFailoverOff critical postgres" }],
    fault: async (stack) => {
      const { primary } = await stack.data.roles();
      const patroni = async (word: string): Promise<string> =>
        stack.exec(await stack.data.node(primary), ["entrypoint.sh", "patronictl", word, "--wait"], 30_000);
      await patroni("pause");
      return () => patroni("resume");
    },
  },
];

/** A fault that nobody has written yet, as opposed to one that a test had better not make. */
const NOT_WRITTEN = "its fault is not written yet";

/** Rules that no case of the table makes fire, each with the reason. */
export const NOT_TRIED_LIVE: Readonly<Record<string, string>> = {
  "HostMemoryHigh warning host": "it needs most of the memory of the machine that others use",
  "HostCpuHigh warning host": "it needs the CPUs of the machine that others use, and their load would keep it from ending",
  "DiskSpaceLow warning host": "it needs the disk of the Docker host to be full",
  "DiskSpaceLow critical host": "it needs the disk of the Docker host to be full",
  "Watchdog none prometheus": "it has no fault: the test looks that it fires from the beginning",
  "SlowResponses critical app": NOT_WRITTEN,
  "WorkersKeepDying warning": NOT_WRITTEN,
  "AppMemoryHigh warning": NOT_WRITTEN,
  "WorkerMemoryHigh warning": NOT_WRITTEN,
  "EventLoopLate warning": NOT_WRITTEN,
  "PostgresTwoPrimaries critical postgres": NOT_WRITTEN,
  "PostgresConnectionsHigh warning postgres": NOT_WRITTEN,
  "PostgresArchiveFailing critical postgres": NOT_WRITTEN,
  "PostgresBackupsFailing critical postgres": NOT_WRITTEN,
  "PgbouncerClientsWaiting warning pgbouncer": NOT_WRITTEN,
  "PoolNearlyUsedUp warning app": NOT_WRITTEN,
  "RedisNearlyFull warning": NOT_WRITTEN,
  "RedisCannotWrite critical": NOT_WRITTEN,
  "RedisCannotRewrite warning": NOT_WRITTEN,
  "JobsWaiting warning jobs": NOT_WRITTEN,
  "JobsDeadLetters warning jobs": NOT_WRITTEN,
  "KafkaLagging warning consumer": NOT_WRITTEN,
  "KafkaBrokerDown warning kafka": NOT_WRITTEN,
  "EventsNotPublished critical kafka": NOT_WRITTEN,
  "OutboxGrows warning kafka": NOT_WRITTEN,
  "EventsDeadLetters warning consumer": NOT_WRITTEN,
};
