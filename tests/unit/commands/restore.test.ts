import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import type { Backup, Fork } from "../../../components/local/postgres-operator/src/status-types";
import { UserError } from "../../../toolchain/lib/errors";
import type Docker from "dockerode";
import { LABELS } from "../../../toolchain/lib/docker";
import { repositoryInfoSchema } from "../../../toolchain/lib/postgres-operator";
import { refuseDuringRestore, restoreOutcome } from "../../../toolchain/lib/postgres-restore";
import { checkGap, checkOwner, gapOf, parseMoment, restorePlan } from "../../../toolchain/lib/restore-plan";

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

describe("F8 log that is missing in the archive", () => {
  const GAP = "2026-01-01T10:00:00Z";
  const check = (to: string, gap: string | null | undefined, accepted = false, foreign = false): boolean =>
    checkGap({ to, gap, foreign, accepted }, () => "restore the same --accept-gap");

  it("the latest moment is refused, which would end there without a word; so is every one after it", () => {
    assert.throws(
      () => check("latest", GAP),
      (error) => {
        assert.ok(error instanceof UserError);
        assert.match(
          error.message,
          /^log is missing in the archive from 2026-01-01T10:00:00Z on: a restore to the latest moment ends there, and/,
        );
        assert.match(error.message, /nowhere but in the data it would replace$/);
        assert.match(error.hint ?? "", /^npm run backup, .* Otherwise restore the same --accept-gap, which keeps those data$/);
        return true;
      },
    );
    assert.throws(() => check("2026-01-01T10:00:01Z", GAP), /from 2026-01-01T10:00:00Z on, and --to 2026-01-01T10:00:01Z is after that$/);
    assert.throws(() => check("latest", GAP, false, true), /a restore to the latest moment ends there$/);
  });

  it("said that it may, it is restored, and the data of before are kept; also where the moment is before it", () => {
    assert.equal(check("latest", GAP, true), true);
    assert.equal(check("2026-01-01T10:00:01Z", GAP, true), true, "clocks differ: Postgres knows");
    assert.equal(check("2026-01-01T09:59:59Z", GAP), true);
    assert.equal(check("latest", GAP, true, true), false, "nothing newer of another database is here");
  });

  it("nothing is asked or kept where all of it is there; what is not known is no reason to refuse, and one to keep", () => {
    for (const to of ["latest", "2026-01-01T10:00:01Z"]) {
      assert.equal(check(to, null), false);
      assert.equal(check(to, undefined), true);
    }
  });

  it("a node knows best; of one with an older image the operator does, who does not know of every backup", () => {
    const made = [backup("A", "09:00:00")];
    assert.deepEqual([gapOf(null, GAP, made), gapOf(GAP, null, made)], [null, GAP]);
    assert.deepEqual(
      [gapOf(undefined, GAP, made), gapOf(undefined, null, made), gapOf(undefined, undefined, made)],
      [GAP, null, undefined],
    );
    assert.equal(gapOf(undefined, GAP, [...made, backup("B", "10:00:01")]), null);
  });

  it("what a node of an older image leaves out is not taken for nothing", () => {
    const known = { repository: null, backups: [], restores: [] };
    assert.equal(repositoryInfoSchema.parse(known).gap, undefined);
    assert.equal(repositoryInfoSchema.parse({ ...known, gap: null }).gap, null);
    assert.equal(repositoryInfoSchema.parse({ ...known, gap: GAP, more: "of a newer one" }).gap, GAP);
  });
});

describe("F8 while Postgres is restored", () => {
  const container = (service: string, State: string) =>
    ({ Names: [`/${service}-1`], Labels: { [LABELS.service]: service }, State }) as unknown as Docker.ContainerInfo;

  it("up starts nothing: the stopped nodes only look broken", () => {
    const nodes = [container("postgres", "exited"), container("etcd", "running")];
    assert.throws(
      () => refuseDuringRestore([...nodes, container("postgres-restore", "running")]),
      (error) => {
        assert.ok(error instanceof UserError);
        assert.equal(error.message, "Postgres is being restored: container postgres-restore-1 is running");
        assert.match(error.hint ?? "", /docker logs --follow postgres-restore-1; docs\/runbooks\/restore\.md$/);
        return true;
      },
    );
    assert.throws(() => refuseDuringRestore([container("postgres-restore", "paused")]), /is paused$/);
    refuseDuringRestore([...nodes, container("postgres-restore", "exited")]);
    refuseDuringRestore(nodes);
  });

  it("what it did is known from how it ended; killed while it exchanges the data, nobody says that nothing was changed", () => {
    const [early, begun] = [["restore backup set A"], ["restore backup set A", "the restored data take the place of the old ones"]];
    const done = [...begun, "the restored data are in place"];
    assert.deepEqual([restoreOutcome(0, done), restoreOutcome(137, done)], ["restored", "restored"]);
    assert.deepEqual([restoreOutcome(1, early), restoreOutcome(137, early), restoreOutcome(1, begun)], Array(3).fill("unchanged"));
    assert.equal(restoreOutcome(137, begun), "undecided");
    // By these two lines.
    const program = readFileSync(path.resolve(__dirname, "../../../components/local/postgres/restore.py"), "utf8");
    for (const line of done.slice(1)) assert.ok(program.includes(`log("${line}")`), line);
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
    assert.deepEqual(plan(backups, [], "09:00:00"), {
      ...{ set: "B", timeline: "latest", target: "2026-01-01 09:00:00.000000+00", damaged: false },
    });
    assert.equal(plan(backups, [], "07:00:00").set, "B");
    assert.equal(plan(backups, [], "06:59:59").set, "A");
    assert.deepEqual(plan(backups, [], "latest"), { set: "C", timeline: "latest", target: "latest", damaged: false });
  });

  it("a backup with damaged pages is taken only where no whole one leads to the moment, and that is told", () => {
    const damaged = (label: string, time: string, instead: string | null): Backup => ({ ...backup(label, time), damaged: true, instead });
    const backups = [backup("A", "01:00:00"), damaged("B", "07:00:00", "A"), damaged("C", "13:00:00", null)];
    const taken = (list: readonly Backup[], restores: readonly Fork[], time: string): unknown => {
      const { set, damaged: isDamaged } = plan(list, restores, time);
      return [set, isDamaged];
    };
    assert.deepEqual(taken(backups, [], "09:00:00"), ["A", false]);
    assert.deepEqual(taken(backups, [], "latest"), ["C", true], "log is missing in between");
    assert.deepEqual(taken([...backups, backup("D", "14:00:00")], [], "latest"), ["D", false]);
    assert.deepEqual(taken([damaged("B", "07:00:00", null)], [], "09:00:00"), ["B", true]);
    const back = [fork(2, 1, "06:00:00", "00:30:00")];
    assert.deepEqual(taken(backups, back, "09:00:00"), ["B", true], "a restore since has left the whole one out");
    assert.deepEqual(taken([backup("A", "01:00:00"), backup("B", "07:00:00")], [], "latest"), ["B", false], "of an older image");
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
