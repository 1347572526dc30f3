import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import pino from "pino";
import { createCache } from "../../../app/src/cache/config";
import { generationName } from "../../../app/src/cache/generations";
import { matchesGlob } from "../../../app/src/cache/glob";
import { LocalLevel } from "../../../app/src/cache/local-level";
import { hitRate } from "../../../app/src/cache/statistics";
import { migrate } from "../../../app/src/db/migrate";
import { SqliteDatabase } from "../../../app/src/db/sqlite";
import { MIGRATIONS } from "../db/support";
import { describeCacheContract, memoryOnlyRig } from "./cache-contract";

const logger = pino({ level: "silent" });

describeCacheContract("memory only, two processes on one SQLite file", false, async () => {
  const directory = mkdtempSync(path.join(tmpdir(), "phased-cache-"));
  const file = path.join(directory, "app.db");
  const rig = await memoryOnlyRig(async () => {
    const database = await SqliteDatabase.open({ file, changeMarkHoldsMs: 0 });
    await migrate(database, MIGRATIONS);
    return database;
  });
  return {
    ...rig,
    close: async () => {
      await rig.close();
      rmSync(directory, { recursive: true });
    },
  };
});

describe("C5 memory of the cache", () => {
  const entry = (text: string) => ({ text, etag: '"e"', stamp: "s", freshUntil: Infinity });

  it("holds 50,000 entries and then drops what was used least recently", () => {
    const local = new LocalLevel({ maxEntries: 50_000, maxBytes: 64 * 1024 ** 2 });
    for (let index = 0; index < 50_000; index++) local.set(`key ${index}`, entry("{}"));
    assert.equal(local.size, 50_000);
    assert.ok(local.get("key 0"));
    for (let index = 0; index < 100; index++) local.set(`more ${index}`, entry("{}"));
    assert.equal(local.size, 50_000);
    assert.ok(local.get("key 0"), "used a moment ago");
    assert.equal(local.get("key 1"), undefined);
  });

  it("holds no more bytes than it may, and lets no entry push out everything else", () => {
    const local = new LocalLevel({ maxEntries: 50_000, maxBytes: 1024 ** 2 });
    for (let index = 0; index < 1000; index++) local.set(`key ${index}`, entry("x".repeat(10_000)));
    assert.ok(local.bytes <= 1024 ** 2, String(local.bytes));
    assert.ok(local.size >= 50 && local.size < 60, String(local.size));
    const { size } = local;
    local.set("huge", entry("x".repeat(100_000)));
    assert.equal(local.get("huge"), undefined);
    assert.equal(local.size, size);
  });

  it("keeps nothing when it is switched off", async () => {
    const database = await SqliteDatabase.open({ file: ":memory:" });
    const config = { maxEntries: 0, maxMb: 8, ttlMs: 300_000, warmCompanies: 0 };
    const cache = createCache({
      config,
      appName: "test",
      appVersion: "1",
      database,
      redis: undefined,
      fence: undefined,
      now: Date.now,
      logger,
    });
    let loads = 0;
    for (let index = 0; index < 3; index++) await cache.getOrSet({ companyId: "c" }, "k", () => Promise.resolve(++loads));
    assert.equal(loads, 3);
    assert.equal(cache.stats().enabled, false);
    cache.close();
    await database.close();
  });
});

describe("cache: patterns, names, rates", () => {
  it("a glob means what Redis means by it (property)", () => {
    const symbol = fc.constantFrom("a", "b", "*", "?");
    fc.assert(
      fc.property(fc.array(symbol, { maxLength: 8 }), fc.array(fc.constantFrom("a", "b"), { maxLength: 10 }), (glob, text) => {
        const expression = new RegExp(`^${glob.map((each) => (each === "*" ? ".*" : each === "?" ? "." : each)).join("")}$`);
        assert.equal(matchesGlob(glob.join(""), text.join("")), expression.test(text.join("")));
      }),
      { numRuns: 2000 },
    );
    assert.ok(matchesGlob("a\\*", "a*") && !matchesGlob("a\\*", "ab"));
  });

  it("tags of a company share a fixed number of generations, tables have their own", () => {
    const names = new Set(Array.from({ length: 10_000 }, (_, index) => generationName(`user:${index}`)));
    assert.equal(names.size, 16);
    assert.equal(generationName("orders"), "orders");
  });

  it("a hit rate is a share, or nothing before the first question", () => {
    assert.deepEqual([hitRate(0, 0), hitRate(2, 1), hitRate(0, 5)], [null, 0.6667, 0]);
  });
});
