import assert from "node:assert/strict";
import { createServer } from "node:net";
import fc from "fast-check";
import { isPaused, parseSync } from "../../../components/local/postgres-operator/src/cluster-state";
import {
  decide,
  NO_SUSPICION,
  type Probe,
  type Round,
  ROUNDS_TO_REAP,
  type Suspicion,
} from "../../../components/local/postgres-operator/src/reaper/decide";
import { probe } from "../../../components/local/postgres-operator/src/reaper/probe";

const anyProbe = fc.constantFrom<Probe>("open", "refused", "gone", "timeout");
const anyRound: fc.Arbitrary<Round> = fc.record({
  leader: fc.option(fc.record({ name: fc.constantFrom("pg-1", "pg-2"), lease: fc.constantFrom("1", "2") }), { nil: undefined }),
  syncStandbys: fc.subarray(["pg-2", "pg-3"]),
  quorum: fc.nat(1),
  paused: fc.boolean(),
  postgres: anyProbe,
  patroni: anyProbe,
  standbysAlive: fc.nat(2),
});

const DEAD: Round = {
  leader: { name: "pg-1", lease: "1" },
  syncStandbys: ["pg-2", "pg-3"],
  quorum: 1,
  paused: false,
  postgres: "gone",
  patroni: "gone",
  standbysAlive: 2,
};

/** Rounds as an operator sees them around a death: mostly the same dead primary, so that three in a row are common; by chance alone they are not. */
const anyRounds = fc.array(fc.oneof({ weight: 2, arbitrary: fc.constant(DEAD) }, { weight: 1, arbitrary: anyRound }), { maxLength: 30 });

/** Rounds after which the lease was taken. */
function reaped(rounds: readonly Round[]): number[] {
  let suspicion: Suspicion = NO_SUSPICION;
  return rounds.flatMap((one, index) => {
    const decision = decide(suspicion, one);
    suspicion = decision.reap ? NO_SUSPICION : decision.suspicion;
    return decision.reap ? [index] : [];
  });
}

describe("F2 when a dead primary's lease is taken", () => {
  it("F2 after three rounds in which it is certainly dead, and not earlier", () => {
    assert.deepEqual(reaped([DEAD, DEAD]), []);
    assert.deepEqual(reaped([DEAD, DEAD, DEAD]), [2]);
    assert.deepEqual(reaped([DEAD, { ...DEAD, postgres: "refused", patroni: "refused" }, DEAD]), [2]);
  });

  it("F2 never while anything may be alive, nobody could take over with all writes, or the network here may be what is broken (property)", () => {
    let times = 0;
    fc.assert(
      fc.property(anyRounds, (rounds) => {
        for (const at of reaped(rounds)) {
          times += 1;
          const last = rounds.slice(at + 1 - ROUNDS_TO_REAP, at + 1);
          assert.equal(last.length, ROUNDS_TO_REAP);
          assert.equal(new Set(last.map(({ leader }) => leader?.lease)).size, 1, "another lease is another primary");
          for (const { leader, postgres, patroni, standbysAlive, quorum, paused } of last) {
            assert.ok(leader !== undefined && standbysAlive > quorum && !paused);
            for (const result of [postgres, patroni]) assert.ok(result === "refused" || result === "gone", result);
          }
        }
      }),
      { numRuns: 5000 },
    );
    assert.ok(times > 0, "no generated rounds led to it");
  });

  it("F2 a primary that answers once in between, or only may answer, is given all rounds again", () => {
    for (const alive of [{ postgres: "open" }, { patroni: "open" }, { postgres: "timeout" }, { patroni: "timeout" }] as const) {
      assert.deepEqual(reaped([DEAD, DEAD, { ...DEAD, ...alive }, DEAD, DEAD]), []);
    }
  });

  it("F2 Patroni alone dead, a paused primary and a cut-off operator never lead to it", () => {
    const often = (round: Round): Round[] => Array.from({ length: 20 }, () => round);
    assert.deepEqual(reaped(often({ ...DEAD, postgres: "open", patroni: "refused" })), []);
    assert.deepEqual(reaped(often({ ...DEAD, postgres: "timeout", patroni: "timeout" })), []);
    assert.deepEqual(reaped(often({ ...DEAD, standbysAlive: 0 })), []);
    assert.deepEqual(reaped(often({ ...DEAD, standbysAlive: 1 })), [], "one of two voters does not know that it has everything");
    assert.deepEqual(reaped(often({ ...DEAD, syncStandbys: [], quorum: 0, standbysAlive: 0 })), []);
  });

  it("F2 not while Patroni is paused: whoever did that stops the primary on purpose", () => {
    assert.deepEqual(reaped([DEAD, DEAD, { ...DEAD, paused: true }, DEAD, DEAD]), []);
    assert.deepEqual(reaped([{ ...DEAD, paused: true }, DEAD, DEAD, DEAD]), [3]);
  });
});

describe("F2 what the operator reads in etcd", () => {
  it("F2 standbys count only if the leader that holds the lease wrote them", () => {
    const written = '{"leader":"pg-1","sync_standby":"pg-2,pg-3","quorum":1}';
    assert.deepEqual(parseSync(written, "pg-1"), { syncStandbys: ["pg-2", "pg-3"], quorum: 1 });
    assert.deepEqual(parseSync(written, "pg-2"), { syncStandbys: [], quorum: 0 });
    assert.deepEqual(parseSync(undefined, "pg-1"), { syncStandbys: [], quorum: 0 });
    assert.deepEqual(parseSync('{"leader":"pg-1","sync_standby":null}', "pg-1"), { syncStandbys: [], quorum: 0 });
    assert.deepEqual(parseSync('{"leader":"pg-1","sync_standby":"pg-2"}', "pg-1"), { syncStandbys: ["pg-2"], quorum: 0 });
  });
});

describe("F2 whether Patroni is paused", () => {
  it("F2 as patronictl leaves it in etcd; without a cluster nobody has", () => {
    assert.equal(isPaused('{"ttl":20,"pause":true}'), true);
    assert.equal(isPaused('{"ttl":20,"pause":false}'), false);
    assert.equal(isPaused('{"ttl":20}'), false);
    assert.equal(isPaused(undefined), false);
  });
});

describe("F2 what a connection tells", () => {
  const here = (): Promise<string[]> => Promise.resolve(["127.0.0.1"]);

  it("F2 open and refused ports of a machine that is there", async () => {
    const server = createServer((socket) => socket.end());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    assert.deepEqual(await probe("pg-1", [port], here), ["open"]);
    await new Promise((resolve) => server.close(resolve));
    assert.deepEqual(await probe("pg-1", [port], here), ["refused"]);
  });

  it("F2 a name that is gone is gone; a DNS that does not answer says nothing", async () => {
    assert.deepEqual(await probe("pg-1", [1, 2], () => Promise.resolve([])), ["gone", "gone"]);
    assert.deepEqual(await probe("pg-1", [1, 2], () => Promise.reject(new Error("ETIMEOUT"))), ["timeout", "timeout"]);
  });
});
