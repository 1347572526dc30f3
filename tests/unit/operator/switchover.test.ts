import assert from "node:assert/strict";
import fc from "fast-check";
import type { NodeState } from "../../../components/local/postgres-operator/src/patroni";
import { type Outcome, Switchover, type SwitchoverParts } from "../../../components/local/postgres-operator/src/switchover";

/** What happens in a made-up cluster, and in which order. */
interface Script {
  readonly pause?: string | undefined;
  /** Tries of RESUME that fail. */
  readonly resumeFailures?: number | undefined;
  /** What Patroni answers; `"lost"` is a connection that breaks. */
  readonly patroni?: string | undefined;
  /** Looks after which the new node has received everything. @default it has; never when negative */
  readonly receivedAfter?: number | undefined;
  /** Looks after which the new node takes writes, and after which the proxy leads to it; never when left out. */
  readonly writableAfter?: number | undefined;
  readonly proxyAfter?: number | undefined;
  readonly checkpoint?: string | undefined;
  /** Another operator has the lock. */
  readonly lockHeld?: boolean | undefined;
  readonly proxyBreaks?: boolean | undefined;
}

const DONE: Script = { writableAfter: 2, proxyAfter: 2 };

class Cluster {
  readonly steps: string[] = [];
  paused = false;
  locked = false;
  lockHeld: boolean;
  /** Looks whether statements are held back. */
  pauseLooks = 0;
  readonly switchover: Switchover;

  constructor(script: Script) {
    const { steps } = this;
    this.lockHeld = script.lockHeld === true;
    let [looks, proxyLooks, failures, receiving] = [0, 0, script.resumeFailures ?? 0, script.receivedAfter ?? 0];
    let asked = false;
    const endless = script.writableAfter === undefined || script.proxyAfter === undefined || script.proxyBreaks === true;
    const received = (): number => {
      if (this.paused && receiving > 0) receiving -= 1;
      return receiving === 0 ? 5 : 4;
    };
    const node = (role: string): NodeState => ({
      state: "running",
      role,
      xlog: role === "primary" ? { location: 5 } : { received_location: received(), replayed_location: 4 },
    });
    const isNew = (): boolean => asked && script.writableAfter !== undefined && looks > script.writableAfter;
    const parts: SwitchoverParts = {
      log: () => undefined,
      // What ends by itself has all the time it needs, on a busy machine, too.
      limits: {
        pauseMs: 20,
        receiveMs: script.receivedAfter === -1 ? 20 : 20_000,
        takeOverMs: endless ? 30 : 20_000,
        ...{ lookMs: 1, resumeMs: 1, watchMs: 1, elsewhereMs: 1 },
      },
      checkpoint: (name) => {
        steps.push(`checkpoint ${name}`);
        return Promise.resolve(script.checkpoint);
      },
      settings: { nodes: ["pg-1", "pg-2"], scope: "postgres" },
      etcd: {
        get: (key) =>
          Promise.resolve(
            key.endsWith("/leader")
              ? { value: asked && script.patroni?.startsWith("4") !== true ? "pg-2" : "pg-1", lease: "7" }
              : { value: '{"leader":"pg-1","sync_standby":"pg-2","quorum":0}', lease: "0" },
          ),
      },
      patroni: {
        state: (name) => {
          if (name === "pg-1") {
            return Promise.resolve({
              ...node("primary"),
              replication: [{ application_name: "pg-2", state: "streaming", sync_state: "quorum" }],
            });
          }
          if (asked) looks += 1;
          return Promise.resolve(node(isNew() ? "primary" : "replica"));
        },
        handOver: async (from, to, signal) => {
          asked = true;
          steps.push(`hand over ${from} ${to}${this.paused ? "" : " UNPAUSED"}`);
          if (script.patroni === "lost") throw new Error("socket hang up");
          if (script.patroni !== undefined) return script.patroni;
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          throw new Error("aborted");
        },
      },
      pgbouncer: {
        pause: () => {
          this.paused = true;
          steps.push("pause");
          return Promise.resolve(script.pause);
        },
        resume: () => {
          if (failures > 0) {
            failures -= 1;
            return Promise.reject(new Error("ECONNREFUSED"));
          }
          this.paused = false;
          steps.push("resume");
          return Promise.resolve();
        },
        isPaused: () => {
          this.pauseLooks += 1;
          return Promise.resolve(this.paused);
        },
      },
      proxy: {
        primaries: () => {
          if (script.proxyBreaks === true) return Promise.reject(new Error("DNS"));
          proxyLooks += 1;
          return Promise.resolve(new Set([script.proxyAfter !== undefined && proxyLooks > script.proxyAfter ? "pg-2" : "pg-1"]));
        },
      },
      lock: {
        isElsewhere: () => Promise.resolve(this.lockHeld),
        take: () => {
          if (this.lockHeld) return Promise.resolve(undefined);
          this.locked = true;
          return Promise.resolve(() => {
            this.locked = false;
            return Promise.resolve();
          });
        },
      },
    };
    this.switchover = new Switchover(parts);
  }
}

