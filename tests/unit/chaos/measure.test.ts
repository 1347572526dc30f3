import assert from "node:assert/strict";
import fc from "fast-check";
import {
  clusterProblem,
  conflicts,
  longestGap,
  lostOf,
  type Member,
  type PrimaryRound,
  withoutReturned,
} from "../../../toolchain/chaos/measure";

describe("A7 chaos: what is measured", () => {
  it("a gap is the longest time without an acknowledgement, whatever their order, and the edges count", () => {
    assert.equal(longestGap([110, 400, 120, 130], { from: 100, to: 410 }), 270);
    assert.equal(longestGap([300], { from: 100, to: 350 }), 200, "from the fault to the first write");
    assert.equal(longestGap([110], { from: 100, to: 900 }), 790, "from the last write to the end");
    assert.equal(longestGap([50, 1000], { from: 100, to: 400 }), 300, "what is outside does not matter");
    assert.equal(longestGap([], { from: 100, to: 400 }), 300);
  });

  it("a gap is never longer than its span, never shorter than an even share, and one acknowledgement more never makes it longer", () => {
    const moment = fc.integer({ min: 0, max: 10_000 });
    fc.assert(
      fc.property(fc.array(moment), moment, (moments, another) => {
        const span = { from: 2000, to: 8000 };
        const gap = longestGap(moments, span);
        const inside = moments.filter((at) => at > span.from && at < span.to).length;
        assert.ok(gap <= 6000 && gap >= 6000 / (inside + 1));
        assert.ok(longestGap([...moments, another], span) <= gap);
      }),
    );
  });

  it("lost is what was acknowledged and is not there", () => {
    assert.deepEqual(lostOf(["a", "b", "c"], new Set(["a", "c", "d"])), ["b"]);
  });

  const round = (from: number, ...answers: readonly (readonly [node: string, status: number, tookMs: number])[]): PrimaryRound =>
    answers.map(([node, status, tookMs]) => ({ node, status, sentAt: from, receivedAt: from + tookMs }));

  it("two nodes that call themselves primary at one moment are a conflict", () => {
    const rounds = [round(0, ["pg-1", 200, 3], ["pg-2", 503, 3]), round(100, ["pg-1", 200, 3], ["pg-2", 200, 4], ["pg-3", 503, 2])];
    assert.deepEqual(conflicts(rounds), [{ at: 100, nodes: ["pg-1", "pg-2"] }]);
    assert.deepEqual(conflicts([round(0, ["pg-1", 200, 3], ["pg-2", 0, 900])]), []);
  });

  it("a slow answer may be of another moment: then the next round decides", () => {
    const slow = round(0, ["pg-1", 200, 3], ["pg-2", 200, 800]);
    assert.deepEqual(conflicts([slow, round(801, ["pg-1", 503, 3], ["pg-2", 200, 3])]), []);
    assert.deepEqual(conflicts([slow]), []);
    assert.equal(conflicts([slow, round(801, ["pg-1", 200, 3], ["pg-2", 200, 3])]).length, 2);
  });

  it("a former primary that is back is told apart from two primaries, for as long as it takes to look into etcd", () => {
    const [before, back, still, late] = [900, 1010, 1060, 8100].map((at) => ({ at, nodes: ["pg-1", "pg-2"] }));
    assert.ok(before !== undefined && back !== undefined && still !== undefined && late !== undefined);
    assert.deepEqual(withoutReturned([before, back, still, late], 1000), { conflicts: [before, late], returnedMs: 50 });
    assert.deepEqual(withoutReturned([], 1000), { conflicts: [], returnedMs: 0 });
  });

  const leader: Member = { name: "pg-1", role: "leader", state: "running", timeline: 3, lag: undefined };
  const standby: Member = { name: "pg-2", role: "quorum_standby", state: "streaming", timeline: 3, lag: 0 };

  it("redundant is a cluster with one leader, and all others streaming on its timeline and counting for acknowledgements", () => {
    const nodes = ["pg-1", "pg-2"];
    assert.equal(clusterProblem([leader, standby], nodes), undefined);
    assert.equal(clusterProblem([leader, { ...standby, role: "sync_standby" }], nodes), undefined);
    const problems: readonly (readonly [Member[], RegExp])[] = [
      [[leader], /pg-2 not in the cluster/],
      [[], /pg-1, pg-2 not in/],
      [[{ ...leader, role: "replica" }, standby], /0 leaders/],
      [[leader, { ...standby, role: "leader" }], /2 leaders/],
      [[{ ...leader, state: "stopping" }, standby], /the leader is stopping/],
      [[leader, { ...standby, state: "starting" }], /pg-2 is starting/],
      [[leader, { ...standby, role: "replica" }], /does not count/],
      [[leader, { ...standby, timeline: 2 }], /timeline 2/],
      [[leader, { ...standby, lag: 2 * 1024 * 1024 }], /lags/],
      [[leader, { ...standby, lag: undefined }], /lags/],
    ];
    for (const [members, expected] of problems) assert.match(clusterProblem(members, nodes) ?? "none", expected);
  });
});
