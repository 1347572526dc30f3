"""What is in the repository of pgBackRest, and how it is asked; used by backups.py and restore.py."""

import json
import os
import re
import subprocess
from datetime import datetime, timezone

DATA = os.environ.get("PGDATA", "/var/lib/postgresql/data/node")
SOCKETS = "/var/run/postgresql"
STANZA = "postgres"
CONFIG = "/etc/pgbackrest/pgbackrest.conf"

# Of pgBackRest's exit codes: another process of it works on the same.
LOCKED = 50

# Of one connection, after which it is tried again, nine times in all; what only looks has to end within a minute.
IO_SECONDS = 5

# Of `info`: what a stanza may be beside 0, all is well.
MISSING = (1, 3)
NO_BACKUP = 2

HISTORY = re.compile(r"(?:^|/)([0-9A-F]{8})\.history$")
SEGMENT = re.compile(r"(?:^|/)([0-9A-F]{24})(?:-[0-9a-f]{40}(?:\.\w+)?)?$")


class RepositoryError(Exception):
    """Told in one sentence."""


def iso(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def seconds_of(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


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
    errors = re.findall(r"ERROR: \[\d+\]: (.*(?:(?<=valid repository:)\n.*)?)", text)
    lines = [line.strip() for line in text.strip().splitlines()]
    return answered((errors or lines[-1:] or ["no reason given"])[0], text)


def answered(complaint, text):
    """A complaint in one line, with what the server of an object storage answered, which comes after many lines of its request."""
    answer = re.search(r"<Code>([^<]+)</Code>(?:\s*<Message>([^<]+)</Message>)?", text)
    line = re.sub(r"\s+", " ", re.sub(r"^\[\w+\] ", "", complaint))
    return (line if answer is None else f"{line.rstrip(':')}: {', '.join(filter(None, answer.groups()))}")[:300]


def ask(*words, timeout=60):
    """Standard output of a command of pgBackRest that only reads. Its end is waited for so many seconds."""
    try:
        # What it complains of comes in the same stream as what it says: warnings would spoil JSON. A server that is away is given up in time.
        quiet = ("--log-level-console=off", "--log-level-stderr=error", f"--io-timeout={IO_SECONDS}")
        # What was decrypted with another passphrase is no text.
        result = subprocess.run(command(*quiet, *words), capture_output=True, text=True, errors="replace", timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise RepositoryError(f"pgbackrest {words[-1]} did not end within {timeout} s") from error
    if result.returncode != 0:
        raise RepositoryError(reason_of(result.stderr or result.stdout))
    return result.stdout


def contents():
    """Backups as pgBackRest has them, oldest first, and whether the stanza is there. @raises RepositoryError when it cannot be read."""
    stanzas = json.loads(ask("--output=json", "info"), strict=False)
    stanza = stanzas[0] if stanzas else {"status": {"code": 1, "message": "missing stanza"}}
    status = stanza["status"]
    if status["code"] in MISSING:
        return {"missing": status["message"], "backups": [], "archived": None, "stop": None, "stops": {}, "systemId": None}
    if status["code"] not in (0, NO_BACKUP):
        told = [repo["status"]["message"] for repo in stanza.get("repo", []) if repo["status"]["code"] != 0]
        raise RepositoryError(unreadable((told or [status["message"]])[0], stanza.get("cipher", "none") != "none"))
    backups = [describe(backup) for backup in stanza.get("backup", [])]
    archives = [archive["max"] for archive in stanza.get("archive", []) if archive.get("max")]
    owners = [str(database["system-id"]) for database in stanza.get("db", [])]
    stops = {backup["label"]: backup["archive"]["stop"] for backup in stanza.get("backup", [])}
    return {
        "missing": None,
        "backups": backups,
        "archived": archives[-1] if archives else None,
        # The segments in which the newest backup and each of them end: restored alone, one needs the log up to there.
        "stop": stops[backups[-1]["label"]] if backups else None,
        "stops": stops,
        "systemId": owners[-1] if owners else None,
    }


def unreadable(message, encrypted):
    if encrypted and re.match(r"\[\w+\] unable to load info file", message) and re.search(r"^(?:Format|Crypto)Error: ", message, re.MULTILINE):
        return "it cannot be decrypted: this stack's passphrase (backupPassphrase) is not the one it was made with, or it is damaged"
    return answered(message.splitlines()[0], message)


def place():
    """Which repository this node has, and nothing secret."""
    with open(CONFIG, encoding="utf-8") as file:
        return " ".join(re.findall(r"^repo1-(?:path|s3-bucket|s3-endpoint)=.*$", file.read(), re.MULTILINE))


def system_id(directory=None):
    """What a database has from its first day on, and every copy of it; of this node's data. @raises RepositoryError when there are none."""
    words = ["pg_controldata", "--pgdata", directory or DATA]
    result = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    found = re.search(r"^Database system identifier:\s+(\d+)$", result.stdout, re.MULTILINE)
    if found is None:
        raise RepositoryError(f"this node has no data that could be looked at: {result.stderr.strip()[:200]}")
    return found.group(1)


def of_another(found, own):
    """Why nothing may be written to the repository: it is that of another database. None when it is this one's, or nobody's yet."""
    if found["systemId"] in (None, own):
        return None
    return (
        f"it has the backups of another database (system identifier {found['systemId']}, this one's is {own}), and nothing is added to them; "
        "npm run restore -- --to latest --from-repository makes it this stack's, or choose another place for its own (backupUrl)"
    )


def describe(backup):
    return {
        "label": backup["label"],
        "type": backup["type"],
        "startedAt": iso(backup["timestamp"]["start"]),
        "stoppedAt": iso(backup["timestamp"]["stop"]),
        "timeline": int(backup["archive"]["start"][:8], 16),
        "sizeBytes": backup["info"]["size"],
        "storedBytes": backup["info"]["repository"]["delta"],
        # pgBackRest makes it all the same, and ends well: pages of the database have another checksum than theirs, be it in a file of an
        # earlier backup that this one goes on with.
        "damaged": backup.get("error") is True,
    }


def expiry(backups):
    """
    Words for the next backup: while the newest one has damaged pages nothing is deleted, or those that are whole would be gone some day.
    """
    return ["--no-expire-auto"] if backups and backups[-1]["damaged"] else []


def archived_files(pattern):
    """Files of the archive by path, with the time they were written, in seconds."""
    listed = json.loads(ask("--output=json", "--recurse", f"--filter={pattern}", "repo-ls", f"archive/{STANZA}"))
    return {path: file["time"] for path, file in listed.items() if file["type"] == "file"}


def archived_segments():
    """Names of the segments that are in the archive, with the time they were written, in seconds."""
    files = archived_files("[0-9A-F]{24}").items()
    return {found.group(1): seconds for path, seconds in files if (found := SEGMENT.search(path))}


def position(segment):
    """Where a segment of 16 MiB is in the log, whatever its timeline."""
    return int(segment[8:16], 16) * 256 + int(segment[16:], 16)


def whole(stop, archived):
    """
    Up to when the log is whole after the segment in which the newest backup ends, and whether there is none after that: replay ends at a hole
    as if it were the end.
    """
    written = {}
    for segment, seconds in archived.items():
        # What older timelines have is not on the way to the newest moment; a change of the timeline leaves no number out.
        if segment[:8] >= stop[:8] and position(segment) >= position(stop):
            written[position(segment)] = max(seconds, written.get(position(segment), 0))
    last = min(written, default=None)
    while last is not None and last + 1 in written:
        last += 1
    return None if last is None else iso(written[last]), last == max(written, default=None)


def replace_damaged(found):
    """
    Notes with each damaged backup the whole one before it that may be restored instead, as `instead`: with the log, which tells what the pages
    should be, and has to be there all the way. None when there is no such backup.
    """
    if not any(backup["damaged"] for backup in found["backups"]):
        return
    archived, whole_one = archived_segments(), None
    for backup in found["backups"]:
        if not backup["damaged"]:
            whole_one = backup["label"]
            continue
        backup["instead"] = whole_one if whole_one and bridged(found["stops"][whole_one], found["stops"][backup["label"]], archived) else None


def bridged(stop, later, archived):
    """Whether the log is whole from one segment to a later one."""
    there = {position(segment) for segment in archived if segment[:8] >= stop[:8]}
    return stop[:8] <= later[:8] and position(stop) <= position(later) and there.issuperset(range(position(stop), position(later) + 1))


def closed(gap, backups):
    """Whether a backup, made by whomever, began after log was lost: from there on every moment can be restored again."""
    return any(seconds_of(backup["startedAt"]) > seconds_of(gap) for backup in backups)


def lost(found, noticed):
    """
    Since when log is missing that no backup makes up for, None when all of it is there: by what the archive has, and by what a primary noticed
    when log was dropped. Of the latter nothing is seen in the archive as long as nothing came after it.
    """
    if found["stop"] is None:
        return None
    until, complete = whole(found["stop"], archived_segments())
    dropped = noticed is not None and not closed(noticed, found["backups"])
    return None if complete and not dropped else until or noticed


def last_written():
    """When somebody archived last, by the repository's clock."""
    return iso(max(archived_files("[0-9A-F]{24}").values(), default=0))


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
