import type { ChaosEvent, EventContext } from "./types";

/** Data directory of a node, as its image has it. */
const PGDATA = '"$PGDATA"';

/** Longest wait for a failover before a fault counts as not survived, milliseconds. */
const FAILOVER_MS = 60_000;

/** Waits until another node than `old` is primary; its name. */
export async function otherPrimary(context: EventContext, old: string, withinMs = FAILOVER_MS): Promise<string> {
  await context.until(
    `another primary than ${old}`,
    () => context.members().some(({ name, role }) => role === "leader" && name !== old),
    withinMs,
  );
  return context.primary();
}

/** Runs SQL as superuser inside a node. @param container of the node; @default the stack's own */
export async function psql({ targets }: EventContext, node: string, sql: string, container = targets.one(node).container): Promise<string> {
  const script = 'PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE") exec psql -h /var/run/postgresql -U postgres -d app -XAtqc "$0"';
  return (await targets.exec({ ...targets.one(node), container }, ["bash", "-c", script, sql])).trim();
}

/** SIGKILL or another signal for a node's main process of Postgres. */
async function signalPostmaster({ targets }: EventContext, node: string, signal: string): Promise<void> {
  await targets.exec(targets.one(node), ["bash", "-c", `kill -${signal} "$(head -1 ${PGDATA}/postmaster.pid)"`]);
}

const switchover: ChaosEvent = {
  id: "switchover",
  title: "planned switchover",
  anchor: "plain 2.4 s of errors; others 1–6 s, CloudNativePG < 20 s",
  target: { noFailures: true, gapSeconds: 2 },
  needs: ["postgres-operator"],
  async inject(context) {
    const before = context.primary();
    await context.targets.exec(context.targets.one("postgres-operator"), ["node", "main.js", "switchover"], FAILOVER_MS);
    await otherPrimary(context, before);
  },
};

const postmasterKilled: ChaosEvent = {
  id: "postmaster-killed",
  title: "postmaster SIGKILL",
  anchor: "plain 1.1 s",
  target: { gapSeconds: 3 },
  inject: (context) => signalPostmaster(context, context.primary(), "KILL"),
};

/** Something happens to the primary's container, after which another node is primary. */
function primaryLost(
  id: string,
  title: string,
  gapSeconds: number,
  anchor: string,
  how: "stop" | "kill" | "disconnect" | "pause",
): ChaosEvent {
  return {
    ...{ id, title, anchor },
    target: { gapSeconds },
    ...(how === "disconnect" ? { returnsUnaware: true } : {}),
    async inject(context) {
      const before = context.primary();
      await context.targets[how](context.targets.one(before));
      await otherPrimary(context, before);
    },
  };
}

const KILL_ANCHOR = "plain 18.6 and 21.9 s, Patroni bench 20–29 s, Pigsty fast 16–29 s; prototype 3.2–3.7 s";

const replicaKilled: ChaosEvent = {
  id: "replica-killed",
  title: "container of a replica killed",
  target: { gapSeconds: 2 },
  inject: (context) => context.targets.kill(context.targets.one(context.standbys()[0] ?? "")),
};

/** What only the old primary wrote, while nobody could see it. */
const DIVERGED = "chaos_diverged";

const oldPrimaryReturns: ChaosEvent = {
  id: "old-primary-returns",
  title: "old primary returns with writes of its own (pg_rewind)",
  target: { gapSeconds: 2 },
  returnsUnaware: true,
  // How long writes stand still when it is cut off is the event primary-cut.
  async prepare(context) {
    const before = context.primary();
    await context.targets.disconnect(context.targets.one(before));
    // Committed here only, acknowledged to nobody: the two histories now differ, and only a rewind brings the node back.
    await psql(context, before, `SET synchronous_commit = local; CREATE TABLE ${DIVERGED} AS SELECT generate_series(1, 1000) AS id`);
    await otherPrimary(context, before);
    context.say(`${before} has 1,000 rows that nobody else has`);
  },
  inject: (context) => context.repairs.run(),
  async verify(context) {
    for (const node of context.targets.nodes) {
      const found = await psql(context, node, `SELECT count(*) FROM pg_class WHERE relname = '${DIVERGED}'`);
      if (found !== "0") throw new Error(`${node} still has the rows that were never replicated`);
    }
  },
};

const replicaEmptied: ChaosEvent = {
  id: "replica-emptied",
  title: "data directory of a replica removed while it runs",
  target: { gapSeconds: 2 },
  async inject(context) {
    const node = context.targets.one(context.standbys()[0] ?? "");
    await context.targets.exec(node, ["bash", "-c", `rm -rf ${PGDATA}/* || rm -rf ${PGDATA}/*`]);
    const gone = (): boolean => context.members().some(({ name, state }) => name === node.alias && state !== "streaming");
    await context.until(`${node.alias} notices`, gone, 120_000);
  },
};

const standbyStalled: ChaosEvent = {
  id: "standby-stalled",
  title: "walreceiver of a standby stopped (SIGSTOP)",
  target: { gapSeconds: 2 },
  // Longer than wal_sender_timeout (5 s), after which the primary gives the connection up.
  holdSeconds: 15,
  async inject(context) {
    const node = context.targets.one(context.standbys()[0] ?? "");
    const signal = (name: string): string[] => ["bash", "-c", `pkill -${name} -f 'postgres.*[w]alreceiver'`];
    context.repairs.add(`walreceiver of ${node.alias} goes on`, async () => {
      // It may have ended meanwhile; then there is nothing to wake.
      await context.targets.exec(node, ["bash", "-c", `${signal("CONT")[2] ?? ""} || true`]);
    });
    await context.targets.exec(node, signal("STOP"));
  },
};

const doubleFailover: ChaosEvent = {
  id: "double-failover",
  title: "primary killed, and the next one as soon as another could follow",
  target: { gapSeconds: 5 },
  async inject(context) {
    const first = context.primary();
    await context.targets.kill(context.targets.one(first));
    const second = await otherPrimary(context, first);
    // Somebody has to be left who has everything: a standby that counts for acknowledgements.
    const isCounted = (): boolean =>
      context
        .members()
        .some(({ name, role, state }) => name !== first && name !== second && role.endsWith("_standby") && state === "streaming");
    await context.until("a standby of the second primary", isCounted, FAILOVER_MS);
    await context.flowing();
    context.say(`${second} follows ${first}; killing it as well`);
    await context.targets.kill(context.targets.one(second));
    await otherPrimary(context, second);
  },
};

export const POSTGRES_EVENTS: readonly ChaosEvent[] = [
  switchover,
  postmasterKilled,
  primaryLost("primary-stopped", "container of the primary stopped", 4, "plain 2.4 s", "stop"),
  primaryLost("primary-killed", "container of the primary killed", 5, KILL_ANCHOR, "kill"),
  primaryLost("primary-cut", "primary cut from the network", 5, "prototype 3.7 s", "disconnect"),
  primaryLost("primary-paused", "container of the primary paused", 25, "plain 20.7 s", "pause"),
  replicaKilled,
  oldPrimaryReturns,
  replicaEmptied,
  standbyStalled,
  doubleFailover,
];
