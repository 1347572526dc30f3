import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { SqliteDatabase } from "../../../app/src/db/sqlite";
import { inDirectory } from "./support";

const WRITER = path.join(__dirname, "writer.ts");

interface Writer {
  readonly process: ChildProcess;
  /** Numbers it printed so far. */
  lines(): number[];
  readonly errors: () => string;
}

function startWriter(file: string, name: string, count: number): Writer {
  const child = spawn(process.execPath, ["--import", "tsx", WRITER, file, name, String(count)], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => (output += part));
  child.stderr.setEncoding("utf8").on("data", (part: string) => (errors += part));
  // The last piece is either empty or a line cut short.
  return { process: child, lines: () => output.split("\n").slice(0, -1).map(Number), errors: () => errors };
}

describe("SQLite shared by processes", function () {
  this.timeout(30_000);

  it("several processes start, migrate and write at the same time; none finds the database locked", () =>
    inDirectory(async (directory) => {
      const file = path.join(directory, "app.db");
      const rows = 300;
      const writers = ["a", "b", "c"].map((name) => startWriter(file, name, rows));
      const ends = await Promise.all(writers.map((writer) => once(writer.process, "close")));
      for (const [index, [code]] of ends.entries()) assert.equal(code, 0, writers[index]?.errors());
      const database = await SqliteDatabase.open({ file });
      const count = await database.get<{ count: number }>("SELECT count(*) AS count FROM rows_written");
      assert.equal(count?.count, writers.length * rows * 2);
      await database.close();
    }));

  it("a process killed in the middle of writing loses nothing it acknowledged and leaves no half transaction", () =>
    inDirectory(async (directory) => {
      const file = path.join(directory, "app.db");
      const writer = startWriter(file, "killed", 0);
      const closed = once(writer.process, "close");
      while (writer.lines().length < 100) {
        const outcome = await Promise.race([once(writer.process.stdout!, "data"), closed.then(() => "ended" as const)]);
        assert.notEqual(outcome, "ended", writer.errors());
      }
      writer.process.kill("SIGKILL");
      await closed;
      const acknowledged = writer.lines();
      const database = await SqliteDatabase.open({ file });
      const stored = await database.all<{ number: number; pairs: number }>(
        "SELECT number, count(*) AS pairs FROM rows_written GROUP BY number ORDER BY number",
      );
      assert.ok(stored.every(({ pairs }) => pairs === 2));
      const numbers = new Set(stored.map(({ number }) => number));
      for (const number of acknowledged) assert.ok(numbers.has(number), `row ${number} was acknowledged`);
      assert.ok(stored.length - acknowledged.length <= 1, "at most the row that was being acknowledged is extra");
      assert.equal((await database.get<{ integrity_check: string }>("PRAGMA integrity_check"))?.integrity_check, "ok");
      await database.close();
    }));
});
