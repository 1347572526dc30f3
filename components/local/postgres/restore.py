"""
Restores the database into this node's volume, while no node of the cluster runs; see entrypoint.sh. `npm run restore` starts it in a
container of its own with what the node's container has, and the nodes afterwards.

restore SET TIMELINE TIME KEPT   From the backup SET along TIMELINE (a number, or "latest") up to TIME (as Postgres writes it, or "latest").
                                 The data there were become the directory KEPT beside them. Until that last moment nothing is changed, and
                                 when anything fails they are what they were.
discard [KEPT]                   Deletes the data of a node that is to copy the restored one, or puts them aside as the directory KEPT.

A node that somebody starts meanwhile waits until they end, and they refuse while the node runs: both lock the volume. One that is started
elsewhere and becomes primary keeps the data where they are: what was restored is given up.
"""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import log_archive
import repository
from cluster_state import Etcd, PATRONI_CONFIG
from repository import RepositoryError

DRAFT = f"{repository.DATA}.restored"
SOCKETS = "/tmp/restore"
LOG = f"{SOCKETS}/server.log"

# What a node locks for as long as it runs; see entrypoint.sh.
IN_USE = os.path.join(os.path.dirname(repository.DATA), "in-use")

# Longer than the lease of a primary that was killed: Patroni's ttl is 20 s.
LEASE_SECONDS = 30

# More than Redis' epoch ever grows between two restores; 2,147 of these have room.
FENCE_STEP = 1_000_000

# Every role's password is that of the stack, whatever it was when the backup was made.
ROLES = {
    "postgres": "POSTGRES_PASSWORD",
    "replicator": "REPLICATION_PASSWORD",
    "rewinder": "REWIND_PASSWORD",
    "owner": "OWNER_PASSWORD",
    "app": "APP_PASSWORD",
    "readonly": "READONLY_PASSWORD",
    "monitor": "MONITOR_PASSWORD",
}


def log(text):
    print(f"restore: {text}", file=sys.stderr, flush=True)


def fetch(label, timeline, moment):
    """The backup's files, and settings with which the server replays the log up to the moment."""
    shutil.rmtree(DRAFT, ignore_errors=True)
    os.mkdir(DRAFT, 0o700)
    target = ["--type=default"] if moment == "latest" else ["--type=time", f"--target={moment}", "--target-action=promote"]
    words = repository.command(
        f"--pg1-path={DRAFT}", f"--set={label}", f"--target-timeline={timeline}", *target, "--log-level-console=info", "restore"
    )
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            found = re.search(r"INFO: (restore backup set .*|.*total size.*|restore size.*)", line)
            if found:
                log(found.group(1))
    finally:
        if process.poll() is None and sys.exc_info()[0] is not None:
            process.kill()
    if process.wait() != 0:
        raise RepositoryError(repository.reason_of("".join(lines)))


def start():
    """A server on the draft that nobody can reach but this program."""
    os.makedirs(SOCKETS, 0o700, exist_ok=True)
    with open(f"{SOCKETS}/hba.conf", "w", encoding="utf-8") as file:
        file.write("local all postgres trust\n")
    with open(PATRONI_CONFIG, encoding="utf-8") as file:
        own = json.load(file)["postgresql"]["parameters"]
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": SOCKETS,
        "hba_file": f"{SOCKETS}/hba.conf",
        # The backup's may be those of a larger host.
        "shared_buffers": own["shared_buffers"],
        # There is no standby whose word it could wait for.
        "synchronous_standby_names": "",
        # What it writes is kept for the archive, which gets it once the draft has become the data: of a timeline that was given up nobody may
        # know. Every later restore would follow it, or be refused because of it. Without a command Postgres keeps, and waits for nothing.
        "archive_mode": "on",
        "archive_command": "",
        "logging_collector": "off",
        "log_startup_progress_interval": "5s",
    }
    words = ["postgres", "-D", DRAFT, *(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))]
    with open(LOG, "w", encoding="utf-8") as output:
        return subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT)


def said():
    """What the server has said so far."""
    with open(LOG, encoding="utf-8", errors="replace") as file:
        return file.read()


def psql(sql):
    """Through standard input: arguments can be seen by every process of the container."""
    quiet = "-c log_statement=none -c log_min_error_statement=panic -c log_min_duration_statement=-1"
    environment = {**os.environ, "PGHOST": SOCKETS, "PGUSER": "postgres", "PGDATABASE": "postgres", "PGOPTIONS": quiet}
    words = ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]
    return subprocess.run(words, input=sql, capture_output=True, text=True, env=environment)


def replayed(server):
    """Waits until the server has replayed the log and takes writes. What it says meanwhile is told, so that nobody waits in the dark."""
    told = None
    while True:
        progress = re.findall(r"LOG:  (redo (?:starts|in progress|done).*|recovery stopping .*|last completed transaction .*)", said())
        if progress and progress[-1] != told:
            told = progress[-1]
            log(told)
        if server.poll() is not None:
            raise RepositoryError(failure(said()))
        answer = psql("SELECT pg_is_in_recovery()")
        if answer.returncode == 0 and answer.stdout.strip() == "f":
            return
        time.sleep(0.2)


