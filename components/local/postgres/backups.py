"""Looks after the backups of the cluster; see entrypoint.sh.

watch        For as long as the node runs: while it is primary, makes what is due and tells in etcd how things are. A failover changes
             nothing: the next primary goes on by what is in the repository, and archives what the one before left behind.
create       Makes the repository, from what is on the disk: called before the first primary serves, so that its log finds a place.
backup TYPE  One backup now, `full` or `incr`; waits for one that is under way. Progress on standard error.
verify       Reads the whole repository and compares its checksums.
info         What there is to restore, as one line of JSON. Needs no server.
"""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error

import node
import repository
from backup_jobs import Job, backup, log, verification_problem, verify
from cluster_state import Etcd
from repository import LOCKED, RepositoryError, closed, iso, seconds_of

SCHEDULE = os.environ.get("BACKUP_SCHEDULE", "/etc/pgbackrest/schedule.json")

# Between two looks, and for how long a new cluster is left alone before its first backup: it is being filled.
LOOK_SECONDS = 10
FIRST_BACKUP_SECONDS = 120

# After a backup that failed.
RETRY_SECONDS = 300

# An archive_command that fails is called again after a minute at the latest.
ARCHIVER_SECONDS = 90

# The timeline it writes now: after a promotion that of the last checkpoint is the one before for a while.
QUERY = """SELECT json_build_object(
  'archivedWal', last_archived_wal, 'archivedAt', extract(epoch FROM last_archived_time),
  'failedAt', extract(epoch FROM last_failed_time), 'failures', failed_count,
  'waiting', (SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'),
  'timeline', ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int)
FROM pg_stat_archiver"""


def due(schedule, backups, now, gap=None):
    """
    Which backup is to be made now, if any. @param gap when log was lost: nothing after that can be restored but from a newer backup.
    """
    fulls = [seconds_of(backup["stoppedAt"]) for backup in backups if backup["type"] == "full"]
    if not fulls or now - max(fulls) >= schedule["fullEveryDays"] * 86400:
        return "full"
    newest = max(seconds_of(backup["stoppedAt"]) for backup in backups)
    return "incr" if now - newest >= schedule["everyHours"] * 3600 or (gap is not None and not closed(gap, backups)) else None


def leftovers(done, archived, timeline):
    """
    Segments a standby received that its dead primary did not archive: those after the last one archived, on timelines before its own. Names
    are in order: timeline, then number.
    """
    found = []
    for name in sorted(done):
        if int(name[:8], 16) >= timeline:
            continue
        before = [other[8:] for other in archived if other[:8] <= name[:8]]
        if before and name[8:] > max(before):
            found.append(name)
    return found


def archiver():
    """What the server says of its archive, and its timeline."""
    words = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--command", QUERY]
    result = subprocess.run(words, capture_output=True, text=True, timeout=30, env=repository.superuser_environment())
    if result.returncode != 0:
        raise RepositoryError(f"the server does not answer: {result.stderr.strip()[:200]}")
    return json.loads(result.stdout)


