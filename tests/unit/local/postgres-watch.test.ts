import assert from "node:assert/strict";
import { PostgresPrograms, hasPython } from "./postgres-programs";

/** A primary's program for backups among fakes: `look(SECONDS)` lets it look once more, so much later, and tells what it wrote to etcd. */
const WATCH = `
import time
clock = [1767250000.0]
time.time = lambda: clock[0]
backup = lambda hour, **more: {"label": f"{hour:02}F", "type": "full", "startedAt": f"2026-01-01T{hour:02}:00:00Z",
    "stoppedAt": f"2026-01-01T{hour:02}:00:10Z", "timeline": 1, "sizeBytes": 1, "storedBytes": 1, "damaged": False, **more}
segment = lambda timeline, number: f"{timeline:08X}{0:08X}{number:08X}"
class Etcd:
    state = {}
    def read(self): return dict(self.state)
    def write(self, state): self.state = json.loads(json.dumps(state))
class Job:
    ends, made, stopped = [], [], 0
    def __init__(self, what, *words):
        self.what, self.started = what, clock[0]
        Job.made.append([what, *words])
    def ended(self): return Job.ends.pop(0) if Job.ends else None
    def end(self): Job.stopped += 1
backups.Job = Job
primary = [True]
node.is_primary = lambda: primary[0]
repository.system_id, repository.place, repository.forks = lambda *ignored: "7", lambda: "here", lambda: []
server = {"archivedWal": segment(2, 8), "archivedAt": clock[0], "failedAt": None, "failures": 0, "waiting": 0, "timeline": 2}
log_archive.archiver = lambda: dict(server)
known = {"problem": None, "backups": [backup(6)], "archive": [segment(1, 7), segment(2, 8)]}
def ask():
    if known["problem"]: raise repository.RepositoryError(known["problem"])
def contents():
    ask()
    stops = {one["label"]: segment(1, 7) for one in known["backups"]}
    return {"missing": None, "backups": known["backups"], "archived": max(known["archive"]), "stop": segment(1, 7), "stops": stops, "systemId": "7"}
def archived_segments():
    ask()
    # Archived in order of their numbers, a second after the other.
    return {name: 1767247200 + repository.position(name) for name in known["archive"]}
repository.contents, repository.archived_segments = contents, archived_segments
inherited, refuses = [], [None]
def inherit(timeline):
    if refuses[0]: raise repository.RepositoryError(refuses[0])
    inherited.append(timeline)
log_archive.inherit = inherit
etcd = Etcd()
watch = backups.Watch({"everyHours": 6, "fullEveryDays": 7, "keepDays": 7}, etcd)
watch.state["verified"] = {"at": "2026-01-01T06:05:00Z", "ok": True, "message": None}
etcd.state = {"verified": watch.state["verified"], "place": "here"}
def look(seconds=10):
    clock[0] += seconds
    watch.step()
    return etcd.state
`;