def failure(text):
    if "recovery ended before configured recovery target was reached" in text:
        return "the log that is in the archive ends before that moment, or some of it is missing before; an earlier moment can be restored"
    fatal = re.findall(r"(?:FATAL|PANIC):  (.*)", text)
    return (fatal or text.strip().splitlines()[-1:] or ["the server ended without a word"])[0]


def secret(name):
    with open(os.environ[f"{name}_FILE"], encoding="utf-8") as file:
        return file.read()


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def settle():
    """The stack's passwords, and nothing left of the settings of this recovery."""
    lines = [f"ALTER ROLE {role} PASSWORD {quoted(secret(variable))};" for role, variable in ROLES.items()]
    for name in ("restore_command", "recovery_target_time", "recovery_target_action", "recovery_target_timeline"):
        lines.append(f"ALTER SYSTEM RESET {name};")
    result = psql("\n".join(lines))
    if result.returncode != 0:
        raise RepositoryError(f"the passwords of the stack were not set: {result.stderr.strip().splitlines()[-1]}")


def raise_fence():
    """
    Redis holds answers and sessions of the time that is undone; the app goes by an epoch in the database that only grows, and came back with
    the rest. The one given here is kept in etcd: going back to one moment twice would give the same one twice.
    """
    etcd = Etcd()
    result = psql(f"""SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'app') AS app \\gset
\\if :app
\\connect app
SELECT to_regclass('public.redis_fence') IS NOT NULL AS fence \\gset
\\if :fence
UPDATE public.redis_fence SET epoch = greatest(epoch, {etcd.fence()}) + {FENCE_STEP} WHERE id = 1 RETURNING epoch;
\\endif
\\endif
""")
    if result.returncode != 0:
        raise RepositoryError(f"the epoch of Redis was not raised: {result.stderr.strip().splitlines()[-1]}")
    # Nothing before the migration that makes the table, and with an app of its own kind.
    if result.stdout.strip():
        etcd.keep_fence(int(result.stdout))


def stop(server):
    """Ends it cleanly: it writes a checkpoint."""
    server.send_signal(signal.SIGINT)
    if server.wait() != 0:
        raise RepositoryError(f"the restored server did not stop cleanly (exit code {server.returncode})")


def locked():
    """The volume is this program's for as long as what is returned is open. @raises RepositoryError while a node runs on it."""
    file = open(IN_USE, "a", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise RepositoryError("the node of these data runs: somebody has started it") from error
    except OSError as error:
        # A file system that cannot lock, as in entrypoint.sh.
        log(f"{IN_USE} cannot be locked: a node that is started meanwhile is not noticed ({error})")
    return file


def unled(etcd):
    """Waits for the lease of a primary that was killed. @raises RepositoryError when it does not end: its holder serves."""
    deadline = time.monotonic() + LEASE_SECONDS
    while (leader := etcd.leader()) is not None:
        if time.monotonic() >= deadline:
            raise RepositoryError(f"{leader} is primary: somebody has started it, and all nodes have to be stopped meanwhile")
        time.sleep(0.2)


def swap(kept):
    """The draft becomes the data. Undone when Patroni cannot be told, or somebody has become primary; nothing else stops it."""
    etcd, owner = Etcd(), repository.system_id(DRAFT)
    unled(etcd)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # `npm run restore` goes by this line and the one after it when this program is killed.
    log("the restored data take the place of the old ones")
    done = []
    try:
        for old, new in [*([(repository.DATA, kept)] if os.path.exists(repository.DATA) else []), (DRAFT, repository.DATA)]:
            os.rename(old, new)
            done.append((old, new))
        if not etcd.restored(owner, log):
            raise RepositoryError("a node has become primary in this moment: somebody has started it")
    except (OSError, RepositoryError):
        for old, new in reversed(done):
            os.rename(new, old)
        raise


def restore(label, timeline, moment, kept):
    server = lock = None
    kept = os.path.join(os.path.dirname(repository.DATA), kept)
    try:
        lock = locked()
        # Before hours of work, and at its end once more.
        unled(Etcd())
        fetch(label, timeline, moment)
        log("the files are there; the log is replayed")
        server = start()
        replayed(server)
        settle()
        raise_fence()
        stop(server)
        swap(kept)
    except (OSError, RepositoryError) as error:
        if server is not None and server.poll() is None:
            server.kill()
            server.wait()
        # Without the lock the draft may be another one's.
        if lock is not None:
            shutil.rmtree(DRAFT, ignore_errors=True)
        print(str(error), flush=True)
        return 1
    log("the restored data are in place")
    try:
        log_archive.announce()
    except (OSError, RepositoryError) as error:
        log(f"the archive hears of the new timeline from the node, once that is primary: {error}")
    return 0


def discard(kept=None):
    try:
        with locked():
            if kept is not None and os.path.exists(repository.DATA):
                os.rename(repository.DATA, os.path.join(os.path.dirname(repository.DATA), kept))
            elif os.path.exists(repository.DATA):
                shutil.rmtree(repository.DATA)
    except (OSError, RepositoryError) as error:
        print(str(error), flush=True)
        return 1
    return 0


def interrupted(number, frame):
    raise RepositoryError("it was told to stop")


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    signal.signal(signal.SIGTERM, interrupted)
    sys.exit({"restore": restore, "discard": discard}[name](*arguments))
