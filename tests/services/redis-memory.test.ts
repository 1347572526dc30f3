import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import { redisContainerMb } from "../../components/local/redis";
import { dockerCommand } from "../support/services/container";
import { type RedisService, startRedis } from "../support/services/redis";

const MAX_MEMORY_MB = 64;
const VALUE_BYTES = 4096;
/** Twice as many as fit. */
const KEYS = (2 * MAX_MEMORY_MB * 1024 * 1024) / VALUE_BYTES;
const BATCH = 250;

/** One field of INFO. */
async function info(client: Redis, field: string): Promise<string> {
  return new RegExp(`^${field}:(.*)\r$`, "m").exec(await client.info())?.[1] ?? assert.fail(`INFO has no ${field}`);
}

/** Writes so many keys from the given one on, with a lifetime; the errors that were answered. */
async function write(client: Redis, from: number): Promise<Error[]> {
  const pipeline = client.pipeline();
  for (let key = from; key < from + BATCH; key += 1) pipeline.set(`key:${key % KEYS}`, randomBytes(VALUE_BYTES), "EX", 3600);
  return (await pipeline.exec())!.flatMap(([error]) => error ?? []);
}

describe("B3 B4 Redis with its memory full", function () {
  this.timeout(120_000);
  let redis: RedisService;
  let client: Redis;
  const start = async (role: "cache" | "limits"): Promise<void> => {
    redis = await startRedis({ role, maxMemoryMb: MAX_MEMORY_MB });
    client = redis.client();
  };
  afterEach(() => redis.remove());

  it("B3 the cache drops the oldest and goes on, also while its append-only file is rewritten, within its container's memory", async () => {
    await start("cache");
    const run = await info(client, "run_id");
    let from = 0;
    // A rewrite begins by itself once the file has twice the size; the one that counts begins with the memory full.
    for (let rewrites = 0; rewrites < 2; from += BATCH) {
      assert.deepEqual(await write(client, from), []);
      if (from > 1.5 * KEYS) rewrites = Number(await info(client, "aof_rewrites"));
      assert.ok(from < 40 * KEYS, "no rewrite began");
    }
    assert.equal(await info(client, "aof_last_bgrewrite_status"), "ok");
    assert.ok(Number(await info(client, "evicted_keys")) > KEYS / 4);
    assert.ok(Number(await info(client, "used_memory")) > 0.9 * MAX_MEMORY_MB * 1024 ** 2);
    assert.ok(Number(await info(client, "aof_last_cow_size")) > 0);
    assert.equal(await info(client, "run_id"), run, "it is the same process");
    const [oomKilled, limit] = (
      await dockerCommand(["inspect", "--format", "{{.State.OOMKilled}} {{.HostConfig.Memory}}", redis.container])
    )
      .trim()
      .split(" ");
    assert.deepEqual([oomKilled, Number(limit)], ["false", redisContainerMb(MAX_MEMORY_MB) * 1024 ** 2]);
  });

  it("B4 counters and jobs are never dropped: writes are refused, everything that was accepted is still there", async () => {
    await start("limits");
    let accepted = 0;
    let errors: Error[] = [];
    while (errors.length === 0) {
      errors = await write(client, accepted);
      accepted += BATCH - errors.length;
    }
    assert.match(errors[0]!.message, /^OOM command not allowed/);
    assert.ok(accepted > KEYS / 4 && accepted < KEYS, String(accepted));
    assert.equal(await client.dbsize(), accepted);
    assert.equal(Number(await info(client, "evicted_keys")), 0);
    assert.equal((await client.ttl("key:0")) > 0, true);
  });
});
