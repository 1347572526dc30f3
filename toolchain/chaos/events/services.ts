import type { ChaosEvent } from "./types";

/** Longest gap when something dies that no write needs, or only for a moment; seconds (data-plane.md: "writes keep flowing"). */
const FLOWING = { gapSeconds: 2 } as const;

/** A container that is killed and, once writes flow, started again. */
function killed(alias: string, id: string, title: string, more: Partial<ChaosEvent> = {}): ChaosEvent {
  return { id, title, target: FLOWING, needs: [alias], inject: ({ targets }) => targets.kill(targets.one(alias)), ...more };
}

/** A container that Docker stops and starts. */
function restarted(alias: string, id: string, title: string, more: Partial<ChaosEvent> = {}): ChaosEvent {
  return { id, title, target: FLOWING, needs: [alias], inject: ({ targets }) => targets.restart(targets.one(alias)), ...more };
}

function paused(alias: string, id: string, title: string): ChaosEvent {
  const target = FLOWING;
  return { id, title, target, needs: [alias], holdSeconds: 10, inject: ({ targets }) => targets.pause(targets.one(alias)) };
}

/** Of a core; what Redis needs for this load is several times that. */
const SLOW_SHARE = 0.01;

function slow(alias: string, id: string, title: string): ChaosEvent {
  const target = FLOWING;
  return { id, title, target, needs: [alias], holdSeconds: 10, inject: ({ targets }) => targets.slowDown(targets.one(alias), SLOW_SHARE) };
}

const operatorKilledInSwitchover: ChaosEvent = {
  id: "operator-killed-in-switchover",
  title: "operator killed in the middle of a switchover",
  // What it paused stays paused until it is back, which is Docker's start of one container.
  target: { gapSeconds: 10 },
  needs: ["postgres-operator"],
  async inject(context) {
    const operator = context.targets.one("postgres-operator");
    const before = context.primary();
    const running = context.targets.exec(operator, ["node", "main.js", "switchover"], 60_000).then(
      () => "ended",
      () => "broke off",
    );
    await context.until(
      `${before} stops being primary`,
      () => !context.members().some(({ name, role }) => name === before && role === "leader"),
      30_000,
    );
    await context.targets.kill(operator);
    context.say(`the switchover ${await running}`);
    await context.targets.start(operator);
  },
};

export const SERVICE_EVENTS: readonly ChaosEvent[] = [
  // Longer than the lease (20 s): the primary stays primary because it reaches the others (failsafe mode).
  killed("etcd-1", "etcd-killed", "etcd killed, for 30 s", { holdSeconds: 30 }),
  restarted("pgbouncer", "pgbouncer-restarted", "PgBouncer restarted"),
  restarted("postgres-proxy", "proxy-restarted", "postgres-proxy (HAProxy) restarted"),
  killed("postgres-operator", "operator-killed", "operator (reaper) killed", { holdSeconds: 5 }),
  operatorKilledInSwitchover,
  killed("redis-cache", "cache-killed", "Redis for cache and sessions killed", { holdSeconds: 10 }),
  paused("redis-cache", "cache-paused", "Redis for cache and sessions paused"),
  slow("redis-cache", "cache-slow", "Redis for cache and sessions slow (1 % of a core)"),
  killed("redis-limits", "limits-killed", "Redis for limits and queues killed", { holdSeconds: 10 }),
  paused("redis-limits", "limits-paused", "Redis for limits and queues paused"),
  slow("redis-limits", "limits-slow", "Redis for limits and queues slow (1 % of a core)"),
  // Its port is the stack's only one: while it restarts nothing can be answered.
  restarted("load-balancer", "load-balancer-restarted", "load balancer restarted", { target: { gapSeconds: 5 } }),
  killed("app", "app-killed", "app instance killed"),
  paused("app", "app-paused", "app instance paused"),
];
