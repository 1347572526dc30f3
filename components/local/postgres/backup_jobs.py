"""Commands of pgBackRest that take their time, begun by the watch or by an operator; used by backups.py."""

import re
import subprocess
import sys
import tempfile
import time

import node
import repository
from repository import LOCKED


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

    def ended(self):
        """None while it runs, then its exit code and what it said."""
        code = self._process.poll()
        if code is None:
            return None
        self._output.seek(0)
        return code, self._output.read()


def verification_problem(code, text):
    """None when all is well. `verify` tells of what it found in its text, and not by its exit code."""
    if code != 0:
        return repository.reason_of(text)
    bad = [line.strip() for line in text.splitlines() if re.search(r"(missing|checksum invalid|size invalid|other): [1-9]|status: error", line)]
    return "; ".join(bad)[:300] or None


def backup(kind):
    if not node.is_primary():
        log("this node is not primary: backups are made there")
        return 1
    told = False
    while True:
        words = ["nice", "--adjustment=10", *repository.command(f"--type={kind}", "--start-fast", "--log-level-console=info", "backup")]
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
    if code != 0:
        print(repository.reason_of("".join(said)), flush=True)
    return 0 if code == 0 else 1


def verify():
    result = subprocess.run(repository.command("--output=text", "verify"), capture_output=True, text=True)
    problem = verification_problem(result.returncode, result.stdout + result.stderr)
    if problem is not None:
        print(problem, flush=True)
    return 0 if problem is None else 1
