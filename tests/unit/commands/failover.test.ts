import assert from "node:assert/strict";
import type { MemberStatus, PostgresStatus } from "../../../components/local/postgres-operator/src/status-types";
import { refusal } from "../../../toolchain/commands/failover";
import { announcement } from "../../../toolchain/lib/container-restart";
import { restartOrder } from "../../../toolchain/lib/postgres-restart";

const member = (name: string, sync: MemberStatus["sync"], more: Partial<MemberStatus> = {}): MemberStatus => ({
  ...{ name, role: "standby", state: "streaming", timeline: 1, lagBytes: 0, sync, pendingRestart: false },
  ...more,
});
const STATUS: PostgresStatus = {
  at: "2026-11-21T14:00:00.000Z",
  ...{ healthy: true, problems: [], leader: "pg-2", automaticFailover: true, pools: [], switchoverRunning: false, lastSwitchover: null },
  members: [member("pg-1", "quorum"), member("pg-2", null, { role: "primary", state: "running" }), member("pg-3", "async")],
  backups: null,
  backupsUnknown: null,
  reaper: { healthy: true, rounds: 1, failedRounds: 0, suspiciousRounds: 0, reaped: 0 },
};

describe("npm run failover (F2)", () => {
  it("goes ahead when a standby has every acknowledged write", () => {
    assert.equal(refusal(STATUS, undefined), undefined);
    assert.equal(refusal(STATUS, "pg-1"), undefined);
    assert.equal(refusal(STATUS, "pg-2"), "already");
  });

  it("one sentence for each reason not to, with what is allowed or where to read on", () => {
    const cases: readonly (readonly [PostgresStatus, string | undefined, object])[] = [
      [STATUS, "pg-9", { message: "--to pg-9 is no node of this stack; allowed: pg-1, pg-2, pg-3" }],
      [STATUS, "pg-3", { message: "--to pg-3: it does not confirm writes now (streaming), so it cannot take over; allowed now: pg-1" }],
      [{ ...STATUS, leader: null }, undefined, { message: /no primary/, hint: /no-primary\.md/ }],
      [{ ...STATUS, switchoverRunning: true }, undefined, { message: /under way already/ }],
      [{ ...STATUS, members: [member("pg-1", "async")] }, undefined, { message: /no standby has every/, hint: /no-sync-standby\.md/ }],
    ];
    for (const [status, to, expected] of cases) assert.throws(() => refusal(status, to), { name: "UserError", ...expected });
  });
});

describe("npm run restart", () => {
  it("Postgres: the replicas first, the primary last", () => {
    assert.deepEqual(restartOrder(STATUS), { replicas: ["pg-1", "pg-3"], primary: "pg-2" });
  });

  it("Postgres: nothing is restarted while a node is away, or while nobody is primary", () => {
    const down = [...STATUS.members.slice(0, 2), member("pg-3", null, { role: "unknown", state: "unreachable" })];
    assert.throws(() => restartOrder({ ...STATUS, members: down }), { name: "UserError", message: /^pg-3 \(unreachable\) does not work/ });
    assert.throws(() => restartOrder({ ...STATUS, leader: null }), { name: "UserError", message: /no primary; nothing was restarted/ });
  });

  it("says before what will be noticed, and nothing where there are several containers", () => {
    assert.match(announcement("redis-cache", 1) ?? "", /^redis-cache is one container: while it restarts, sessions/);
    assert.match(announcement("load-balancer", 1) ?? "", /requests are refused/);
    assert.equal(announcement("etcd", 3), undefined);
    assert.equal(announcement("something", 1), undefined);
  });
});
