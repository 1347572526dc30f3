"""The log on its way to the archive: how far Postgres is with it, and what was left behind; used by backups.py and restore.py."""

import json
import os
import re
import subprocess

import repository
from backup_jobs import log
from repository import RepositoryError

# The timeline it writes now: after a promotion that of the last checkpoint is the one before for a while.
QUERY = """SELECT json_build_object(
  'archivedWal', last_archived_wal, 'archivedAt', extract(epoch FROM last_archived_time),
  'failedAt', extract(epoch FROM last_failed_time), 'failures', failed_count,
  'waiting', (SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'),
  'timeline', ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int)
FROM pg_stat_archiver"""

# Of a file that is handed to the archive while nobody is served.
PUSH_SECONDS = 30


def archiver():
    """What the server says of its archive, and its timeline."""
    words = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--command", QUERY]
    result = subprocess.run(words, capture_output=True, text=True, timeout=30, env=repository.superuser_environment())
    if result.returncode != 0:
        raise RepositoryError(f"the server does not answer: {result.stderr.strip()[:200]}")
    return json.loads(result.stdout)


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


def inherit(timeline):
    """Archives what the primary before this one, which is on TIMELINE, had no time to. @raises RepositoryError when the repository takes nothing."""
    directory = os.path.join(repository.DATA, "pg_wal")
    done = [name[:-5] for name in os.listdir(os.path.join(directory, "archive_status")) if re.fullmatch(r"[0-9A-F]{24}\.done", name)]
    present = [name for name in done if os.path.exists(os.path.join(directory, name))]
    for name in leftovers(present, repository.archived_segments(), timeline):
        repository.ask("archive-push", os.path.join(directory, name))
        log(f"archived {name}, which the primary before had not")


def announce():
    """
    Archives the histories of timelines that began where nothing was archived, as in a restore: the archive has to know of a timeline before
    anybody writes to it, or moments from then on would be looked for on the one before. @raises RepositoryError, OSError when that fails; the
    server archives them itself once it is primary.
    """
    directory = os.path.join(repository.DATA, "pg_wal")
    status = os.path.join(directory, "archive_status")
    for ready in sorted(name for name in os.listdir(status) if re.fullmatch(r"[0-9A-F]{8}\.history\.ready", name)):
        history = ready.removesuffix(".ready")
        repository.ask("archive-push", os.path.join(directory, history), timeout=PUSH_SECONDS)
        # As Postgres does it: archived again, later, it would seem to have begun then.
        os.rename(os.path.join(status, ready), os.path.join(status, f"{history}.done"))
