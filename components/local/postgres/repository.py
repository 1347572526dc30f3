"""What is in the repository of pgBackRest, and how it is asked; used by backups.py and restore.py."""

import json
import os
import re
import subprocess
from datetime import datetime, timezone

DATA = os.environ.get("PGDATA", "/var/lib/postgresql/data/node")
SOCKETS = "/var/run/postgresql"
STANZA = "postgres"

# Of pgBackRest's exit codes: another process of it works on the same.
LOCKED = 50

# Of `info`: what a stanza may be beside 0, all is well.
MISSING = (1, 3)
NO_BACKUP = 2

HISTORY = re.compile(r"(?:^|/)([0-9A-F]{8})\.history$")
SEGMENT = re.compile(r"(?:^|/)([0-9A-F]{24})(?:-[0-9a-f]{40}(?:\.\w+)?)?$")


class RepositoryError(Exception):
    """Told in one sentence."""


def iso(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def superuser_environment():
    """For programs that log in to this node's server, as entrypoint.sh does it for people."""
    file = os.environ.get("POSTGRES_PASSWORD_FILE")
    if file:
        with open(file, encoding="utf-8") as password:
            secret = password.read()
    else:
        secret = os.environ["POSTGRES_PASSWORD"]
    return {**os.environ, "PGPASSWORD": secret, "PGHOST": SOCKETS, "PGUSER": "postgres", "PGDATABASE": "postgres"}


def command(*words):
    return ["pgbackrest", f"--stanza={STANZA}", *words]


def reason_of(text):
    """The first of pgBackRest's complaints, in one line; or the last thing that was said."""
    errors = re.findall(r"ERROR: \[\d+\]: (.*)", text)
    lines = [line.strip() for line in text.strip().splitlines()]
    return (errors or lines[-1:] or ["no reason given"])[0][:300]


def ask(*words, timeout=60):
    """Standard output of a command of pgBackRest that only reads. Its end is waited for so many seconds."""
    try:
        # What it complains of comes in the same stream as what it says: warnings would spoil JSON.
        result = subprocess.run(command("--log-level-console=off", "--log-level-stderr=error", *words), capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise RepositoryError(f"pgbackrest {words[-1]} did not end within {timeout} s") from error
    if result.returncode != 0:
        raise RepositoryError(reason_of(result.stderr or result.stdout))
    return result.stdout


def contents():
    """Backups as pgBackRest has them, oldest first, and whether the stanza is there. @raises RepositoryError when it cannot be read."""
    stanzas = json.loads(ask("--output=json", "info"))
    stanza = stanzas[0] if stanzas else {"status": {"code": 1, "message": "missing stanza"}}
    status = stanza["status"]
    if status["code"] in MISSING:
        return {"missing": status["message"], "backups": [], "archived": None}
    if status["code"] not in (0, NO_BACKUP):
        told = [repo["status"]["message"] for repo in stanza.get("repo", []) if repo["status"]["code"] != 0]
        raise RepositoryError((told or [status["message"]])[0].splitlines()[0][:300])
    backups = [describe(backup) for backup in stanza.get("backup", []) if not backup.get("error")]
    archives = [archive["max"] for archive in stanza.get("archive", []) if archive.get("max")]
    return {"missing": None, "backups": backups, "archived": archives[-1] if archives else None}


def describe(backup):
    return {
        "label": backup["label"],
        "type": backup["type"],
        "startedAt": iso(backup["timestamp"]["start"]),
        "stoppedAt": iso(backup["timestamp"]["stop"]),
        "timeline": int(backup["archive"]["start"][:8], 16),
        "sizeBytes": backup["info"]["size"],
        "storedBytes": backup["info"]["repository"]["delta"],
    }


def archived_files(pattern):
    """Files of the archive by path, with the time they were written, in seconds."""
    listed = json.loads(ask("--output=json", "--recurse", f"--filter={pattern}", "repo-ls", f"archive/{STANZA}"))
    return {path: file["time"] for path, file in listed.items() if file["type"] == "file"}


def archived_segments():
    """Names of the segments that are in the archive."""
    return {found.group(1) for path in archived_files("[0-9A-F]{24}") if (found := SEGMENT.search(path))}


def forks():
    """
    Timelines by number: the one before it, when it began, and the moment it goes back to where it began with a restore. Postgres itself
    notes why it began: "before 2026-01-31 12:00:00+00", or "no recovery target specified" when a standby was promoted.
    """
    found = []
    for path, seconds in sorted(archived_files(r"\.history$").items()):
        number = HISTORY.search(path)
        if number is None:
            continue
        lines = [line for line in ask("repo-get", f"archive/{STANZA}/{path}").splitlines() if line.strip()]
        parent, _, reason = lines[-1].split("\t", 2)
        moment = re.match(r"(?:before|after) (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?)\+00\b", reason)
        to = None if moment is None else moment.group(1).replace(" ", "T") + "Z"
        found.append({"timeline": int(number.group(1), 16), "parent": int(parent), "at": iso(seconds), "to": to})
    return found
