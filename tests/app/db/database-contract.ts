import assert from "node:assert/strict";
import { ConstraintError, type Database } from "../../../app/src/db/database";

/**
 * What every {@link Database} promises; run it against each implementation.
 * @param open an empty database of the test's own; closed and removed by `close`.
 */
export function describeDatabaseContract(
  name: string,
  open: () => Promise<{ database: Database; readonly close: () => Promise<void> }>,
): void {
  describe(`database contract: ${name}`, () => {
    let database: Database;
    let close: () => Promise<void>;
    beforeEach(async () => {
      ({ database, close } = await open());
      await database.transaction((transaction) =>
        transaction.script(`CREATE TABLE parents (id BIGINT PRIMARY KEY NOT NULL);
          CREATE TABLE items (id BIGINT PRIMARY KEY NOT NULL, name TEXT NOT NULL, parent BIGINT REFERENCES parents (id), amount BIGINT NOT NULL DEFAULT 0 CHECK (amount >= 0));
          CREATE UNIQUE INDEX items_name ON items (name)`),
      );
    });
    afterEach(() => close());

    const names = async (): Promise<string[]> =>
      (await database.all<{ name: string }>("SELECT name FROM items ORDER BY name")).map((row) => row.name);

    it("stores and gives back text, numbers and null as they were", async () => {
      const text = "quote ' \" ; -- Łódź 😀 \\ %";
      assert.equal(await database.run("INSERT INTO items (id, name, amount) VALUES (?, ?, ?)", [1, text, Number.MAX_SAFE_INTEGER]), 1);
      const row = await database.get<{ name: string; amount: number; parent: null }>(
        "SELECT name, amount, parent FROM items WHERE id = ?",
        [1],
      );
      assert.deepEqual({ ...row }, { name: text, amount: Number.MAX_SAFE_INTEGER, parent: null });
      assert.equal(await database.get("SELECT name FROM items WHERE id = ?", [2]), undefined);
      assert.deepEqual(await database.all("SELECT name FROM items WHERE id = ?", [2]), []);
    });

    it("tells how many rows a statement changed", async () => {
      await database.run("INSERT INTO items (id, name) VALUES (1, 'a'), (2, 'b')");
      assert.equal(await database.run("UPDATE items SET amount = 5"), 2);
      assert.equal(await database.run("DELETE FROM items WHERE id = ?", [9]), 0);
    });

    it("commits a transaction as a whole and rolls back as a whole", async () => {
      const result = await database.transaction(async (transaction) => {
        await transaction.run("INSERT INTO items (id, name) VALUES (1, 'a')");
        assert.equal((await transaction.get<{ name: string }>("SELECT name FROM items WHERE id = 1"))?.name, "a");
        await transaction.run("INSERT INTO items (id, name) VALUES (2, 'b')");
        return "done";
      });
      assert.equal(result, "done");
      const failed = database.transaction(async (transaction) => {
        await transaction.run("INSERT INTO items (id, name) VALUES (3, 'c')");
        throw new Error("changed my mind");
      });
      await assert.rejects(failed, /changed my mind/);
      assert.deepEqual(await names(), ["a", "b"]);
      await database.run("INSERT INTO items (id, name) VALUES (4, 'd')");
      assert.deepEqual(await names(), ["a", "b", "d"], "it goes on after a rollback");
    });

    it("runs transactions one after the other and keeps everything else out of them", async () => {
      await database.run("INSERT INTO items (id, name, amount) VALUES (1, 'counter', 0)");
      const read = (): Promise<{ amount: number } | undefined> => database.get("SELECT amount FROM items WHERE id = 1");
      const seen: number[] = [];
      const increments = Array.from({ length: 50 }, () =>
        database.transaction(async (transaction) => {
          const before = (await transaction.get<{ amount: number }>("SELECT amount FROM items WHERE id = 1"))?.amount ?? 0;
          // One step away and back: an interleaved read would see this.
          await transaction.run("UPDATE items SET amount = ? WHERE id = 1", [1_000_000]);
          await transaction.run("UPDATE items SET amount = ? WHERE id = 1", [before + 1]);
        }),
      );
      const readers = Array.from({ length: 50 }, async () => seen.push((await read())?.amount ?? -1));
      await Promise.all([...increments, ...readers]);
      assert.equal((await read())?.amount, 50);
      assert.ok(
        seen.every((amount) => amount >= 0 && amount <= 50),
        `nobody sees the inside of a transaction: ${seen.join(" ")}`,
      );
    });

    it("says which rule of the schema refused a write, and undoes it", async () => {
      await database.run("INSERT INTO items (id, name) VALUES (1, 'a')");
      const refused = async (sql: string): Promise<string> => {
        const error: unknown = await database.run(sql).catch((caught: unknown) => caught);
        assert.ok(error instanceof ConstraintError, String(error));
        return error.constraint;
      };
      assert.equal(await refused("INSERT INTO items (id, name) VALUES (2, 'a')"), "unique");
      assert.equal(await refused("INSERT INTO items (id, name) VALUES (1, 'b')"), "unique");
      assert.equal(await refused("INSERT INTO items (id, name, parent) VALUES (2, 'b', 77)"), "foreign-key");
      assert.equal(await refused("INSERT INTO items (id, name, amount) VALUES (2, 'b', -1)"), "check");
      assert.equal(await refused("INSERT INTO items (id, name) VALUES (2, NULL)"), "not-null");
      assert.deepEqual(await names(), ["a"]);
    });

    it("refuses to be used from inside its own transaction instead of waiting for ever", async () => {
      const inside = database.transaction(async () => {
        await database.get("SELECT 1");
      });
      await assert.rejects(inside, /Inside a transaction/);
      await assert.rejects(
        database.transaction(() => database.transaction(() => Promise.resolve())),
        /may not start another/,
      );
      assert.deepEqual(await names(), []);
    });

    it("answers pings, gives back memory, and finishes what was begun before it closes", async () => {
      assert.ok((await database.ping()) >= 0);
      await database.shrink();
      const late = database.run("INSERT INTO items (id, name) VALUES (1, 'a')");
      await database.close();
      assert.equal(await late, 1);
      await assert.rejects(database.get("SELECT 1"));
    });
  });
}
