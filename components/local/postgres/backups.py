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
import subprocess
import sys
import time
import urllib.error

import log_archive
import node
import repository
from backup_jobs import Job, backup, damage, log, verify
from cluster_state import Etcd
from repository import LOCKED, RepositoryError, closed, iso, seconds_of

SCHEDULE = os.environ.get("BACKUP_SCHEDULE", "/etc/pgbackrest/schedule.json")

# Between two looks, and for how long a new cluster is left alone before its first backup: it is being filled.
LOOK_SECONDS = 10
FIRST_BACKUP_SECONDS = 120

# After a backup that failed, or anything else that takes its time.
RETRY_SECONDS = 300

# What is told of as having failed, beside backups.
VERIFICATION = "verification"
INHERITANCE = "archive of the primary before"

# An archive_command that fails is called again after a minute at the latest.
ARCHIVER_SECONDS = 90


def due(schedule, backups, now, gap=None):
    """
    Which backup is to be made now, if any. @param gap when log was lost: nothing after that can be restored but from a newer backup.
    One with damaged pages counts: the next one would have them, too.
    """
    fulls = [seconds_of(backup["stoppedAt"]) for backup in backups if backup["type"] == "full"]
    if not fulls or now - max(fulls) >= schedule["fullEveryDays"] * 86400:
        return "full"
    newest = max(seconds_of(backup["stoppedAt"]) for backup in backups)
    return "incr" if now - newest >= schedule["everyHours"] * 3600 or (gap is not None and not closed(gap, backups)) else None


class Watch:
    """What a primary does for the backups. All of it is found again by the next one."""

    def __init__(self, schedule, etcd):
        self.schedule, self.etcd = schedule, etcd
        self.primary_since = None
        self.job = None
        self.state = {"failure": None, "verified": None, "gap": None, "place": None, "emptySince": None}
        self.forks, self.failing_since = [], None
        # What the primary before did not archive, and what got lost while nobody could look, is looked for once. When, at the earliest:
        self.uninherited, self.unchecked, self.inherit_at = False, False, 0

    def step(self):
        if not node.is_primary():
            self.primary_since = None
            if self.job is not None:
                # It cannot end well here any more, and its failure would be nobody's.
                self.job.end()
                self.job = None
            return
        if self.primary_since is None:
            self.state |= {key: value for key, value in self.etcd.read().items() if key in self.state}
            self.primary_since, self.forks, self.failing_since = time.time(), [], None
            self.uninherited, self.unchecked, self.inherit_at = True, True, 0
        self.look()

    def look(self):
        now = time.time()
        server = log_archive.archiver()
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
        if problem is None:
            self.inherit(server["timeline"], found["backups"], now)
            problem = self.check(server, found)
        else:
            # Meanwhile the log may be dropped, and what waits be archived before anybody looks again.
            self.unchecked = True
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
        failure = self.state["failure"]
        if failure is not None and failure["what"].endswith("backup") and closed(failure["at"], backups):
            self.state["failure"] = None

    def watch_archive(self, server, archived, now, problem):
        failing = (server["failedAt"] or 0) > (server["archivedAt"] or 0)
        self.failing_since = (self.failing_since or now) if failing else None
        segment = server["archivedWal"] or ""
        # Postgres was told that it is archived, so that the disk of the log does not get full; it is not.
        if problem is None and repository.SEGMENT.fullmatch(segment) and segment > (archived or "") and self.state["gap"] is None:
            self.state["gap"] = iso(server["archivedAt"])
            log(f"the log of {segment} is lost to the archive: the repository took nothing for too long")
        if failing:
            self.unchecked = True

    def inherit(self, timeline, backups, now):
        """Archives what the primary before this one had no time to, as soon as the repository takes it. Without a backup nobody needs it."""
        if not self.uninherited or now < self.inherit_at:
            return
        try:
            if backups:
                log_archive.inherit(timeline)
        except (OSError, RepositoryError) as error:
            self.inherit_at = now + RETRY_SECONDS
            self.failed(INHERITANCE, str(error))
            return
        self.uninherited = False
        self.succeeded(INHERITANCE)

    def check(self, server, found):
        """
        Looks in the archive for log that was lost unseen: by the primary before, or while the repository could not be used. Not before the
        first segment of this server's own timeline is there: until then the ends of those before may still be under way. Returns why it
        could not look, if so.
        """
        last = (server["archivedWal"] or "")[:24]
        own = repository.SEGMENT.fullmatch(last) is not None and int(last[:8], 16) == server["timeline"]
        if not self.unchecked or self.failing_since is not None or not own:
            return None
        try:
            gap = repository.lost(found, self.state["gap"])
        except RepositoryError as error:
            return str(error)
        self.unchecked = False
        if gap is not None and self.state["gap"] is None:
            # The repository has a clock of its own: the newest backup must not pass for one that makes up for it.
            self.state["gap"] = max(gap, found["backups"][-1]["stoppedAt"])
            log(f"log is missing in the archive from {self.state['gap']} on")
        return None

    def work(self, backups, now, problem):
        if self.job is not None:
            self.settle(self.job.ended())
            return
        if problem is not None:
            return
        failure = self.state["failure"]
        if failure is not None and failure["what"] != INHERITANCE and now - seconds_of(failure["at"]) < RETRY_SECONDS:
            return
        kind = due(self.schedule, backups, now, self.state["gap"])
        if kind is not None and (backups or now - self.primary_since >= FIRST_BACKUP_SECONDS):
            self.job = Job(f"{kind} backup", f"--type={kind}", *repository.expiry(backups), "backup")
        elif backups and self.unverified(backups):
            self.job = Job(VERIFICATION, "--output=text", "verify")

    def unverified(self, backups):
        fulls = [backup["stoppedAt"] for backup in backups if backup["type"] == "full"]
        return self.state["verified"] is None or (fulls and fulls[-1] > self.state["verified"]["at"])

    def settle(self, ended):
        if ended is None:
            return
        (code, text), job, self.job = ended, self.job, None
        if code != 0:
            # One that did not come to its end says nothing about the repository.
            if code != LOCKED:
                self.failed(job.what, repository.reason_of(text))
            return
        self.succeeded(job.what)
        if job.what == VERIFICATION:
            problem = damage(text)
            self.state["verified"] = {"at": iso(time.time()), "ok": problem is None, "message": problem}
            log(f"verification: {problem or 'every file is what it was'}")
        else:
            log(f"{job.what} done after {time.time() - job.started:.0f} s")

    def failed(self, what, message):
        log(f"{what}: {message}")
        self.state["failure"] = {"at": iso(time.time()), "what": what, "message": message}

    def succeeded(self, what):
        """Of backups every kind makes up for every other."""
        failure = self.state["failure"]
        if failure is not None and failure["what"].split()[-1] == what.split()[-1]:
            self.state["failure"] = None

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
        repository.replace_damaged(found)
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