describe("F8 B15 a primary that looks after the backups", function () {
  this.timeout(30_000);
  let programs: PostgresPrograms;

  before(function () {
    if (!hasPython()) this.skip();
  });
  beforeEach(() => (programs = new PostgresPrograms()));
  afterEach(() => programs.remove());

  /** @param script lines after those of {@link WATCH}, which leave something in `seen` */
  const seen = (script: string): unknown => programs.evaluate("seen", `${WATCH}\n${script}`);

  it("all is well: what the primary before left is archived once, and nothing is made", () => {
    assert.deepEqual(seen(`told = [look(), look()]\nseen = [inherited, [one["gap"] for one in told], told[1]["failure"], Job.made]`), [
      [2],
      [null, null],
      null,
      [],
    ]);
  });

  it("log that was dropped while the repository was away is noticed when it is back, although newer log is there by then", () => {
    const [before, away, back, made] = seen(`
before = look()["gap"]
known["problem"] = "unable to connect"
away = look()
# The oldest were dropped, and what waited behind them was archived before anybody looked.
known |= {"problem": None, "archive": [*known["archive"], segment(2, 9), segment(2, 12), segment(2, 13)]}
server |= {"archivedWal": segment(2, 13)}
back = look()["gap"]
seen = [before, [away["repository"], away["gap"]], back, Job.made]
`) as [unknown, unknown, string, string[][]];
    assert.deepEqual([before, away], [null, ["unable to connect", null]]);
    assert.equal(back, "2026-01-01T06:00:10Z", "never before the end of the newest backup, whatever clock the repository has");
    assert.deepEqual(made, [["incr backup", "--type=incr", "backup"]]);
  });

  it("it is looked for as well after the log could not be archived, and only once nothing is under way any more", () => {
    const [failing, back, later] = seen(`
look()
server |= {"failedAt": clock[0], "archivedAt": clock[0] - 1}
known["archive"] = [*known["archive"], segment(2, 10)]
server["archivedWal"] = segment(2, 10)
failing = look()["gap"]
server["archivedAt"] = clock[0] + 5
back = look()["gap"]
known["backups"] = [*known["backups"], backup(7)]
seen = [failing, back, look()["gap"]]
`) as unknown[];
    assert.deepEqual([failing, back, later], [null, "2026-01-01T06:00:10Z", null]);
  });

  it("after a failover what got lost is looked for when log of the new timeline has arrived: before, ends of older ones may be under way", () => {
    const [early, late] = seen(`
known["archive"] = [segment(1, 7), segment(1, 8)]
server |= {"archivedWal": segment(1, 8)}
early = look()["gap"]
server |= {"archivedWal": segment(2, 10)}
known["archive"] = [*known["archive"], segment(2, 10)]
seen = [early, look()["gap"]]
`) as unknown[];
    assert.deepEqual([early, late], [null, "2026-01-01T06:00:10Z"]);
  });

  it("a repository that cannot be looked through is told of, and looked through later", () => {
    const [told, later] = seen(`
real = repository.archived_segments
def broken(): raise repository.RepositoryError("no listing")
repository.archived_segments = broken
told = look()
repository.archived_segments = real
known["archive"] = [*known["archive"], segment(2, 11)]
server["archivedWal"] = segment(2, 11)
seen = [[told["repository"], told["gap"]], look()["gap"]]
`) as unknown[];
    assert.deepEqual([told, later], [["no listing", null], "2026-01-01T06:00:10Z"]);
  });

  it("after a failover while the repository is away, what the dead primary left is archived when it is back", () => {
    const [away, refused, again, done] = seen(`
known["problem"] = "unable to connect"
away = [look()["repository"], list(inherited)]
known["problem"], refuses[0] = None, "it takes nothing"
refused = look()["failure"]
look()
refuses[0] = None
again = [look()["failure"]["what"], list(inherited)]
done = [look(300)["failure"], list(inherited)]
seen = [away, [refused["what"], refused["message"]], again, done]
`) as unknown[];
    assert.deepEqual(away, ["unable to connect", []]);
    assert.deepEqual(refused, ["archive of the primary before", "it takes nothing"]);
    assert.deepEqual(again, ["archive of the primary before", []], "not every ten seconds");
    assert.deepEqual(done, [null, [2]], "and what had failed is over");
  });

  it("that it fails keeps no backup from being made", () => {
    const made = seen(`
known["backups"], refuses[0] = [backup(0)], "it takes nothing"
look()
seen = Job.made
`);
    assert.deepEqual(made, [["incr backup", "--type=incr", "backup"]]);
  });

  it("a failure is over with a backup that began later, whoever made it", () => {
    const failures = seen(`
failure = {"at": "2026-01-01T06:30:00Z", "what": "full backup", "message": "no space"}
etcd.state["failure"] = failure
told = [look()["failure"]]
known["backups"] = [*known["backups"], backup(7)]
told.append(look()["failure"])
watch.state["failure"] = {**failure, "what": "verification"}
told.append(look()["failure"])
seen = [one and one["what"] for one in told]
`);
    assert.deepEqual(failures, ["full backup", null, "verification"], "of a verification a backup says nothing");
  });

  it("a node that is no primary any more ends what it had begun, and its end is nobody's failure", () => {
    const [stopped, failure] = seen(`
known["backups"] = [backup(0)]
look()
primary[0] = False
look()
primary[0] = True
Job.ends = [(82, "ERROR: [082]: terminated")]
known["backups"] = [backup(6)]
seen = [Job.stopped, look()["failure"]]
`) as unknown[];
    assert.deepEqual([stopped, failure], [1, null]);
  });

  it("a verification that did not come to its end is no damage, and is tried again five minutes later", () => {
    const [failed, made, done] = seen(`
etcd.state["verified"] = None
look()
Job.ends = [(55, "P00  ERROR: [055]: unable to open")]
failed = look()
look()
made = [len(Job.made)]
look(300)
made.append(len(Job.made))
Job.ends = [(0, "status: ok")]
done = look()
seen = [[failed["verified"], failed["failure"]["what"], failed["failure"]["message"]], made, [done["verified"]["ok"], done["failure"]]]
`) as unknown[];
    assert.deepEqual(failed, [null, "verification", "unable to open"]);
    assert.deepEqual(
      [made, done],
      [
        [1, 2],
        [true, null],
      ],
    );
  });

  it("what it reads is damage: the repository is told to be", () => {
    const verified = seen(`
etcd.state["verified"] = None
look()
Job.ends = [(0, "status: error\\n  backup: X\\n    missing: 0, checksum invalid: 1, size invalid: 0, other: 0")]
seen = look()
`) as { verified: { ok: boolean; message: string }; failure: unknown };
    assert.deepEqual([verified.verified.ok, verified.failure], [false, null]);
    assert.match(verified.verified.message, /checksum invalid: 1/);
  });

  it("a backup with damaged pages is one: it is not made again and again, and until one is whole nothing is deleted", () => {
    const [made, later] = seen(`
known["backups"] = [backup(1), backup(6, damaged=True)]
look()
made = list(Job.made)
look(7 * 3600)
seen = [made, Job.made]
`) as unknown[];
    assert.deepEqual([made, later], [[], [["incr backup", "--type=incr", "--no-expire-auto", "backup"]]]);
  });
});
