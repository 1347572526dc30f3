import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { ConfigError, loadConfig } from "../../../app/src/config";
import { issue } from "../../support/certificates";
import { inDirectory } from "../db/support";

function violations(environment: Readonly<Record<string, string>>): readonly string[] {
  try {
    loadConfig({ NODE_ENV: "test", ...environment });
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.violations;
  }
}

describe("A14 how Redis is reached", () => {
  it("A14 REDIS_CA is read once, and is nothing without TLS", () =>
    inDirectory((directory) => {
      const [file, empty] = [path.join(directory, "ca.pem"), path.join(directory, "empty.pem")];
      const { certificate } = issue();
      writeFileSync(file, certificate);
      writeFileSync(empty, "nothing\n");
      const given = { NODE_ENV: "test", REDIS_URL: "redis://cache", REDIS_LIMITS_URL: "rediss://limits", REDIS_CA: file };
      assert.deepEqual(loadConfig(given).redis, {
        ...{ url: "redis://cache", limitsUrl: "rediss://limits", ca: certificate, site: undefined, commandTimeoutMs: 150 },
      });
      assert.equal(loadConfig({ NODE_ENV: "test", REDIS_URL: "rediss://cache" }).redis.limitsUrl, "rediss://cache");
      const cases: [Record<string, string>, RegExp][] = [
        [{ REDIS_CA: file }, /^REDIS_CA: set without TLS; begin REDIS_URL with rediss:\/\//],
        [{ REDIS_URL: "redis://:hush-hush@cache", REDIS_CA: file }, /^REDIS_CA: set without TLS/],
        [{ REDIS_URL: "rediss://:hush-hush@cache", REDIS_CA: "/nowhere" }, /^REDIS_CA: cannot read \/nowhere \(ENOENT\)/],
        [
          { REDIS_URL: "rediss://:hush-hush@cache", REDIS_CA: empty },
          /^REDIS_CA: .*empty\.pem has no certificate; give the path of a file/,
        ],
        [
          { KAFKA_BROKERS: "kafka:9093", KAFKA_TLS: "true", KAFKA_TLS_CA_FILE: empty },
          /^KAFKA_TLS_CA_FILE: .*empty\.pem has no certificate/,
        ],
      ];
      for (const [environment, expected] of cases) {
        const found = violations(environment);
        assert.equal(found.length, 1, found.join());
        assert.match(found[0] ?? "", expected);
        assert.doesNotMatch(found[0] ?? "", /hush/);
      }
      return Promise.resolve();
    }));
});
