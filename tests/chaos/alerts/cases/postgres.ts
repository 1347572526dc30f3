import { randomUUID } from "node:crypto";
import { type AlertCase, undoAll } from "../alert-case";
import type { AlertStack } from "../alert-stack";

/** What Postgres keeps for superusers: nobody else is let in beyond. */
const FREE_CONNECTIONS = 3;

const ARCHIVE = "/var/lib/pgbackrest/archive";

async function patroni(stack: AlertStack, word: "pause" | "resume"): Promise<string> {
  const { leader } = await stack.data.status();
  return stack.exec(await stack.data.node(leader ?? ""), ["entrypoint.sh", "patronictl", word, "--wait"], 60_000);
}

/** Closes or opens the archive to those who add to it. */
async function archive(stack: AlertStack, mode: "a-w" | "u+w"): Promise<void> {
  const { leader } = await stack.data.status();
  await stack.exec(await stack.data.node(leader ?? ""), ["find", ARCHIVE, "-type", "d", "-exec", "chmod", mode, "{}", "+"]);
}

/** Milliseconds between two segments: of 16 MiB each, of which 1 GiB may wait before log is dropped, and only a backup makes up for that. */
const SEGMENT_MS = 10_000;

let switchedAt = -Infinity;

/** Ends the segment of the log that is being written now and then: with each the archiver tries again at once, by itself after a minute. */
async function moreLog(stack: AlertStack): Promise<void> {
  if (performance.now() - switchedAt < SEGMENT_MS) return;
  switchedAt = performance.now();
  await switchLog(stack);
}

async function switchLog(stack: AlertStack): Promise<void> {
  const { leader } = await stack.data.status();
  await stack.data.sql(leader ?? "", "SELECT pg_logical_emit_message(true, 'alert', 'filler'); SELECT pg_switch_wal()");
}

/** Postgres with Patroni. */
export const POSTGRES_CASES: readonly AlertCase[] = [
  {
    title: "etcd and the operator of Postgres are stopped",
    fires: [{ rule: "ServiceDown critical etcd" }, { rule: "ServiceDown warning postgres-operator" }],
    fault: (stack) => stack.stop("etcd", "postgres-operator"),
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
    title: "a replica does not replay what the primary writes",
    fires: [{ rule: "PostgresReplicaLag warning", labels: { instance: /^pg-\d$/ } }],
    fault: async (stack) => {
      const { primary, standbys } = await stack.data.roles();
      const standby = standbys[0] ?? "";
      // Its process hangs; a pause would be ended by Patroni within two seconds.
      const process = await stack.data.sql(standby, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'startup'");
      const signal = async (name: string): Promise<string> =>
        stack.exec(await stack.data.node(standby), ["bash", "-c", `kill -${name} ${process}`]);
      await signal("STOP");
      // 32 MB of log, where 10 MiB are too much.
      await stack.data.sql(primary, "CREATE TABLE alert_filler AS SELECT repeat('x', 1000) AS text FROM generate_series(1, 32000)");
      return () => undoAll([() => stack.data.sql(primary, "DROP TABLE alert_filler"), () => signal("CONT")]);
    },
  },
  {
    title: "somebody goes past PgBouncer",
    fires: [{ rule: "PostgresConnectionsHigh warning postgres", labels: { instance: /^pg-\d$/ } }],
    fault: async (stack) => {
      const { primary } = await stack.data.roles();
      const [most = 0, used = 0] = (
        await stack.data.sql(
          primary,
          "SELECT current_setting('max_connections'), count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'",
        )
      )
        .split("|")
        .map(Number);
      return stack.session(primary, "SELECT 1", most - FREE_CONNECTIONS - used + 1);
    },
  },
  {
    title: "the archive takes no log",
    fires: [{ rule: "PostgresArchiveFailing critical postgres" }, { rule: "PostgresBackupsFailing critical postgres" }],
    fault: async (stack) => {
      await archive(stack, "a-w");
      return () => undoAll([() => switchLog(stack), () => archive(stack, "u+w")]);
    },
    meanwhile: moreLog,
  },
  {
    title: "both nodes of Postgres are stopped",
    fires: [{ rule: "PostgresNoPrimary critical postgres" }, { rule: "PgbouncerClientsWaiting warning pgbouncer" }],
    fault: async (stack) => {
      await stack.data.redundant();
      const start = await stack.stop("postgres");
      const end = stack.load(20, () => `/api/orders/${randomUUID()}`);
      return () => undoAll([() => stack.data.redundant(), end, start]);
    },
  },
  {
    // The last one: two histories of one database are in the archive afterwards.
    title: "somebody switches automatic failover off, and promotes the standby",
    fires: [{ rule: "PostgresFailoverOff critical postgres" }, { rule: "PostgresTwoPrimaries critical postgres" }],
    fault: async (stack) => {
      const { standbys } = await stack.data.roles();
      await patroni(stack, "pause");
      await stack.data.sql(standbys[0] ?? "", "SELECT pg_promote(wait => true, wait_seconds => 8)");
      return () => undoAll([() => stack.data.redundant(), () => patroni(stack, "resume")]);
    },
  },
];
