import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { doOnce, KEY_LIFETIME_MS, KeyReusedError, MOST_KEYS_PER_USER, purgeKeys } from "../../../app/src/db/once";
import { OPERATIONS } from "../../../app/src/http/openapi/operations";
import { buildDocument } from "../../../app/src/http/openapi/document";
import { withDatabase } from "../db/support";
import { describeIdempotency } from "./idempotency-contract";
import { TestApp } from "./support";

describeIdempotency("one process", () => TestApp.start());

describe("E1 keys of requests that are done once", () => {
  const request = { userId: "u", fingerprint: "f" };

  it("are forgotten after a day, and never before unless a user has very many", () =>
    withDatabase(async (database) => {
      let runs = 0;
      const once = (key: string, now: number, userId = "u") =>
        database.transaction((inside) => doOnce(inside, "c", { ...request, userId, key }, () => Promise.resolve((runs += 1)), now));
      const kept = async (): Promise<number> =>
        (await database.get<{ count: number }>("SELECT count(*) AS count FROM idempotency_keys"))?.count ?? 0;
      assert.deepEqual(await once("a", 0), { result: 1, isRepeated: false });
      assert.deepEqual(await once("a", KEY_LIFETIME_MS - 1), { result: 1, isRepeated: true });
      assert.deepEqual(await once("a", KEY_LIFETIME_MS), { result: 2, isRepeated: false }, "over its time, though still there");
      assert.deepEqual(await once("a", KEY_LIFETIME_MS + 1), { result: 2, isRepeated: true });
      await once("b", 5, "other");
      await purgeKeys(database, KEY_LIFETIME_MS + 5);
      assert.equal(await kept(), 1, "only what is over its time is purged");
      for (let index = 0; index < MOST_KEYS_PER_USER; index++) await once(`n${index}`, KEY_LIFETIME_MS + 10 + index);
      assert.equal(await kept(), MOST_KEYS_PER_USER);
      assert.equal((await once("n0", KEY_LIFETIME_MS + 5000)).isRepeated, true, "the oldest that fits");
      assert.equal((await once("a", KEY_LIFETIME_MS + 5000)).isRepeated, false, "the one that did not");
    }));

  it("are undone with their transaction, and refuse another request", () =>
    withDatabase(async (database) => {
      const key = { ...request, key: "k" };
      const failing = database.transaction(async (inside) => {
        await doOnce(inside, "c", key, () => Promise.resolve(1));
        throw new Error("after it");
      });
      await assert.rejects(failing, /after it/);
      const second = await database.transaction((inside) => doOnce(inside, "c", key, () => Promise.resolve(2)));
      assert.deepEqual(second, { result: 2, isRepeated: false });
      const other = { ...key, fingerprint: "g" };
      await assert.rejects(
        database.transaction((inside) => doOnce(inside, "c", other, () => Promise.resolve(3))),
        KeyReusedError,
      );
    }));

  it("are described for every operation that takes them", () => {
    const document = buildDocument(OPERATIONS, "t", "1");
    const taking = Object.entries(document.paths).filter(([, methods]) =>
      methods["post"]?.parameters.some((parameter) => parameter["name"] === "Idempotency-Key"),
    );
    const created = ["orders", "products", "patients", "exams", "filings", "tax/computations"];
    assert.deepEqual(taking.map(([where]) => where).sort(), created.map((name) => `/api/${name}`).sort());
    // Whoever uses the helper takes keys, so whoever does has to say so.
    const routes = path.resolve(__dirname, "../../../app/src/http/routes");
    for (const name of ["orders", "products", "patients", "exams", "filings", "tax"]) {
      assert.match(readFileSync(path.join(routes, `${name}.ts`), "utf8"), /await sendCreated\(/);
    }
  });
});
