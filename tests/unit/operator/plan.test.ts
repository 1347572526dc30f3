import assert from "node:assert/strict";
import fc from "fast-check";
import { type NodeState } from "../../../components/local/postgres-operator/src/patroni";
import { type Findings, MOST_LAG_BYTES, plan } from "../../../components/local/postgres-operator/src/plan";

const NODES = ["pg-1", "pg-2", "pg-3"];

const standby = (replayed: number): NodeState => ({
  state: "running",
  role: "replica",
  timeline: 1,
  replication_state: "streaming",
  xlog: { replayed_location: replayed },
});

const PRIMARY: NodeState = {
  state: "running",
  role: "primary",
  timeline: 1,
  xlog: { location: 1000 },
  replication: ["pg-2", "pg-3"].map((name) => ({ application_name: name, state: "streaming", sync_state: "quorum" })),
};

function findings(changes: Readonly<Record<string, NodeState | undefined>> = {}, cluster: Partial<Findings["cluster"]> = {}): Findings {
  const states = Object.entries({ "pg-1": PRIMARY, "pg-2": standby(900), "pg-3": standby(990), ...changes });
  return {
    nodes: NODES,
    cluster: { leader: { name: "pg-1", lease: "7" }, syncStandbys: ["pg-2", "pg-3"], quorum: 1, ...cluster },
    states: new Map(states.filter((entry): entry is [string, NodeState] => entry[1] !== undefined)),
  };
}

const messageOf = (found: Findings, request = {}): string => {
  const decided = plan(found, request);
  assert.notEqual(decided.kind, "go");
  return "message" in decided ? decided.message : "";
};

describe("F2 planning a switchover", () => {
  it("F2 chooses the standby that has replayed most, or the one that was asked for", () => {
    assert.deepEqual(plan(findings(), {}), { kind: "go", from: "pg-1", to: "pg-3" });
    assert.deepEqual(plan(findings(), { to: "pg-2", from: "pg-1" }), { kind: "go", from: "pg-1", to: "pg-2" });
  });

  it("F2 does nothing when there is nothing to do", () => {
    assert.match(messageOf(findings(), { from: "pg-2" }), /^pg-2 is not primary, pg-1 is; nothing had to be done\.$/);
    assert.match(messageOf(findings(), { to: "pg-1" }), /^pg-1 is primary already/);
  });

  it("F2 refuses with one sentence while the cluster is not well", () => {
    const sentence = /^[A-Z"p][^\n]*\.$/;
    const cases: readonly (readonly [RegExp, Findings, object?])[] = [
      [/"pg-9" is no node of this cluster; use one of pg-1, pg-2, pg-3\./, findings(), { to: "pg-9" }],
      [/no primary now/, findings({}, { leader: undefined })],
      [/pg-1 is primary but takes no writes \(it does not answer\)/, findings({ "pg-1": undefined })],
      [/takes no writes \(stopping\)/, findings({ "pg-1": { ...PRIMARY, state: "stopping" } })],
      [/No standby streams from pg-1/, findings({ "pg-1": { ...PRIMARY, replication: [] } })],
      [/No standby streams from pg-1/, findings({}, { syncStandbys: [] })],
      [/No standby/, findings({ "pg-2": undefined, "pg-3": { ...standby(1), state: "starting" } })],
      [/pg-2 does not stream .*; pg-3 could take over/, findings({ "pg-2": undefined }), { to: "pg-2" }],
      [/64 MiB still to replay/, findings({ "pg-1": { ...PRIMARY, xlog: { location: MOST_LAG_BYTES + 1000 } } })],
    ];
    for (const [expected, found, request] of cases) {
      const message = messageOf(found, request);
      assert.match(message, expected);
      assert.match(message, sentence);
    }
    assert.equal(plan(findings({ "pg-1": undefined }), {}).kind, "refused");
  });

  it("F2 nobody takes over who does not confirm writes in the primary's and in Patroni's view (property)", () => {
    let went = 0;
    fc.assert(
      fc.property(
        fc.subarray(NODES),
        fc.array(
          fc.record({
            name: fc.constantFrom(...NODES),
            state: fc.constantFrom("streaming", "catchup"),
            sync: fc.constantFrom("quorum", "sync", "async", "potential"),
          }),
        ),
        fc.dictionary(
          fc.constantFrom(...NODES),
          fc.option(fc.constantFrom(standby(5), { ...standby(5), state: "starting" }, PRIMARY), { nil: undefined }),
        ),
        fc.option(fc.constantFrom(...NODES), { nil: undefined }),
        (syncStandbys, replication, changes, to) => {
          const primary = {
            ...PRIMARY,
            replication: replication.map(({ name, state, sync }) => ({ application_name: name, state, sync_state: sync })),
          };
          const found = findings({ ...changes, "pg-1": primary }, { syncStandbys });
          const decided = plan(found, { to });
          if (decided.kind !== "go") return;
          went += 1;
          assert.ok(decided.to !== "pg-1" && (to === undefined || decided.to === to));
          assert.ok(syncStandbys.includes(decided.to));
          assert.ok(
            replication.some(
              ({ name, state, sync }) => name === decided.to && state === "streaming" && (sync === "quorum" || sync === "sync"),
            ),
          );
          assert.equal(found.states.get(decided.to)?.role, "replica");
          assert.equal(found.states.get(decided.to)?.state, "running");
        },
      ),
      { numRuns: 3000 },
    );
    assert.ok(went > 50, `only ${went} generated clusters could switch over`);
  });
});
