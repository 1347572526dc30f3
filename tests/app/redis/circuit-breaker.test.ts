import assert from "node:assert/strict";
import { ReplyError } from "ioredis";
import pino from "pino";
import { CircuitBreaker } from "../../../app/src/redis/circuit-breaker";
import { RedisConnection } from "../../../app/src/redis/client";
import { isOutage, RedisUnavailableError } from "../../../app/src/redis/errors";
import { redisHealth } from "../../../app/src/redis/health";
import { freePort } from "../../support/services/container";

describe("circuit breaker of Redis", () => {
  it("D1 opens after so many failures in a row, not before; a success in between begins the count anew", () => {
    const changes: string[] = [];
    const breaker = new CircuitBreaker(3, (state) => changes.push(state));
    for (const step of ["failed", "failed", "succeeded", "failed", "failed"] as const) breaker[step]();
    assert.equal(breaker.state, "closed");
    breaker.failed();
    assert.equal(breaker.state, "open");
    // An answer to a call from before it opened proves nothing about now.
    breaker.succeeded();
    breaker.failed();
    assert.equal(breaker.state, "open");
    breaker.close();
    breaker.close();
    assert.deepEqual(changes, ["open", "closed"]);
    assert.equal(breaker.opened, 1);
    breaker.failed();
    assert.equal(breaker.state, "closed", "closing forgets the failures");
  });

  it("D1 an answer that refuses one command is no outage; one that refuses service is", () => {
    const reply = (message: string): Error => new (ReplyError as new (message: string) => Error)(message);
    for (const message of ["LOADING Redis is loading", "READONLY You can't write", "OOM command not allowed", "BUSY Redis is busy"]) {
      assert.equal(isOutage(reply(message)), true, message);
    }
    for (const message of [
      "WRONGTYPE Operation",
      "NOSCRIPT No matching script",
      "ERR syntax error",
      "NOPERM User app has no permissions",
    ]) {
      assert.equal(isOutage(reply(message)), false, message);
    }
    assert.equal(isOutage(new Error("Connection is closed.")), true);
    assert.equal(isOutage(new TypeError("x is not a function")), false, "our own mistakes are not Redis's");
  });

  it("D11 D12 without a server: the report says down and why, calls fail at once, close does not wait for it", async () => {
    const url = `redis://app:a-password-for-tests@127.0.0.1:${await freePort()}`;
    const connection = new RedisConnection({ url, name: "absent", commandTimeoutMs: 100, logger: pino({ level: "silent" }) });
    try {
      await connection.started();
      assert.equal(connection.available(), false);
      await assert.rejects(
        connection.call(() => assert.fail("nothing may be asked")),
        (error: unknown) =>
          error instanceof RedisUnavailableError && /ECONNREFUSED/.test(error.message) && !error.message.includes("a-password"),
      );
      const { redis } = redisHealth({ cache: connection, limits: undefined });
      assert.equal(redis?.status, "warning");
      assert.match(JSON.stringify(redis), /"state":"down".*ECONNREFUSED/);
    } finally {
      await connection.close();
    }
    assert.deepEqual(redisHealth({ cache: undefined, limits: undefined }), {});
  });
});
