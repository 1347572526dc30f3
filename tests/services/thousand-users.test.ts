import assert from "node:assert/strict";
import { Agent } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { type FloodRequest, NO_ADDRESS_LIMITS, send, signUp } from "../app/rate-limit/flood";
import { destroyInstances, type Instance, startInstance } from "../faults/support/instance";
import { programs } from "../faults/support/programs";
import { type PostgresGroup, startPostgres } from "../support/services/postgres";
import { type RedisService, startRedis } from "../support/services/redis";

const USERS = 1000;
const COMPANIES = 20;
/** Each looks at three pages and thinks in between, at most this long (ms): about 300 requests a second. */
const THINK_MS = 6000;
const PAGES = ["/api/dashboard", "/api/orders?limit=20", "/api/session"];

describe("D13 a thousand users at a time", function () {
  this.timeout(180_000);
  let postgres: PostgresGroup;
  let redis: RedisService;
  let instance: Instance;
  before(async () => {
    programs();
    [postgres, redis] = await Promise.all([startPostgres(), startRedis({ role: "cache" })]);
    // Pools of four connections a worker: what a stack of three instances leaves each of its workers.
    const services = { ...postgres.environment, REDIS_URL: redis.url, REDIS_COMMAND_TIMEOUT_MS: "10000", DB_POOL_MAX: "8" };
    instance = await startInstance("app", { ...services, ...NO_ADDRESS_LIMITS, RATE_LIMITS: "off" });
  });
  after(async () => {
    await destroyInstances();
    await Promise.all([postgres?.remove(), redis?.remove()]);
  });

  it("D13 each on a connection of its own: no request fails, and no pool of connections gets full", async () => {
    const tokens: string[] = [];
    for (let company = 0; company < COMPANIES; company += 1) tokens.push(await signUp(instance.url));
    const statuses: Record<number, number> = {};
    const user = async (number: number): Promise<void> => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      try {
        for (const page of PAGES) {
          await delay(Math.random() * THINK_MS);
          const request: FloodRequest = {
            url: `${instance.url}${page}`,
            headers: { authorization: `Bearer ${tokens[number % COMPANIES]}` },
          };
          const { status } = await send(request, agent);
          statuses[status] = (statuses[status] ?? 0) + 1;
        }
      } finally {
        agent.destroy();
      }
    };
    await Promise.all(Array.from({ length: USERS }, (_, number) => user(number)));
    assert.deepEqual(statuses, { 200: USERS * PAGES.length });
    // Said from 80 % of a pool on, averaged over seconds, and as soon as requests wait for a connection all that time.
    const full = instance.lines.filter(({ msg }) => msg.startsWith("the connection pool is "));
    assert.deepEqual(full, []);
  });
});
