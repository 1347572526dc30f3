import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { UserError } from "../../../toolchain/lib/errors";
import { ExecError, exec, formatDuration, which } from "../../../toolchain/lib/exec";
import { inDirectory, isAlive, script, until } from "./support";

async function failure(promise: Promise<unknown>): Promise<ExecError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof ExecError, `an ExecError was expected, not ${String(error)}`);
    return error;
  }
  assert.fail("it did not fail");
}

describe("child processes of the toolchain", () => {
  it("returns output, exit code and lines of both streams", async () => {
    const lines: string[] = [];
    const result = await exec("sh", ["-c", "echo one; echo two >&2; printf three"], {
      timeoutMs: 5_000,
      onLine: (line) => lines.push(line),
    });
    assert.equal(result.code, 0);
    assert.equal(result.stdout, "one\nthree");
    assert.deepEqual([...lines].sort(), ["one", "three", "two"]);
  });

  it("passes text to standard input, also to a program that reads none of it", async () => {
    const text = "x".repeat(300_000);
    assert.equal((await exec("cat", [], { timeoutMs: 5_000, input: text })).stdout, text);
    assert.equal((await exec("true", [], { timeoutMs: 5_000, input: text })).code, 0);
  });

  it("keeps characters whole that arrive in two pieces", async () => {
    const { tail } = await exec("sh", ["-c", "printf '\\303'; sleep 0.1; printf '\\251\\n'"], { timeoutMs: 5_000 });
    assert.equal(tail, "é");
  });

  it("a failure names command, exit code, last output and what to do, and is the user's to solve", async () => {
    const error = await failure(
      exec("sh", ["-c", "for i in $(seq 40); do echo line $i; done; exit 7"], { timeoutMs: 5_000, fix: "do it by hand" }),
    );
    assert.ok(error instanceof UserError);
    assert.equal(error.code, 7);
    assert.match(error.message, /^`sh -c .*` failed with exit code 7; its last output:\n/);
    assert.match(error.message, /line 40$/);
    assert.doesNotMatch(error.message, /line 20\n/, "only the last lines are quoted");
    assert.equal(error.hint, "do it by hand");
  });

  it("a program that is not there is told in one sentence", async () => {
    const error = await failure(exec("no-such-program-here", [], { timeoutMs: 1_000 }));
    assert.equal(error.message, "`no-such-program-here` cannot be started: it is not installed or not on PATH");
  });

  it("a child that hangs is ended with everything it started, and the error says so", async () => {
    await inDirectory(async (directory) => {
      const pids = path.join(directory, "pids");
      const started = performance.now();
      const error = await failure(
        exec("sh", ["-c", `echo begun; echo $$ > ${pids}; sleep 300 & echo $! >> ${pids}; wait`], { timeoutMs: 400, fix: "try again" }),
      );
      assert.ok(performance.now() - started < 5_000);
      assert.match(error.message, /did not finish within 400 ms and was ended; its last output:\n {2}begun/);
      assert.equal(error.hint, "try again");
      for (const pid of readFileSync(pids, "utf8").trim().split("\n").map(Number)) {
        await until(() => !isAlive(pid), 2_000, `process ${pid} ends`);
      }
    });
  });

  it("a child that ignores SIGTERM is ended all the same", async () => {
    const started = performance.now();
    const error = await failure(exec("sh", ["-c", "trap '' TERM; while :; do sleep 1; done"], { timeoutMs: 200 }));
    assert.match(error.message, /did not finish within 200 ms/);
    assert.ok(performance.now() - started < 8_000);
  });

  it("finds executables on a path, and no plain files", async () => {
    await inDirectory((directory) => {
      const program = script(path.join(directory, "tool"), "exit 0");
      assert.equal(which("tool", `/nowhere${path.delimiter}${directory}`), program);
      assert.equal(which("tool", "/nowhere"), undefined);
      assert.equal(which("tool", ""), undefined, "an empty PATH is not the current directory");
    });
  });

  it("writes durations for people", () => {
    const cases: [number, string][] = [
      [0, "0 ms"],
      [850, "850 ms"],
      [4_100, "4.1 s"],
      [15_000, "15 s"],
      [185_000, "3 min 5 s"],
      [600_000, "10 min"],
    ];
    for (const [ms, text] of cases) assert.equal(formatDuration(ms), text);
  });
});
