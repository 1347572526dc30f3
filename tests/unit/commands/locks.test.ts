import assert from "node:assert/strict";
import { hostname } from "node:os";
import { describeLocks, judgeLock, lockHost, parseLocks, processIsAlive } from "../../../toolchain/lib/update-locks";

const REFUSAL = `error: the stack is currently locked by 2 lock(s). Either wait for the other process(es) to end or delete the lock file with \`pulumi cancel\`.
  file:///home/ada/shop/.phased/state/.pulumi/locks/organization/phased-stack/dev/0c1d.json: created by ada@laptop (pid 4711) at 2026-11-21T05:00:00Z
  file:///home/ada/shop/.phased/state/.pulumi/locks/organization/phased-stack/dev/7f3e.json: created by ci@runner-7 (pid 12) at 2026-11-20T23:10:05+01:00`;

describe("locks of a stack", () => {
  it("are read from Pulumi's refusal", () => {
    assert.deepEqual(parseLocks(REFUSAL), [
      { user: "ada", host: "laptop", pid: 4711, since: "2026-11-21T05:00:00Z" },
      { user: "ci", host: "runner-7", pid: 12, since: "2026-11-20T23:10:05+01:00" },
    ]);
    assert.deepEqual(parseLocks("error: something else (pid 3)"), []);
  });

  it("are stale only when their process of this machine is gone", () => {
    const [mine, theirs] = parseLocks(REFUSAL);
    assert.ok(mine && theirs);
    assert.equal(
      judgeLock(mine, () => false, "laptop"),
      "stale",
    );
    assert.equal(
      judgeLock(mine, () => true, "laptop"),
      "held",
    );
    assert.equal(
      judgeLock(theirs, () => false, "laptop"),
      "foreign",
      "nobody here can tell whether a process on another machine lives",
    );
  });

  it("none is stale where several machines share the state: two of them may have one name", () => {
    const lock = { user: "runner", host: hostname(), pid: 4711, since: "2026-11-21T05:00:00Z" };
    assert.equal(
      judgeLock(lock, () => false, lockHost(true)),
      "stale",
    );
    assert.equal(
      judgeLock(lock, () => false, lockHost(false)),
      "foreign",
    );
    const text = describeLocks("prod", [lock], () => false, lockHost(false));
    assert.doesNotMatch(text, /of this machine/);
    assert.match(text, /if its machine is gone, remove the lock with: pulumi cancel --yes --stack prod/);
  });

  it("a living process is told from a dead one", () => {
    assert.equal(processIsAlive(process.pid), true);
    // Linux has at most 2^22 processes, macOS 99,999.
    assert.equal(processIsAlive(2 ** 30), false);
  });

  it("the message says who holds the stack and how to go on", () => {
    const text = describeLocks("dev", parseLocks(REFUSAL), () => true, "laptop");
    assert.match(text, /ada locked stack dev at 2026-11-21T05:00:00Z by process 4711 of this machine, which is still running/);
    assert.match(text, /process 12 on runner-7/);
    assert.match(text, /pulumi cancel --yes --stack dev/);
    const own = describeLocks("dev", parseLocks(REFUSAL).slice(0, 1), () => true, "laptop");
    assert.doesNotMatch(own, /pulumi cancel/, "a lock of a living process is not for removal");
  });
});
