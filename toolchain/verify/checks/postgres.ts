import { SERVICES } from "../../lib/docker-app";
import { execIn } from "../../lib/docker";
import { candidates } from "../../lib/postgres-operator";
import { formatBytes } from "../../lib/table";
import { insideApp } from "../inside";
import { fail, pass, verdict, type Check } from "../types";
import { createOrder } from "./answers";

/** Bytes a replica may be behind while next to nothing is written; A7 and E10 allow 5 s, which cannot be told from bytes. */
const LAG_BYTES = 1024 * 1024;

/** Feature A8. */
const CLIENTS = 1000;

/** Reads sent over one connection, so to one worker, whose figures then are compared. */
const READS = 12;

/** Every reader's count of reads, and how often the primary stood in, before and after some reads. */
const COUNT_READS = `
const { ask, close } = connection("127.0.0.1");
const figures = async () => {
  const { replicas, fallbacks } = JSON.parse((await ask("/api/health/database", { headers: input.headers })).text);
  return { reads: replicas.reduce((sum, { reads }) => sum + reads, 0), fallbacks, healthy: replicas.filter((one) => one.healthy).length };
};
const before = await figures();
const statuses = [];
for (let n = 0; n < input.reads; n += 1) {
  const { status } = await ask("/api/orders?limit=" + (n + 1) + "&offset=" + input.offset, { headers: input.headers });
  statuses.push(status);
}
const after = await figures();
close();
return { statuses, reads: after.reads - before.reads, healthy: after.healthy, before: before.fallbacks, after: after.fallbacks };
`;

interface CountedReads {
  readonly statuses: readonly number[];
  readonly reads: number;
  readonly healthy: number;
  readonly before: Readonly<Record<string, number>>;
  readonly after: Readonly<Record<string, number>>;
}

/** A7, A8, E8, F2: Postgres with its replicas, and PgBouncer in front of it. */
export const postgresChecks: readonly Check[] = [
  {
    id: "A7",
    title: "one primary, every replica streams from it",
    target: `same timeline, < ${formatBytes(LAG_BYTES)} behind`,
    phases: ["database"],
    async run({ postgres, expected }) {
      const { members, leader } = await postgres();
      const primaries = members.filter(({ role }) => role === "primary");
      const timeline = primaries[0]?.timeline;
      const violations = [
        ...(primaries.length === 1 && primaries[0]?.name === leader ? [] : [`${primaries.length} primaries, leader ${leader ?? "none"}`]),
        ...(expected.postgresNodes === undefined || members.length === expected.postgresNodes
          ? []
          : [`${members.length} nodes, the stack says ${expected.postgresNodes}`]),
        ...members.flatMap(({ name, role, state, timeline: own, lagBytes }) => {
          if (role === "primary") return [];
          if (role !== "standby" || state !== "streaming") return [`${name} is ${role}, ${state}`];
          if (own !== timeline) return [`${name} is on timeline ${String(own)}, the primary on ${String(timeline)}`];
          return lagBytes === null || lagBytes > LAG_BYTES ? [`${name} is ${lagBytes ?? "?"} bytes behind`] : [];
        }),
      ];
      const lags = members.filter(({ role }) => role === "standby").map(({ lagBytes }) => formatBytes(lagBytes ?? 0));
      return verdict(violations, `${leader ?? ""} leads, ${lags.length} replicas ${lags.join(", ")} behind`);
    },
  },
  {
    id: "F2",
    title: "commits wait for a standby, and the failover is watched",
    target: "at least one standby, etcd answers",
    phases: ["database"],
    async run({ postgres }) {
      const status = await postgres();
      const ready = candidates(status);
      return verdict(
        [
          ...(ready.length > 0 ? [] : ["no standby confirms writes"]),
          ...(status.reaper.healthy ? [] : ["the operator does not reach etcd"]),
          ...(status.automaticFailover === false ? ["automatic failover is switched off"] : []),
        ],
        `${ready.join(", ")} confirm writes`,
      );
    },
  },
  {
    id: "E8",
    title: "the app reads from replicas",
    target: "every read that may, none from the primary",
    phases: ["database"],
    async run({ apps, http, session }) {
      const { cookie } = await session();
      await createOrder(http, cookie, 3);
      const violations: string[] = [];
      const counts: string[] = [];
      for (const [index, app] of (await apps()).entries()) {
        // Another page for each instance: what one has read, the others find in the cache.
        const input = { reads: READS, offset: index, headers: { ...http.operator, cookie } };
        const { statuses, reads, healthy, before, after } = await insideApp<CountedReads>(app, COUNT_READS, input);
        const bad = statuses.filter((status) => status !== 200);
        if (bad.length > 0) violations.push(`${bad.length} of ${READS} reads answered ${String(bad[0])}`);
        const fell = Object.entries(after).filter(([why, count]) => count > (before[why] ?? 0));
        if (reads < READS) violations.push(`only ${reads} of ${READS} from a replica (${fell.map(([why]) => why).join(", ") || "cached"})`);
        counts.push(`${reads} by ${healthy}`);
      }
      return verdict(violations, `reads by servers in each instance: ${counts.join(", ")}`);
    },
  },
  {
    id: "A8",
    title: "PgBouncer between the app and Postgres",
    target: `room for ${CLIENTS} clients, fewer server connections`,
    phases: ["database"],
    async run({ postgres, containers, http, session }) {
      const { cookie } = await session();
      await http.ask("/api/orders?limit=1", { headers: { cookie } });
      const { pools } = await postgres();
      const own = (pools ?? []).filter(({ user }) => user === "app");
      const sum = (field: "clientsActive" | "clientsWaiting" | "serversActive" | "serversIdle"): number =>
        own.reduce((total, pool) => total + pool[field], 0);
      const clients = sum("clientsActive") + sum("clientsWaiting");
      const servers = sum("serversActive") + sum("serversIdle");
      const [bouncer] = await containers(SERVICES.pgbouncer);
      if (bouncer === undefined) return fail("PgBouncer does not run");
      const { stdout } = await execIn(bouncer, ["grep", "^max_client_conn", "/etc/pgbouncer/pgbouncer.ini"]);
      const most = Number(/=\s*(\d+)/.exec(stdout)?.[1] ?? 0);
      return verdict(
        [
          ...(clients > 0 ? [] : ["no client of the app is connected"]),
          ...(own.some(({ database }) => database !== "app") ? [] : ["no pool of a replica"]),
          ...(most >= CLIENTS ? [] : [`takes at most ${most} clients`]),
        ],
        `${clients} clients on ${servers} server connections in ${own.length} pools, at most ${most} clients`,
      );
    },
  },
  {
    id: "A8",
    title: "PgBouncer's connections lead to the primary",
    target: "one node, by the proxy's own checks",
    phases: ["database"],
    async run({ containers, postgres }) {
      const [proxy] = await containers(SERVICES.postgresProxy);
      if (proxy === undefined) return fail("postgres-proxy does not run");
      const script = "exec 3<>/dev/tcp/127.0.0.1/8404 && printf 'GET /primary HTTP/1.0\\r\\n\\r\\n' >&3 && tail -1 <&3";
      const { stdout } = await execIn(proxy, ["bash", "-c", script]);
      const { leader } = await postgres();
      return stdout.trim() === leader
        ? pass(stdout.trim())
        : fail(`the proxy leads to ${stdout.trim()}, the leader is ${leader ?? "nobody"}`);
    },
  },
];