/** Once in so many times. */
function maybe<T>(value: fc.Arbitrary<T>, times: number): fc.Arbitrary<T | undefined> {
  return fc.oneof({ arbitrary: value, weight: 1 }, { arbitrary: fc.constant(undefined), weight: times - 1 });
}

async function conduct(script: Script): Promise<{ readonly cluster: Cluster; readonly outcome: Outcome }> {
  const cluster = new Cluster(script);
  return { cluster, outcome: await cluster.switchover.conduct({}) };
}

describe("F2 conducting a switchover", () => {
  it("F2 holds statements back, has Patroni hand over, and lets them go when the proxy leads to the new primary", async () => {
    const { cluster, outcome } = await conduct(DONE);
    assert.deepEqual(cluster.steps, ["checkpoint pg-1", "pause", "hand over pg-1 pg-2", "resume"]);
    assert.equal(outcome.outcome, "done");
    assert.match(outcome.message, /^pg-2 is primary now, pg-1 was; writes were held for \d+\.\d s\.$/);
    assert.ok(outcome.heldMs > 0);
    assert.equal(cluster.switchover.last?.to, "pg-2");
  });

  it("F2 transactions that do not end: nothing is handed over, and the sentence says so", async () => {
    const { cluster, outcome } = await conduct({ ...DONE, pause: "transactions under way did not end within 5 s" });
    assert.deepEqual(cluster.steps, ["checkpoint pg-1", "pause", "resume"]);
    assert.equal(outcome.outcome, "refused");
    assert.equal(outcome.message, "Transactions under way did not end within 5 s; nothing was changed.");
  });

  it("F2 a standby that lacks what another one has confirmed is waited for, and does not take over without it", async () => {
    const { cluster, outcome } = await conduct({ ...DONE, receivedAfter: 3 });
    assert.deepEqual(cluster.steps, ["checkpoint pg-1", "pause", "hand over pg-1 pg-2", "resume"]);
    assert.equal(outcome.outcome, "done");
    const { cluster: lacking, outcome: failed } = await conduct({ ...DONE, receivedAfter: -1 });
    assert.deepEqual(lacking.steps, ["checkpoint pg-1", "pause", "resume"]);
    assert.equal(failed.outcome, "failed");
    assert.match(failed.message, /^pg-1 was to hand over to pg-2: pg-2 has not received all that pg-1 has written\. Writes were held/);
  });

  it("F2 Patroni's refusal is told, and statements go on at once", async () => {
    const { cluster, outcome } = await conduct({ patroni: "412 candidate does not exists" });
    assert.deepEqual(cluster.steps, ["checkpoint pg-1", "pause", "hand over pg-1 pg-2", "resume"]);
    assert.match(outcome.message, /Patroni says 412 candidate does not exists/);
    assert.equal(outcome.outcome, "failed");
  });

  it("F2 a new primary or a proxy that takes too long, or a proxy nobody finds: statements go on", async () => {
    for (const script of [{}, { writableAfter: 0 }, { ...DONE, proxyBreaks: true }]) {
      const { cluster, outcome } = await conduct(script);
      assert.equal(outcome.outcome, "failed");
      assert.match(outcome.message, /Writes were held for .* and go on\.$/);
      assert.equal(cluster.steps.at(-1), "resume");
    }
  });

  it("F2 a connection to the old primary that breaks says nothing: what counts is the new one", async () => {
    assert.equal((await conduct({ ...DONE, patroni: "lost" })).outcome.outcome, "done");
  });

  it("F2 whatever happens, statements are let go and the lock given back (property)", async () => {
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          pause: maybe(fc.constant("too slow"), 8),
          resumeFailures: fc.nat(3),
          receivedAfter: maybe(fc.constantFrom(-1, 1, 3), 8),
          patroni: maybe(fc.constantFrom("412 no", "503 failed", "lost"), 3),
          writableAfter: fc.option(fc.nat(5), { nil: undefined, freq: 8 }),
          proxyAfter: fc.option(fc.nat(5), { nil: undefined, freq: 8 }),
          checkpoint: maybe(fc.constant("permission denied"), 3),
          lockHeld: maybe(fc.constant(true), 8),
          proxyBreaks: maybe(fc.constant(true), 8),
        }),
        async (script) => {
          const { cluster, outcome } = await conduct(script);
          seen.add(outcome.outcome);
          assert.equal(cluster.paused, false);
          assert.equal(cluster.locked, false);
          assert.equal(cluster.switchover.running, undefined);
          assert.ok(!cluster.steps.some((step) => step.endsWith("UNPAUSED")));
        },
      ),
      { numRuns: 100 },
    );
    assert.deepEqual([...seen].sort(), ["done", "failed", "refused"]);
  });

  it("F2 one at a time, in this operator and among two", async () => {
    const cluster = new Cluster(DONE);
    const [first, second] = await Promise.all([cluster.switchover.conduct({}), cluster.switchover.conduct({})]);
    assert.deepEqual([first.outcome, second.outcome], ["done", "refused"]);
    assert.match(second.message, /under way already/);
    const { cluster: other, outcome } = await conduct({ ...DONE, lockHeld: true });
    assert.match(outcome.message, /under way already/);
    assert.deepEqual(other.steps, []);
  });

  /** Has the operator look whether statements are held back, until it has looked so often more. */
  async function watched(cluster: Cluster, looks: number, meanwhile: () => void = () => undefined): Promise<void> {
    const stop = new AbortController();
    const recovering = cluster.switchover.recover(stop.signal);
    const until = async (): Promise<void> => {
      const enough = cluster.pauseLooks + looks;
      while (cluster.pauseLooks < enough) await new Promise((resolve) => setTimeout(resolve, 1));
    };
    await until();
    meanwhile();
    await until();
    stop.abort();
    await recovering;
  }

  it("F2 an operator that died while statements were held back lets them go when it starts again, and leaves others alone", async () => {
    const cluster = new Cluster({});
    cluster.paused = true;
    await watched(cluster, 3);
    assert.deepEqual(cluster.steps, ["resume"], "once");
    const untouched = new Cluster({});
    await watched(untouched, 3);
    assert.deepEqual(untouched.steps, []);
    const elsewhere = new Cluster({ lockHeld: true });
    elsewhere.paused = true;
    await watched(elsewhere, 3);
    assert.deepEqual(elsewhere.steps, []);
  });

  it("F2 what is held back later is let go as well, when the other operator's lock has ended without it", async () => {
    const replaced = new Cluster({ lockHeld: true });
    await watched(replaced, 3, () => {
      // Killed in the middle: its lock ends by itself.
      replaced.paused = true;
      replaced.lockHeld = false;
    });
    assert.deepEqual(replaced.steps, ["resume"]);
  });

  it("F2 what this operator itself holds back for a switchover is not let go meanwhile", async () => {
    const cluster = new Cluster(DONE);
    const stop = new AbortController();
    const recovering = cluster.switchover.recover(stop.signal);
    const { outcome } = await cluster.switchover.conduct({});
    stop.abort();
    await recovering;
    assert.equal(outcome, "done");
    assert.deepEqual(cluster.steps, ["checkpoint pg-1", "pause", "hand over pg-1 pg-2", "resume"]);
  });
});
