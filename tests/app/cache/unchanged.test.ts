import assert from "node:assert/strict";
import fc from "fast-check";
import { SqliteDatabase } from "../../../app/src/db/sqlite";
import { UnchangedMemo } from "../../../app/src/db/unchanged";
import { withDatabase } from "../db/support";

/** What another process committed counts from the next turn of the event loop on, in which a request that came after it is looked at. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("what is remembered while the database does not change", () => {
  it("the mark changes with every commit of any connection, and not with reads or what was rolled back elsewhere", () =>
    withDatabase(async (database, file) => {
      const other = await SqliteDatabase.open({ file });
      try {
        const write = (who: SqliteDatabase): Promise<number> => who.run("UPDATE redis_fence SET epoch = epoch + 1");
        const marks = [database.changeMark()];
        for (const who of [database, other, other, database]) {
          await write(who);
          if (who === other) await turn();
          marks.push(database.changeMark());
        }
        assert.equal(new Set(marks).size, 5);
        const mark = database.changeMark();
        await database.get("SELECT epoch FROM redis_fence");
        await other.get("SELECT epoch FROM redis_fence");
        await assert.rejects(
          other.transaction(() => Promise.reject(new Error("no"))),
          /no/,
        );
        assert.equal(database.changeMark(), mark);
      } finally {
        await other.close();
      }
    }));

  it("a remembered value is always what the database has, whoever writes when (property)", () =>
    withDatabase(async (database, file) => {
      const other = await SqliteDatabase.open({ file });
      const memo = new UnchangedMemo<{ readonly epoch: number }>(database, 10);
      const read = (): Promise<{ readonly epoch: number } | undefined> => database.get("SELECT epoch FROM redis_fence WHERE id = 1");
      let remembered = 0;
      try {
        await fc.assert(
          fc.asyncProperty(fc.array(fc.constantFrom("read", "read", "own", "other"), { maxLength: 12 }), async (steps) => {
            for (const step of steps) {
              if (step !== "read") {
                await (step === "own" ? database : other).run("UPDATE redis_fence SET epoch = epoch + 1");
                if (step === "other") await turn();
              } else {
                const known = memo.get("k");
                if (known !== undefined) remembered += 1;
                assert.deepEqual({ ...(known ?? (await memo.read("k", read))) }, { ...(await read()) });
              }
            }
          }),
          { numRuns: 100 },
        );
        // What a change overtakes while it is being read is not kept.
        await memo.read("k", async () => {
          const old = await read();
          await other.run("UPDATE redis_fence SET epoch = epoch + 1");
          return old;
        });
        await turn();
        assert.equal(memo.get("k"), undefined);
      } finally {
        await other.close();
      }
      assert.ok(remembered > 50, String(remembered));
    }));
});
