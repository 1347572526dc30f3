import assert from "node:assert/strict";
import type { Backup, Fork } from "../../../components/local/postgres-operator/src/status-types";
import { UserError } from "../../../toolchain/lib/errors";
import { checkOwner, parseMoment, restorePlan } from "../../../toolchain/lib/restore-plan";

const backup = (label: string, time: string, timeline = 1): Backup => ({
  ...{ label, timeline, type: "full", sizeBytes: 1, storedBytes: 1 },
  ...{ startedAt: `2026-01-01T${time}Z`, stoppedAt: `2026-01-01T${time}Z` },
});
const fork = (timeline: number, parent: number, at: string, to: string | null): Fork => ({
  ...{ timeline, parent, at: `2026-01-01T${at}Z` },
  to: to === null ? null : `2026-01-01T${to}Z`,
});
const NOW = Date.parse("2026-01-01T20:00:00Z");
const plan = (backups: readonly Backup[], restores: readonly Fork[], time: string) =>
  restorePlan({ backups, restores }, time === "latest" ? time : `2026-01-01T${time}Z`, NOW);

describe("F8 whose backups may be restored", () => {
  const check = (foreign: boolean, wanted: boolean, secondsAgo?: number): void =>
    checkOwner(
      { foreign, writtenAt: secondsAgo === undefined ? null : new Date(NOW - secondsAgo * 1000).toISOString() },
      (...words) => ["restore the same", ...words].join(" "),
      wanted,
      NOW,
    );

  it("a stack's own without further ado; those of another database only when that is said", () => {
    check(false, false, 5);
    assert.throws(() => check(false, true), /--from-repository: the backups are this stack's own already/);
    assert.throws(
      () => check(true, false),
      (error) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, /the backups of another database than this stack's, whose data would be replaced by it/);
        assert.equal(error.hint, "restore the same --from-repository");
        return true;
      },
    );
    check(true, true);
  });

  it("and nobody may be adding to them: two stacks with one database would both go on", () => {
    for (const age of [-5, 0, 179])
      assert.throws(() => check(true, true, age), /archived log in the repository \d+ s ago: the stack .* still runs/);
    check(true, true, 180);
  });
});

describe("F8 the moment to go back to", () => {
  it("is read strictly, to the microsecond, in any zone", () => {
    const cases: Record<string, string> = {
      "2026-01-31T12:00:00Z": "2026-01-31 12:00:00.000000+00",
      "2026-01-31T12:00:00.5Z": "2026-01-31 12:00:00.500000+00",
      "2026-01-31T12:00:00.123456Z": "2026-01-31 12:00:00.123456+00",
      "2026-01-01T00:30:00+01:00": "2025-12-31 23:30:00.000000+00",
      "2026-01-31T12:00:00-05:30": "2026-01-31 17:30:00.000000+00",
    };
    for (const [text, target] of Object.entries(cases)) assert.equal((parseMoment(text) as { target: string }).target, target);
    assert.equal(parseMoment("latest"), "latest");
    const bad = ["", "now", "yesterday", "2026-01-31", "2026-01-31T12:00:00", "2026-01-31 12:00:00Z", "2026-02-30T12:00:00Z"];
    for (const text of [...bad, "2026-01-31T25:00:00Z", "2026-01-31T12:00:00.1234567Z", "1767225600", "2026-01-31T12:00:00Z; DROP"])
      assert.throws(() => parseMoment(text), /is no time; allowed: ISO 8601 with a zone, such as .*, or latest$/, text);
  });

  it("is begun with the last backup before it", () => {
    const backups = [backup("A", "01:00:00"), backup("B", "07:00:00"), backup("C", "13:00:00")];
    assert.deepEqual(plan(backups, [], "09:00:00"), { set: "B", timeline: "latest", target: "2026-01-01 09:00:00.000000+00" });
    assert.equal(plan(backups, [], "07:00:00").set, "B");
    assert.equal(plan(backups, [], "06:59:59").set, "A");
    assert.deepEqual(plan(backups, [], "latest"), { set: "C", timeline: "latest", target: "latest" });
  });

  it("is refused outside of what the backups cover, with the range", () => {
    const backups = [backup("A", "01:00:00")];
    const range = /allowed: from 2026-01-01T01:00:00Z to now \(2026-01-01T20:00:00\.000Z\), or latest$/;
    for (const time of ["00:59:59", "20:00:01"]) assert.throws(() => plan(backups, [], time), range);
    assert.throws(() => plan([], [], "latest"), /there is no backup to restore from/);
  });

  it("a change of the primary makes no difference", () => {
    const backups = [backup("A", "01:00:00"), backup("B", "07:00:00", 2)];
    const promoted = [fork(2, 1, "05:00:00", null)];
    for (const [time, set] of Object.entries({ "04:00:00": "A", "06:00:00": "A", "08:00:00": "B" }))
      assert.deepEqual([plan(backups, promoted, time).set, plan(backups, promoted, time).timeline], [set, "latest"]);
  });

  it("after a restore: what it left out is on the timeline before, and what was written since is on its own", () => {
    // Backups at 1, 7 and 10; at 11 back to 9, which left out the backup of 10; another backup at 12.
    const backups = [backup("A", "01:00:00"), backup("B", "07:00:00"), backup("C", "10:00:00"), backup("D", "12:00:00", 3)];
    const restores = [fork(2, 1, "11:00:00", "09:00:00"), fork(3, 2, "11:00:05", null)];
    const chosen = (time: string): unknown => [plan(backups, restores, time).set, plan(backups, restores, time).timeline];
    assert.deepEqual(chosen("08:00:00"), ["B", 1]);
    assert.deepEqual(chosen("10:30:00"), ["C", 1], "it was the database then, although a restore has left it out");
    assert.deepEqual(chosen("11:30:00"), ["B", "latest"], "C holds what was left out");
    assert.deepEqual(chosen("13:00:00"), ["D", "latest"]);
    assert.deepEqual(plan(backups.slice(0, 3), restores, "latest").set, "B");
  });

  it("after two restores each moment is found where it was the database's", () => {
    // At 11 back to 9 (timelines 2, 3), at 14 back to 10:30, which only timeline 1 has (timelines 4, 5).
    const backups = [backup("A", "01:00:00"), backup("D", "12:00:00", 3)];
    const restores = [
      ...[fork(2, 1, "11:00:00", "09:00:00"), fork(3, 2, "11:00:05", null)],
      ...[fork(4, 1, "14:00:00", "10:30:00"), fork(5, 4, "14:00:05", null)],
    ];
    const chosen = (time: string): unknown => [plan(backups, restores, time).set, plan(backups, restores, time).timeline];
    assert.deepEqual(chosen("10:00:00"), ["A", 1]);
    assert.deepEqual(chosen("13:00:00"), ["D", 3]);
    assert.deepEqual(chosen("15:00:00"), ["A", "latest"]);
  });
});