class Watch:
    """What a primary does for the backups. All of it is found again by the next one."""

    def __init__(self, schedule, etcd):
        self.schedule, self.etcd = schedule, etcd
        self.primary_since = None
        self.job = None
        self.state = {"failure": None, "verified": None, "gap": None, "place": None, "emptySince": None}
        self.forks, self.failing_since = [], None

    def step(self):
        if not node.is_primary():
            self.primary_since = None
            return
        if self.primary_since is None:
            self.state |= {key: value for key, value in self.etcd.read().items() if key in self.state}
            self.primary_since, self.forks, self.failing_since = time.time(), [], None
            self.inherit()
        self.look()

    def inherit(self):
        """Archives what the primary before this one had no time to."""
        directory = os.path.join(repository.DATA, "pg_wal")
        done = [name[:-5] for name in os.listdir(os.path.join(directory, "archive_status")) if re.fullmatch(r"[0-9A-F]{24}\.done", name)]
        present = [name for name in done if os.path.exists(os.path.join(directory, name))]
        try:
            found = repository.contents()
            if not found["backups"] or repository.of_another(found, repository.system_id()) is not None:
                return
            for name in leftovers(present, repository.archived_segments(), archiver()["timeline"]):
                repository.ask("archive-push", os.path.join(directory, name))
                log(f"archived {name}, which the primary before had not")
        except RepositoryError as error:
            self.failed("archive of the primary before", str(error))

    def look(self):
        now = time.time()
        server = archiver()
        problem, found = None, {"backups": [], "archived": None, "missing": None}
        try:
            found = repository.contents()
            if found["missing"] is not None:
                repository.ask("--no-online", "stanza-create")
                log("the repository was made")
                found = repository.contents()
            problem = repository.of_another(found, repository.system_id())
            if problem is not None:
                found |= {"backups": [], "archived": None}
            else:
                self.settle_in(found["backups"])
                self.count_in(found["backups"], now)
                if server["timeline"] > max((fork["timeline"] for fork in self.forks), default=1):
                    self.forks = repository.forks()
        except RepositoryError as error:
            problem = str(error)
        self.watch_archive(server, found["archived"], now, problem)
        self.work(found["backups"], now, problem)
        self.tell(server, found["backups"], problem)

    def settle_in(self, backups):
        """
        In another repository than before, nothing is true that was found out about that one. When it has been used before, the log of the
        time between is elsewhere: what is archived now follows on nothing, and "latest" would silently end at the hole.
        """
        here = repository.place()
        if self.state["place"] not in (None, here):
            self.state |= {"failure": None, "verified": None, "gap": repository.last_written() if backups else None}
            log("the repository is another one than before")
        self.state["place"] = here

    def count_in(self, backups, now):
        """What the backups that are there say: an operator makes some, too."""
        self.state["emptySince"] = None if backups else (self.state["emptySince"] or iso(now))
        if self.state["gap"] is not None and closed(self.state["gap"], backups):
            self.state["gap"] = None

    def watch_archive(self, server, archived, now, problem):
        failing = (server["failedAt"] or 0) > (server["archivedAt"] or 0)
        self.failing_since = (self.failing_since or now) if failing else None
        segment = server["archivedWal"] or ""
        # Postgres was told that it is archived, so that the disk of the log does not get full; it is not.
        if problem is None and repository.SEGMENT.fullmatch(segment) and segment > (archived or "") and self.state["gap"] is None:
            self.state["gap"] = iso(server["archivedAt"])
            log(f"the log of {segment} is lost to the archive: the repository took nothing for too long")

    def work(self, backups, now, problem):
        if self.job is not None:
            self.settle(self.job.ended())
            return
        if problem is not None:
            return
        failure = self.state["failure"]
        if failure is not None and now - seconds_of(failure["at"]) < RETRY_SECONDS:
            return
        kind = due(self.schedule, backups, now, self.state["gap"])
        if kind is not None and (backups or now - self.primary_since >= FIRST_BACKUP_SECONDS):
            self.job = Job(f"{kind} backup", f"--type={kind}", "backup")
        elif backups and self.unverified(backups):
            self.job = Job("verification", "--output=text", "verify")

    def unverified(self, backups):
        fulls = [backup["stoppedAt"] for backup in backups if backup["type"] == "full"]
        return self.state["verified"] is None or (fulls and fulls[-1] > self.state["verified"]["at"])

    def settle(self, ended):
        if ended is None:
            return
        (code, text), job, self.job = ended, self.job, None
        if job.what == "verification":
            problem = verification_problem(code, text)
            self.state["verified"] = {"at": iso(time.time()), "ok": problem is None, "message": problem}
            log(f"verification: {problem or 'every file is what it was'}")
        elif code == 0:
            log(f"{job.what} done after {time.time() - job.started:.0f} s")
            self.state["failure"] = None
        elif code != LOCKED:
            self.failed(job.what, repository.reason_of(text))

    def failed(self, what, message):
        log(f"{what}: {message}")
        self.state["failure"] = {"at": iso(time.time()), "what": what, "message": message}

    def tell(self, server, backups, problem):
        failing = self.failing_since is not None and time.time() - self.failing_since >= ARCHIVER_SECONDS
        self.etcd.write({
            "at": iso(time.time()),
            "node": os.environ["PATRONI_NAME"],
            **self.schedule,
            "repository": problem,
            "backups": backups,
            "restores": self.forks,
            "archive": {
                "archivedAt": server["archivedAt"] and iso(server["archivedAt"]),
                "failing": failing,
                "failures": server["failures"],
                "waiting": server["waiting"],
            },
            "running": self.job.what if self.job is not None else None,
            **self.state,
        })


def schedule_of(path=SCHEDULE):
    """None where no backups are wanted."""
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def create():
    try:
        if schedule_of() is not None:
            repository.ask("--no-online", "stanza-create")
    except RepositoryError as error:
        # The database is made nevertheless; the watch tries again, and tells.
        log(f"the repository was not made: {error}")


def watch():
    schedule, etcd = schedule_of(), Etcd()
    if schedule is None:
        try:
            etcd.remove()
        except OSError as error:
            log(str(error))
            return 1
        return 0
    watcher, told = Watch(schedule, etcd), None
    # Whoever waits for an answer goes first.
    os.nice(10)
    while True:
        try:
            watcher.step()
            told = None
        except (OSError, RepositoryError, subprocess.TimeoutExpired, urllib.error.URLError, ValueError) as error:
            # A node that starts or stops, or an etcd that is away: looked at again soon. What lasts is seen by the age of the state.
            if str(error) != told:
                told = str(error)
                log(told)
        time.sleep(LOOK_SECONDS)


def own_system_id():
    """This stack's database: where no data can be read here, which is when a restore is wanted, the one that its cluster was. None: it had none."""
    try:
        return repository.system_id()
    except RepositoryError:
        return Etcd().system_id()


def info():
    try:
        found = repository.contents()
        restores = [] if found["missing"] is not None else repository.forks()
        foreign = repository.of_another(found, own_system_id()) is not None
        written = repository.last_written() if foreign else None
        state = {"repository": found["missing"], "backups": found["backups"], "restores": restores, "foreign": foreign, "writtenAt": written}
        try:
            # What is in etcd is of this stack's database.
            state["gap"] = repository.lost(found, None if foreign else Etcd().read().get("gap"))
        except OSError as error:
            # Left out: it is not known. What there is to restore is known nevertheless.
            log(f"whether log is missing in the archive is not known: {error}")
    except (OSError, RepositoryError) as error:
        state = {"repository": str(error), "backups": [], "restores": []}
    print(json.dumps(state), flush=True)
    return 0


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    sys.exit({"watch": watch, "create": create, "backup": backup, "verify": verify, "info": info}[name](*arguments) or 0)
