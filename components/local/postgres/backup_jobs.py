"""Commands of pgBackRest that take their time, begun by the watch or by an operator; used by backups.py."""

import re
import subprocess
import sys
import tempfile
import time

import node
import repository
from repository import LOCKED, RepositoryError


# pgBackRest lets go of its locks within moments when it is told to stop.
END_SECONDS = 10

# Exit code of `verify` when it has found damage, and not failed itself.
DAMAGED = 3


def log(text):
    print(f"backups: {text}", file=sys.stderr, flush=True)


class Job:
    """A command of pgBackRest that may take hours, while others are looked after."""

    def __init__(self, what, *words):
        self.what = what
        self.started = time.time()
        self._output = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        # Whoever waits for an answer goes first.
        self._process = subprocess.Popen(
            ["nice", "--adjustment=10", *repository.command(*words)],
            stdout=self._output, stderr=subprocess.STDOUT, env=repository.superuser_environment(),
        )

    def end(self):
        """Before it has ended by itself, when nobody needs it any more."""
        self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def ended(self):
        """None while it runs, then its exit code and what it said."""
        code = self._process.poll()
        if code is None:
            return None
        self._output.seek(0)
        return code, self._output.read()


def damage(text):
    """None when all is well. `verify` tells of what it found in its text, and ends with 0; with anything else it has not come to its end."""
    bad = [line.strip() for line in text.splitlines() if re.search(r"(missing|checksum invalid|size invalid|other): [1-9]|status: error", line)]
    return "; ".join(bad)[:300] or None


def backup(kind):
    if not node.is_primary():
        log("this node is not primary: backups are made there")
        return 1
    told = False
    while True:
        options = [f"--type={kind}", "--start-fast", "--log-level-console=info", *expiry()]
        words = ["nice", "--adjustment=10", *repository.command(*options, "backup")]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=repository.superuser_environment())
        said = []
        for line in process.stdout:
            said.append(line)
            told_line = line.partition(" INFO: ")[2].strip()
            if told_line and not re.match(r"\w+ command (begin|end)", told_line):
                log(told_line)
        code = process.wait()
        if code != LOCKED:
            break
        if not told:
            told = True
            log("another backup is under way; it is waited for")
        time.sleep(1)
    problem = repository.reason_of("".join(said)) if code != 0 else damaged("".join(said))
    if problem is not None:
        print(problem, flush=True)
    return 0 if problem is None else 1


def expiry():
    """As the watch does it; a repository that cannot be read is told of by the backup itself."""
    try:
        return repository.expiry(repository.contents()["backups"])
    except RepositoryError:
        return ["--no-expire-auto"]


def damaged(text):
    """What is wrong with the backup that pgBackRest says it has made; None when it is whole. Its exit code is 0 in either case."""
    label = re.search(r"new backup label = (\S+)", text)
    try:
        backups = repository.contents()["backups"]
    except RepositoryError as error:
        return f"a backup was made, and the repository cannot be read since: {error}"
    if label is not None and any(backup["damaged"] and backup["label"] == label.group(1) for backup in backups):
        return f"backup {label.group(1)} has pages with an invalid checksum: files of the database itself are damaged"
    return None


def verify():
    result = subprocess.run(repository.command("--output=text", "verify"), capture_output=True, text=True)
    text = result.stdout + result.stderr
    problem = repository.reason_of(text) if result.returncode != 0 else damage(text)
    if problem is not None:
        print(problem, flush=True)
    return 0 if problem is None else DAMAGED if result.returncode == 0 else 1
