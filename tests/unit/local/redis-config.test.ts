import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { hardened } from "../../../components/local/common";
import { redisContainerMb, redisContext, renderRedisAcl, renderRedisConfig, type RedisSettings } from "../../../components/local/redis";

function lines(settings: RedisSettings): string[] {
  return renderRedisConfig(settings).trimEnd().split("\n");
}

describe("redis.conf", () => {
  const cache = lines({ role: "cache", maxMemoryMb: 4096 });
  const limits = lines({ role: "limits", maxMemoryMb: 512 });

  it("B3 the cache: 4 GB, least recently used first, append-only file every second, 10,000 clients, 300 s timeout", () => {
    for (const line of [
      "maxmemory 4096mb",
      "maxmemory-policy volatile-lru",
      "appendonly yes",
      "appendfsync everysec",
      "maxclients 10000",
      "timeout 300",
      "no-appendfsync-on-rewrite yes",
    ]) {
      assert.ok(cache.includes(line), line);
    }
  });

  it("B4 limits and queues: nothing is evicted, and no connection is closed for being quiet", () => {
    for (const line of ["maxmemory 512mb", "maxmemory-policy noeviction", "timeout 0", "appendonly yes", "no-appendfsync-on-rewrite no"])
      assert.ok(limits.includes(line), line);
  });

  it("protected, and nothing that its image does not say can be switched on at run time", () => {
    for (const line of ["protected-mode yes", "enable-protected-configs no", "enable-debug-command no", "enable-module-command no"]) {
      assert.ok(cache.includes(line) && limits.includes(line), line);
    }
  });

  it("no setting is there twice, whatever the memory", () => {
    fc.assert(
      fc.property(fc.constantFrom("cache" as const, "limits" as const), fc.integer({ min: 16, max: 1_000_000 }), (role, maxMemoryMb) => {
        const names = lines({ role, maxMemoryMb })
          .filter((line) => !line.startsWith("#"))
          .map((line) => line.split(" ")[0]);
        assert.equal(new Set(names).size, names.length);
        assert.ok(lines({ role, maxMemoryMb }).includes(`maxmemory ${maxMemoryMb}mb`));
      }),
    );
  });

  it("B3 the container holds the data and what a rewrite of the append-only file may copy of it (property)", () => {
    fc.assert(
      fc.property(fc.integer({ min: 16, max: 1_000_000 }), (maxMemoryMb) => {
        const limit = redisContainerMb(maxMemoryMb);
        assert.ok(Number.isInteger(limit));
        assert.ok(limit - maxMemoryMb >= maxMemoryMb / 2 + 16, `${limit} for ${maxMemoryMb}`);
        assert.ok(limit <= maxMemoryMb * 1.5 + 64, "and no more than that");
      }),
    );
    for (const wrong of [0, 15, 20.5, Number.NaN])
      assert.throws(() => redisContainerMb(wrong), /maxMemoryMb: .+ is not allowed; use a whole number of MiB from 16\./);
  });

  it("B3 every line is a name and a value, and 10,000 clients fit into the descriptors that containers get", () => {
    for (const line of [...cache, ...limits].filter((text) => !text.startsWith("#")))
      assert.match(line, /^[a-z-]+ (?:""|[^"'#\s]+(?: [^"'#\s]+)?)$/);
    const clients = Number(cache.find((line) => line.startsWith("maxclients "))?.split(" ")[1]);
    const [descriptors] = hardened({ service: "redis", memoryMb: 64, stopSeconds: 10, tmpMb: 1 }).ulimits as { soft: number }[];
    assert.ok(descriptors!.soft >= clients + 32, "Redis keeps 32 for itself and lowers maxclients otherwise");
  });

  it("too little memory is refused, with the value and what is allowed", () => {
    for (const maxMemoryMb of [0, 15, 16.5, Number.NaN, -1]) {
      assert.throws(
        () => renderRedisConfig({ role: "cache", maxMemoryMb }),
        /maxMemoryMb of redis-cache is .+; allowed is a whole number of MiB from 16/,
      );
    }
  });

  it("the role is part of the image's context, so that a change of it is another tag", () => {
    const [, one] = redisContext({ role: "cache", maxMemoryMb: 64 });
    const [, other] = redisContext({ role: "limits", maxMemoryMb: 64 });
    assert.notDeepEqual(one?.content, other?.content);
  });
});

describe("users of Redis", () => {
  it("the file has the password's hash, never the password", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary-ascii", minLength: 16, maxLength: 64 }), (password) => {
        const acl = renderRedisAcl(password);
        assert.ok(acl.includes(`#${createHash("sha256").update(password).digest("hex")}`));
        assert.ok(!acl.includes(`>${password}`));
        assert.equal(acl.trimEnd().split("\n").length, 3, "no password adds a line");
      }),
    );
  });

  it("who does not log in gets nothing, the health check may only PING and see figures, the app nothing dangerous", () => {
    const [anonymous = "", app = "", health = ""] = renderRedisAcl("0123456789abcdef").split("\n");
    assert.match(anonymous, /^user default off resetpass /);
    assert.match(app, /^user app on #[0-9a-f]{64} ~\* &\* \+@all -@admin -@dangerous/);
    assert.match(health, /^user health on nopass resetkeys resetchannels -@all \+ping \+info$/);
  });

  it("a password that could be guessed is refused without repeating it", () => {
    assert.throws(
      () => renderRedisAcl("short-secret"),
      (error: Error) => /12 characters; allowed are 16 or more/.test(error.message) && !error.message.includes("short-secret"),
    );
  });
});
