import assert from "node:assert/strict";
import { carriesRows, nextAttempt } from "../../../stacks/local/move-attempt";

describe("F1 attempts of moving rows", () => {
  it("a move that is done stays done; one that failed, was killed, or still runs without being done is begun again by the next update", () => {
    assert.deepEqual(nextAttempt([]), { number: 1, isDone: false });
    assert.deepEqual(nextAttempt([{ number: 3, status: "Up 2 days (healthy)" }]), { number: 3, isDone: true });
    assert.deepEqual(nextAttempt([{ number: 1, status: "Exited (137) 2 seconds ago" }]), { number: 2, isDone: false });
    assert.deepEqual(nextAttempt([{ number: 1, status: "Up 2 seconds (health: starting)" }]), { number: 2, isDone: false });
    const both = [
      { number: 4, status: "Exited (1) 1 minute ago" },
      { number: 5, status: "Up 1 minute (healthy)" },
    ];
    assert.deepEqual(nextAttempt(both), { number: 5, isDone: true });
  });

  it("rows are taken along unless that is not wanted, or the image is one's own", () => {
    assert.equal(carriesRows({ moveData: true, image: undefined }), true);
    assert.equal(carriesRows({ moveData: false, image: undefined }), false);
    assert.equal(carriesRows({ moveData: true, image: "example.com/app:1" }), false);
  });
});
