import assert from "node:assert/strict";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { platform } from "node:process";
import { Recorder } from "../../support/pulumi-mocks";
import { parsed } from "../../../stacks/local/attempts";
import { nextMigration } from "../../../stacks/local/migrate-attempt";
import { carriesRows, moveAttempt, nextAttempt, openAttempt, unlessReopened } from "../../../stacks/local/move-attempt";

describe("F1 attempts of moving rows", () => {
  it("a move that is done stays done; one that failed, was killed, or still runs without being done is begun again by the next update", () => {
    assert.deepEqual(nextAttempt([], []), { number: 1, isDone: false });
    assert.deepEqual(nextAttempt([{ number: 3, status: "Up 2 days (healthy)", createdAt: 1 }], []), { number: 3, isDone: true });
    assert.deepEqual(nextAttempt([{ number: 1, status: "Exited (137) 2 seconds ago", createdAt: 1 }], []), { number: 2, isDone: false });
    assert.deepEqual(nextAttempt([{ number: 1, status: "Up 2 seconds (health: starting)", createdAt: 1 }], []), {
      number: 2,
      isDone: false,
    });
    const both = [
      { number: 4, status: "Exited (1) 1 minute ago", createdAt: 1 },
      { number: 5, status: "Up 1 minute (healthy)", createdAt: 2 },
    ];
    assert.deepEqual(nextAttempt(both, []), { number: 5, isDone: true });
  });

  it("a move that is done counts no more once one in the other direction began: a switch of phase that came to no end leaves both", () => {
    const done = { number: 3, status: "Up 2 days (healthy)", createdAt: 100 };
    const back = (createdAt: number, status: string) => [{ number: 1, status, createdAt }];
    assert.deepEqual(nextAttempt([done], back(99, "Up 3 days (healthy)")), { number: 3, isDone: true });
    assert.deepEqual(nextAttempt([done], back(101, "Up 1 minute (healthy)")), { number: 4, isDone: false });
    assert.deepEqual(nextAttempt([done], back(101, "Exited (1) 1 minute ago")), { number: 4, isDone: false });
  });

  it("a move that is done is begun again where the app writes to the file since: its seal was taken off, and what it wrote is to go along", () => {
    const done = { number: 3, isDone: true };
    assert.deepEqual(unlessReopened(done, "writes"), { number: 4, isDone: false });
    for (const use of ["sealed", "none"] as const) assert.deepEqual(unlessReopened(done, use), done);
    assert.deepEqual(unlessReopened({ number: 1, isDone: false }, "writes"), { number: 1, isDone: false });
  });

  it("a move back that is done counts no more once Postgres was opened again, by a move there or by itself", async () => {
    await Recorder.install();
    for (const service of ["data-move", "data-move-open"]) {
      const containers = new Map([
        ["data-move-back", { Labels: { "phased-stack.attempt": "1" }, Status: "Up 2 hours (healthy)", Created: 100 }],
        [service, { Labels: { "phased-stack.attempt": "4" }, Status: "Exited (1) 1 hour ago", Created: 200 }],
      ]);
      const engine = http.createServer((request, response) => {
        const [, asked = ""] = /phased-stack\.service=([a-z-]+)"/.exec(decodeURIComponent(request.url ?? "")) ?? [];
        response.end(JSON.stringify([containers.get(asked)].filter((one) => one !== undefined)));
      });
      await new Promise<void>((resolve) => engine.listen(0, "127.0.0.1", resolve));
      const host = `tcp://127.0.0.1:${(engine.address() as AddressInfo).port}`;
      const settings = { docker: { get: (key: string) => (key === "host" ? host : undefined) }, environment: {}, platform, home: "/none" };
      try {
        assert.deepEqual(await moveAttempt("to-sqlite", settings), { number: 2, isDone: false }, service);
        containers.delete(service);
        assert.deepEqual(await moveAttempt("to-sqlite", settings), { number: 1, isDone: true });
        assert.deepEqual(await openAttempt(settings), { number: 1, isDone: false });
        containers.delete("data-move-back");
        assert.equal(await openAttempt(settings), undefined, "nothing was ever left");
      } finally {
        engine.closeAllConnections();
        await new Promise((resolve) => engine.close(resolve));
      }
    }
  });

  it("A14 a migration that ended well stays; after one that failed, still runs or was never started there is another, whatever was well before it", () => {
    const attempt = (number: number, status: string, createdAt: number) => ({ number, status, createdAt });
    assert.equal(nextMigration([]), 1);
    assert.equal(nextMigration([attempt(3, "Exited (0) 2 days ago", 1)]), 3);
    for (const status of ["Exited (1) 2 seconds ago", "Exited (137) 1 minute ago", "Up 3 seconds", "Created"])
      assert.equal(nextMigration([attempt(3, status, 1)]), 4, status);
    const well = attempt(1, "Exited (0) 1 day ago", 1);
    assert.equal(nextMigration([well, attempt(1, "Exited (1) 1 minute ago", 2)]), 2, "another image under the same number");
    assert.equal(nextMigration([attempt(2, "Exited (0) 1 minute ago", 3), attempt(1, "Exited (1) 1 hour ago", 2)]), 2);
  });

  it("over ssh the same is read from lines of docker ps", () => {
    const lines = "2|2026-11-22 15:59:13 +0100 CET|Up 2 minutes (healthy)\n|2026-11-22 14:00:00 +0000 UTC|Exited (1) 2 hours ago\n";
    assert.deepEqual(parsed(lines), [
      { number: 2, status: "Up 2 minutes (healthy)", createdAt: Date.UTC(2026, 10, 22, 14, 59, 13) / 1000 },
      { number: 0, status: "Exited (1) 2 hours ago", createdAt: Date.UTC(2026, 10, 22, 14) / 1000 },
    ]);
  });

  it("rows are taken along unless that is not wanted, or the image is one's own", () => {
    assert.equal(carriesRows({ moveData: true, image: undefined }), true);
    assert.equal(carriesRows({ moveData: false, image: undefined }), false);
    assert.equal(carriesRows({ moveData: true, image: "example.com/app:1" }), false);
  });
});
