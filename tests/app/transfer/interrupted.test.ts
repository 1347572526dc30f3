import assert from "node:assert/strict";
import pino from "pino";
import { loadConfig } from "../../../app/src/config";
import { migrate } from "../../../app/src/db/migrate";
import { checkSchema, migrateSchema } from "../../../app/src/db/schema";
import type { TransferProgress } from "../../../app/src/transfer/progress";
import type { TableState, Writer } from "../../../app/src/transfer/store";
import { CARRIED_TABLES } from "../../../app/src/transfer/tables";
import type { TransferResult } from "../../../app/src/transfer/transfer";
import { MIGRATIONS } from "../db/support";
import { everything, failingAt, indexes, onDatabase, run, withSource } from "./support";

describe("F1 A10 a transfer that is interrupted, or met by another run", () => {
  it("interrupted at any step it goes on with the next run, and carries nothing twice", () =>
    withSource(async (files) => {
      const before = await everything(files.from);
      const counter = { steps: 0 };
      let runs = 0;
      for (let result: TransferResult | undefined; result === undefined;) {
        runs += 1;
        counter.steps = 0;
        try {
          // First before anything is there, then after up to two batches more than the run before, and between the steps at the end.
          result = await run(files, {}, failingAt(runs < 4 ? runs : 5 + (runs % 3), counter));
        } catch (error) {
          assert.match((error as Error).message, /^crash at/);
          assert.ok(runs < 500);
        }
      }
      assert.ok(runs > CARRIED_TABLES.length / 2, `${runs} runs`);
      assert.deepEqual(await everything(files.to), before);
      assert.deepEqual(await everything(files.from), before);
      assert.deepEqual(await indexes(files.to), await indexes(files.from));
    }));

  it("indexes are made from all rows at once, also when that is stopped half-way; one that is somebody's own stays", () =>
    withSource(async (files) => {
      const wanted = await indexes(files.from);
      await onDatabase(files.to, async (target) => {
        await migrate(target, MIGRATIONS);
        await target.transaction((transaction) => transaction.script("CREATE INDEX mine ON orders (currency)"));
      });
      const stop = new AbortController();
      const made: string[] = [];
      const onProgress = (progress: TransferProgress): void => {
        if (progress.step !== "indexing") return;
        made.push(progress.index);
        if (made.length === 3) stop.abort();
      };
      await assert.rejects(run(files, { signal: stop.signal, onProgress }), { name: "TransferStopped" });
      const there = (await indexes(files.to)).map(({ name }) => name);
      assert.deepEqual(
        made.map((name) => there.includes(name)),
        [true, true, true],
        "it ends between two of them",
      );
      assert.ok(there.length < wanted.length, "the others were put off");
      assert.equal((await run(files, { onProgress })).resumed, true);
      const all = await indexes(files.to);
      assert.deepEqual(
        all.filter(({ name }) => name !== "mine"),
        wanted,
      );
      assert.equal(all.length, wanted.length + 1);
    }));

  it("a source that changed while the transfer was interrupted is noticed, and --restart copies it anew", () =>
    withSource(async (files) => {
      await assert.rejects(run(files, {}, failingAt(30, { steps: 0 })), /crash at/);
      await onDatabase(files.from, (source) => source.run("UPDATE companies SET name = 'Renamed' WHERE id LIKE '%0'"));
      await assert.rejects(run(files), { message: /^the two sides differ: companies \(other values in 3 rows\)$/, hint: /--restart/ });
      const result = await run(files, { restart: true });
      assert.deepEqual([result.outcome, result.resumed], ["complete", false]);
      assert.deepEqual(await everything(files.to), await everything(files.from));
    }));

  it("an older run ends as soon as a newer one took over", () =>
    withSource(async (files) => {
      const later: { run?: Promise<TransferResult> } = {};
      const overtaken = (writer: Writer): Writer =>
        new Proxy(writer, {
          get(target, name) {
            const value: unknown = Reflect.get(target, name);
            if (typeof value !== "function") return value;
            return async (...args: unknown[]): Promise<unknown> => {
              if (name === "write" && (args[2] as TableState).table === "orders") await (later.run ??= run(files));
              return await (value as (...given: unknown[]) => Promise<unknown>).apply(target, args);
            };
          },
        });
      await assert.rejects(run(files, {}, overtaken), /another run of this transfer began meanwhile/);
      assert.equal((await later.run)?.outcome, "complete");
      assert.deepEqual(await everything(files.to), await everything(files.from));
    }));

  /** Does something when this run has looked how far the target is, and has not begun. */
  const afterTheFirstLook =
    (work: () => Promise<unknown>) =>
    (writer: Writer): Writer =>
      new Proxy(writer, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name);
          if (typeof value !== "function") return value;
          return async (...args: unknown[]): Promise<unknown> => {
            if (name === "migrate") await work();
            return await (value as (...given: unknown[]) => Promise<unknown>).apply(target, args);
          };
        },
      });

  it("a run that is taken over goes on until then, and the other one goes on from there", () =>
    withSource(async (files) => {
      const crash = (step: number): Promise<unknown> => assert.rejects(run(files, {}, failingAt(step, { steps: 0 })), /^Error: crash at/);
      const result = await run(
        files,
        {},
        afterTheFirstLook(() => crash(6)),
      );
      assert.equal(result.resumed, true, "begun by somebody else, when this one had seen an empty target");
      assert.deepEqual(await everything(files.to), await everything(files.from));
    }));

  it("one that comes to its end meanwhile is not begun again: an app may be on the target by now", () =>
    withSource(async (files) => {
      const second = run(
        files,
        {},
        afterTheFirstLook(() => run(files)),
      );
      await assert.rejects(second, { name: "TransferError", message: /came to its end meanwhile; nothing was changed$/ });
      assert.deepEqual(await indexes(files.to), await indexes(files.from));
      assert.equal((await run(files)).outcome, "already");
    }));

  it("no app starts on a file that has part of the rows only", () =>
    withSource(async (files) => {
      await assert.rejects(run(files, {}, failingAt(7, { steps: 0 })), /^Error: crash at/);
      const config = loadConfig({ SQLITE_PATH: files.to }, { parallelism: 2, cpuQuota: undefined, memoryLimitMb: undefined });
      const logger = pino({ level: "silent" });
      const refused = {
        name: "MigrationError",
        message: new RegExp(`^The database has part of the rows of sqlite:${files.from}, .* finish it with the same command`),
      };
      await assert.rejects(migrateSchema(config, logger), refused);
      await assert.rejects(checkSchema(config, logger), refused);
      await run(files);
      await migrateSchema(config, logger);
    }));
});
