import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { PostgresPrograms, hasPython, python } from "./postgres-programs";

/** What a node's program for backups decides, and how it reads pgBackRest's answers. */
describe("F8 B15 what a node does for backups", function () {
  this.timeout(30_000);
  let programs: PostgresPrograms;

  before(function () {
    if (!hasPython()) this.skip();
  });
  beforeEach(() => (programs = new PostgresPrograms()));
  afterEach(() => programs.remove());

  const evaluate = (expression: string, before?: string): unknown => programs.evaluate(expression, before);
  const pgbackrest = (answers: Readonly<Record<string, string>>): void => programs.pgbackrest(answers);

  it("a full backup when there is none or the last is too old, else what has changed, and again at once when log was lost", () => {
    const made = (type: string, hour: number) => ({
      type,
      startedAt: new Date(Date.UTC(2026, 0, 1, hour)).toISOString(),
      stoppedAt: new Date(Date.UTC(2026, 0, 1, hour, 10)).toISOString(),
    });
    const due = (backups: readonly object[], hour: number, gap: string | null = null): unknown => {
      const now = Date.UTC(2026, 0, 1, hour, 10) / 1000;
      return evaluate(
        `backups.due({"everyHours": 6, "fullEveryDays": 2}, ${python(backups)}, ${now}, ${gap === null ? "None" : JSON.stringify(gap)})`,
      );
    };
    const full = made("full", 0);
    assert.equal(due([], 0), "full");
    assert.deepEqual([due([full], 5), due([full], 6), due([full, made("incr", 6)], 11)], [null, "incr", null]);
    assert.deepEqual([due([full, made("incr", 42)], 47), due([full, made("incr", 47)], 48)], [null, "full"]);
    assert.deepEqual([due([{ ...full, damaged: true }], 5), due([full, { ...made("incr", 6), damaged: true }], 11)], [null, null]);
    assert.deepEqual([due([full], 2, "2026-01-01T01:00:00Z"), due([full, made("incr", 2)], 3, "2026-01-01T01:00:00Z")], ["incr", null]);
  });

  it("a backup ends a gap whoever made it, and what has none is counted from when it could have one", () => {
    const counted = (state: object, backups: readonly object[]): unknown =>
      evaluate(
        `[w := backups.Watch({}, None), w.state.update(${python(state)}), w.count_in(${python(backups)}, 1767225600), [w.state["gap"], w.state["emptySince"]]][-1]`,
      );
    const gap = "2026-01-01T01:00:00Z";
    assert.deepEqual(counted({ gap }, [{ startedAt: "2026-01-01T01:00:01Z" }]), [null, null]);
    assert.deepEqual(counted({ gap }, [{ startedAt: "2026-01-01T01:00:00Z" }]), [gap, null]);
    assert.deepEqual(counted({}, []), [null, "2026-01-01T00:00:00Z"]);
    assert.deepEqual(counted({ emptySince: "2025-12-31T00:00:00Z" }, []), [null, "2025-12-31T00:00:00Z"], "also by the primary before");
  });

  const segment = (timeline: number, number: number): string =>
    [timeline, Math.floor(number / 256), number % 256].map((part) => part.toString(16).padStart(8, "0").toUpperCase()).join("");

  it("archives after a failover what the dead primary had not: the tail of older timelines, and nothing that is there or older", () => {
    const leftovers = (done: readonly string[], archived: readonly string[], timeline: number): unknown =>
      evaluate(`log_archive.leftovers(${python(done)}, ${python(archived)}, ${timeline})`);
    const archived = [segment(1, 8), segment(1, 9)];
    const done = [segment(1, 11), segment(1, 3), segment(1, 9), segment(1, 10), segment(2, 12)];
    assert.deepEqual(leftovers(done, archived, 2), [segment(1, 10), segment(1, 11)]);
    assert.deepEqual(leftovers([segment(2, 10), segment(2, 11)], archived, 3), [segment(2, 10), segment(2, 11)], "two failovers in a row");
    assert.deepEqual(leftovers(done, [...archived, segment(2, 12)], 2), [segment(1, 10), segment(1, 11)], "its own may be there already");
    assert.deepEqual(leftovers(done, [], 2), [], "without an archive there is nothing to complete");
  });

  it("reads backups and where the archive ends; a missing repository is made, and another problem is told", () => {
    const info = (code: number, message: string): string =>
      JSON.stringify([
        {
          archive: [{ id: "17-1", min: "000000010000000000000001", max: "000000010000000000000007" }],
          backup: [
            {
              label: "20260101-000000F",
              type: "full",
              error: false,
              archive: { start: "0000000A0000000000000005", stop: "0000000A0000000000000005" },
              info: { size: 1000, repository: { delta: 100 } },
              timestamp: { start: 1767225600, stop: 1767225604 },
            },
            {
              ...{ label: "20260101-010000F", type: "full", error: true },
              archive: { start: "0000000A0000000000000006", stop: "0000000A0000000000000006" },
              ...{ info: { size: 1000, repository: { delta: 100 } }, timestamp: { start: 1767229200, stop: 1767229204 } },
            },
          ],
          status: { code, message },
        },
      ]);
    pgbackrest({ info: info(0, "ok") });
    const { backups, archived, missing, stop } = evaluate("repository.contents()") as Record<string, unknown>;
    assert.deepEqual([archived, missing, stop], ["000000010000000000000007", null, "0000000A0000000000000006"]);
    const sizes = { type: "full", timeline: 10, sizeBytes: 1000, storedBytes: 100 };
    assert.deepEqual(backups, [
      {
        ...{ label: "20260101-000000F", ...sizes, damaged: false },
        ...{ startedAt: "2026-01-01T00:00:00Z", stoppedAt: "2026-01-01T00:00:04Z" },
      },
      // pgBackRest made it, and says that pages in it have an invalid checksum.
      {
        ...{ label: "20260101-010000F", ...sizes, damaged: true },
        ...{ startedAt: "2026-01-01T01:00:00Z", stoppedAt: "2026-01-01T01:00:04Z" },
      },
    ]);
    pgbackrest({ info: info(3, "missing stanza data") });
    assert.equal((evaluate("repository.contents()") as Record<string, unknown>)["missing"], "missing stanza data");
    const repo = [{ key: 1, status: { code: 99, message: "unable to load info file\nHINT: look" } }];
    const [stanza] = JSON.parse(info(99, "other")) as [object];
    pgbackrest({ info: JSON.stringify([{ ...stanza, repo }]) });
    assert.throws(() => evaluate("repository.contents()"), /RepositoryError: unable to load info file$/m);
    pgbackrest({});
    assert.throws(() => evaluate("repository.contents()"), /RepositoryError: nothing like/);
  });

  it("knows whose backups they are: those of another database are looked at, and nothing is added", () => {
    const id = "7710949406165626916";
    // Larger than what JavaScript counts to.
    const db = `[{"id":1,"system-id":${id}}]`;
    pgbackrest({ info: `[{"archive":[],"backup":[],"db":${db},"status":{"code":2,"message":"no valid backups"}}]` });
    const found = evaluate("repository.contents()") as Record<string, unknown>;
    assert.equal(found["systemId"], id, "every digit");
    const other = evaluate(`repository.of_another(${python(found)}, "7710950190705442852")`) as string;
    assert.match(
      other,
      /^it has the backups of another database \(system identifier 7710949406165626916, this one's is 7710950190705442852\)/,
    );
    assert.match(other, /npm run restore -- --to latest --from-repository/);
    assert.equal(evaluate(`repository.of_another(${python(found)}, "7710949406165626916")`), null);
    assert.equal(evaluate(`repository.of_another({"systemId": None}, "1")`), null, "nobody's yet");
  });

  it("says in one sentence what an object storage answered, and that a passphrase does not fit, whatever bytes come out", () => {
    const answer = "<?xml version='1.0'?>\n<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>";
    const http = `HTTP request failed with 404 (Not Found):\n*** Path/Query ***:\nGET /b/\n*** Response Content ***:\n${answer}`;
    const info = (cipher: string, message: string): string =>
      JSON.stringify([{ cipher, repo: [{ status: { code: 99, message } }], status: { code: 99, message: "other" } }]);
    const problem = (cipher: string, message: string): string => {
      pgbackrest({ info: info(cipher, message) });
      try {
        return JSON.stringify(evaluate("repository.contents()"));
      } catch (error) {
        return /RepositoryError: (.*)$/m.exec((error as Error).message)?.[1] ?? "";
      }
    };
    const sentence = "HTTP request failed with 404 (Not Found): NoSuchBucket, The specified bucket does not exist";
    assert.equal(problem("aes-256-cbc", `[ProtocolError] ${http}`), sentence);
    assert.equal(evaluate(`repository.reason_of(${JSON.stringify(`2026 P00  ERROR: [039]: ${http}`)})`), sentence);
    const refused = "P00  ERROR: [103]: unable to find a valid repository:\n        repo1: [ArchiveMismatchError] no match\n    HINT: x";
    assert.equal(
      evaluate(`repository.reason_of(${JSON.stringify(refused)})`),
      "unable to find a valid repository: repo1: [ArchiveMismatchError] no match",
    );
    const garbage =
      "[FormatError] unable to load info file '/a' or '/b':\nFormatError: key/value found outside of section at line 1: ~m\u0001";
    assert.match(problem("aes-256-cbc", garbage), /^it cannot be decrypted: this stack's passphrase \(backupPassphrase\) is not/);
    assert.match(problem("none", garbage), /^unable to load info file/, "nothing was encrypted");
    assert.match(
      problem("aes-256-cbc", "[FileMissingError] unable to load info file '/a':\nFileMissingError: x"),
      /^unable to load info file/,
    );
  });

  it("back in a repository of before makes a backup at once: the log of the time between is elsewhere", () => {
    const segment = `17-1/${"0".repeat(24)}-${"a".repeat(40)}.zst`;
    pgbackrest({ "repo-ls archive/postgres": JSON.stringify({ [segment]: { type: "file", time: 1767225600 } }) });
    const verified = { at: "2026-01-01T00:00:00Z", ok: true, message: null };
    const settled = (place: string | null, backups: readonly object[]): unknown =>
      evaluate(
        `[setattr(repository, "place", lambda: "here"), w := backups.Watch({}, None), w.state.update(${python({ place, verified })}), w.settle_in(${python(backups)}), w.state][-1]`,
      );
    const known = { failure: null, verified, gap: null, place: "here", emptySince: null };
    assert.deepEqual([settled(null, [{}]), settled("here", [{}])], [known, known]);
    assert.deepEqual(settled("elsewhere", [{}]), { ...known, verified: null, gap: "2026-01-01T00:00:00Z" });
    assert.deepEqual(settled("elsewhere", []), { ...known, verified: null }, "the first backup is made anyway");
  });

  it("tells a restore from a change of the primary by what Postgres noted", () => {
    const files = Object.fromEntries(
      ["00000002", "0000000A"].map((name, index) => [`17-1/${name}.history`, { type: "file", time: 1767225600 + index }]),
    );
    pgbackrest({
      "repo-ls archive/postgres": JSON.stringify(files),
      "repo-get archive/postgres/17-1/00000002.history": "1\t0/5000000\tno recovery target specified\n",
      "repo-get archive/postgres/17-1/0000000A.history":
        "1\t0/5000000\tno recovery target specified\n\n2\t0/7000000\tbefore 2025-12-31 23:30:00.5+00\n",
    });
    assert.deepEqual(evaluate("repository.forks()"), [
      { timeline: 2, parent: 1, at: "2026-01-01T00:00:00Z", to: null },
      { timeline: 10, parent: 2, at: "2026-01-01T00:00:01Z", to: "2025-12-31T23:30:00.5Z" },
    ]);
  });

  it("as long as the newest backup has damaged pages, the next one deletes none", () => {
    const expiry = (...damaged: readonly boolean[]): unknown =>
      evaluate(`repository.expiry(${python(damaged.map((one) => ({ damaged: one })))})`);
    assert.deepEqual([expiry(), expiry(false), expiry(true, false)], [[], [], []]);
    assert.deepEqual(expiry(false, true), ["--no-expire-auto"]);
  });

  it("finds the whole backup that can be restored instead of a damaged one: the last before it, with all the log in between", () => {
    const instead = (numbers: readonly number[], timeline = 1): unknown => {
      const labels = ["A", "B", "C", "D"];
      const found = {
        backups: labels.map((label) => ({ label, damaged: label === "C" || label === "D" })),
        stops: { A: segment(1, 3), B: segment(1, 254), C: segment(timeline, 257), D: segment(1, 259) },
      };
      const files = Object.fromEntries(
        numbers.map((number) => [`17-1/${segment(number > 255 ? timeline : 1, number)}-${"a".repeat(40)}.zst`, { type: "file", time: 1 }]),
      );
      pgbackrest({ "repo-ls archive/postgres": JSON.stringify(files) });
      return evaluate(
        `[found := ${python(found)}, repository.replace_damaged(found), [one.get("instead", "") for one in found["backups"]]][-1]`,
      );
    };
    assert.deepEqual(instead([254, 255, 256, 257, 258, 259]), ["", "", "B", "B"]);
    assert.deepEqual(instead([254, 255, 256, 257, 258, 259], 2), ["", "", "B", "B"], "across a change of the primary");
    assert.deepEqual(instead([254, 255, 256, 257, 259]), ["", "", "B", null], "replay would end at the hole");
    assert.deepEqual(instead([255, 256, 257, 258, 259]), ["", "", null, null]);
    pgbackrest({});
    assert.equal(evaluate(`repository.replace_damaged({"backups": [{"label": "A", "damaged": False}]})`), null, "nothing is looked for");
  });

  it("npm run backup fails when the pages of what it has made are damaged, whatever pgBackRest's exit code", () => {
    const archive = { start: segment(1, 7), stop: segment(1, 7) };
    const made = (label: string, error: boolean) => ({
      ...{
        label,
        type: "full",
        error,
        archive,
        info: { size: 1, repository: { delta: 1 } },
        timestamp: { start: 1767225600, stop: 1767225604 },
      },
    });
    const outcome = (backup: readonly object[], exitCode = 0): unknown => {
      const said = exitCode === 0 ? "P00   INFO: new backup label = 20260101-010000F" : "P00  ERROR: [082]: no space";
      const info = JSON.stringify([{ archive: [], backup, status: { code: 0, message: "ok" } }]);
      const end = `"backup") echo "${said}"; echo "$*" > ${programs.directory}/words; exit ${exitCode};;`;
      programs.program("pgbackrest", `case "$*" in\n  *${end}\n  *"info") cat <<'END'\n${info}\nEND\n  ;;\nesac`);
      const fakes = `setattr(node, "is_primary", lambda: True), setattr(repository, "superuser_environment", lambda: None)`;
      const printed = `setattr(backups.sys.modules["backup_jobs"], "print", lambda text, **more: "file" in more or said.append(text))`;
      return evaluate(`[${fakes}, ${printed}, backups.backup("full"), said][-2:]`, "said = []");
    };
    assert.deepEqual(outcome([made("20260101-000000F", true), made("20260101-010000F", false)]), [0, []]);
    assert.deepEqual(outcome([made("20260101-000000F", false), made("20260101-010000F", true)]), [
      1,
      ["backup 20260101-010000F has pages with an invalid checksum: files of the database itself are damaged"],
    ]);
    assert.match(readFileSync(`${programs.directory}/words`, "utf8"), /--no-expire-auto/, "the last one was damaged, too");
    assert.deepEqual(outcome([made("20260101-000000F", false)], 82), [1, ["no space"]]);
  });

  it("finds damage in what verify says, whose exit code is 0 also then", () => {
    const problem = (text: string): unknown => evaluate(`backups.damage(${JSON.stringify(text)})`);
    const counts = (invalid: number): string => `    missing: 0, checksum invalid: ${invalid}, size invalid: 0, other: 0`;
    const text = (status: string, invalid: number): string =>
      `stanza: postgres\nstatus: ${status}\n  archiveId: 17-1, total WAL checked: 5, total valid WAL: 5\n${counts(0)}\n  backup: X, status: valid, total files checked: 9\n${counts(invalid)}\n`;
    assert.equal(problem(text("ok", 0)), null);
    assert.match(String(problem(text("error", 2))), /checksum invalid: 2/);
    const verified = (answer: string, exitCode: number): unknown => {
      programs.program("pgbackrest", `cat <<'END'\n${answer}\nEND\nexit ${exitCode}`);
      const printed = `setattr(backups.sys.modules["backup_jobs"], "print", lambda text, **more: "file" in more or said.append(text))`;
      return evaluate(`[${printed}, backups.verify(), said][-2:]`, "said = []");
    };
    assert.deepEqual(verified(text("ok", 0), 0), [0, []]);
    assert.deepEqual((verified(text("error", 2), 0) as unknown[])[0], 3, "damage");
    assert.deepEqual(verified("ERROR: [055]: unable to open", 55), [1, ["unable to open"]], "which was not looked for");
  });
});
