import { randomUUID } from "node:crypto";
import { type AlertCase, undoAll } from "../alert-case";
import type { AlertStack } from "../alert-stack";

/** Services whose end is told by an alert each, of which none needs another to be told. */
const SERVERS = {
  "load-balancer": "load-balancer",
  pgbouncer: "pgbouncer",
  "postgres-proxy": "postgres-proxy",
  "redis-cache": "redis",
} as const;

const TAX_JOB = { taxYear: 2025, filingStatus: "single", grossIncomeCents: 8_000_000 };

/** Above the 1,000 that the rule takes for too many. */
const MANY_JOBS = 1060;

const ASKERS = 4;

/** A Redis rewrites its file from so much on, and when it is twice what it was at its start or after the last time. */
const REWRITTEN_FROM_MB = 64;

/** Room after that, MiB. What is in memory by then (14 of 16 MiB) takes about 9 in a file that is written anew, packed: it cannot. */
const REDIS_ROOM_MB = 3;

/** Values of 49,000 letters that can hardly be packed: a rewritten file has them packed. */
const WRITE_KEYS = `for key = ARGV[1], ARGV[2] do
  local parts = {}
  for part = 1, 1225 do parts[part] = redis.sha1hex(key .. ':' .. part) end
  redis.call('SET', 'alert-filler:' .. key, table.concat(parts))
end`;

/** Asks the Redis that may forget nothing, as the app does. */
async function redisLimits(stack: AlertStack): Promise<{
  readonly figure: (section: string, name: string) => Promise<string>;
  readonly write: (from: number, to: number) => Promise<string>;
}> {
  const [server, app] = [await stack.data.container("redis-limits"), await stack.data.container("app")];
  const url = new URL(await stack.exec(app, ["bash", "-c", 'cat "$REDIS_LIMITS_URL_FILE"']));
  const login = ["redis-cli", "--no-auth-warning", "--user", url.username, "--pass", decodeURIComponent(url.password)];
  return {
    figure: async (section, name) =>
      new RegExp(`^${name}:(\\S+)`, "m").exec(await stack.exec(server, [...login, "info", section]))?.[1] ?? "",
    write: (from, to) => stack.exec(server, [...login, "eval", WRITE_KEYS, "0", String(from), String(to)]),
  };
}

/** Writes keys until so much of the memory is used, then the same again and again until the disk is full. */
async function fillRedis(stack: AlertStack): Promise<void> {
  const { figure, write } = await redisLimits(stack);
  const isFull = async (): Promise<boolean> =>
    Number(await figure("memory", "used_memory")) > 0.88 * Number(await figure("memory", "maxmemory"));
  let keys = 0;
  for (; !(await isFull()); keys += 5) await write(keys, keys + 4);
  // A script is written as a whole or not at all: in steps of a MiB, so that the file grows to where it is rewritten before the disk is full.
  for (let key = 0; (await figure("persistence", "aof_last_write_status")) === "ok"; key = (key + 20) % keys)
    await write(key, Math.min(keys, key + 20) - 1);
}

/** Between the app and its data. */
export const DATA_CASES: readonly AlertCase[] = [
  {
    title: "servers between the app and its data are stopped",
    fires: Object.values(SERVERS).map((service) => ({ rule: `ServiceDown critical ${service}` })),
    fault: (stack) => stack.stop(...Object.keys(SERVERS)),
  },
  {
    title: "somebody holds tables that everybody writes to",
    fires: [{ rule: "SlowResponses critical app" }, { rule: "PoolNearlyUsedUp warning app" }, { rule: "JobsDeadLetters warning jobs" }],
    // Who looks at the tables waits with everybody else, and must not take the last connection.
    without: [{ rule: "PostgresConnectionsHigh warning postgres" }],
    fault: async (stack) => {
      const { leader } = await stack.data.status();
      const holding = await stack.session(leader ?? "", "LOCK TABLE tax_computations IN ACCESS EXCLUSIVE MODE");
      await stack.knock(1, "POST", "/api/jobs/tax-computations", TAX_JOB);
      const more = await stack.session(leader ?? "", "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE");
      // Each reads another one: what is the same is asked for once, and of those who write in one company one at a time gets a connection.
      const end = stack.load(40, () => `/api/orders/${randomUUID()}`);
      const discard = async (): Promise<void> => {
        const found = await stack.administer("GET", "/api/admin/queues/tax-computation/dead-letters");
        for (const { id } of found["data"] as { id: string }[]) await stack.administer("DELETE", `/api/admin/queues/dead-letters/${id}`);
      };
      return () => undoAll([discard, holding, more, end]);
    },
  },
  {
    title: "who runs jobs is stopped",
    fires: [{ rule: "JobsWaiting warning jobs" }, { rule: "ServiceDown critical", labels: { service: "jobs" } }],
    fault: async (stack) => {
      const start = await stack.stop("jobs");
      // As many at a time as the pools carry: what is too many is refused.
      const accept = async (): Promise<void> => {
        for (let left = MANY_JOBS / ASKERS; left > 0;) {
          const { status } = await stack.client.ask("POST", "/api/jobs/tax-computations", { json: TAX_JOB });
          if (status === 202) left -= 1;
        }
      };
      await Promise.all(Array.from({ length: ASKERS }, accept));
      return start;
    },
  },
  {
    title: "memory and disk of the Redis that may forget nothing are full",
    fires: [
      { rule: "RedisNearlyFull warning", labels: { instance: "redis-limits" } },
      { rule: "RedisCannotWrite critical", labels: { instance: "redis-limits" } },
      { rule: "RedisCannotRewrite warning", labels: { instance: "redis-limits" } },
    ],
    fault: async (stack) => {
      const fileMb = Number(await (await redisLimits(stack)).figure("persistence", "aof_current_size")) / 1024 ** 2;
      const diskMb = Math.ceil(Math.max(REWRITTEN_FROM_MB, 2 * fileMb)) + REDIS_ROOM_MB;
      const { undo } = await stack.standIn("redis-limits", { disksMb: { "/data": diskMb }, memoryMb: 4 * diskMb });
      await fillRedis(stack);
      return undo;
    },
  },
];
