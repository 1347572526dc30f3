"""What a node does beside running Patroni; see entrypoint.sh. With nothing but Python's own library, which starts in a moment.

settings CONFIG    Brings the settings that all nodes share, which Patroni keeps in etcd, to what CONFIG says under bootstrap.dcs. Patroni
                   itself writes them once, when the cluster is made. Waits for etcd, as Patroni does; without a cluster there is nothing to do.
                   Settings that a standby cannot have smaller than its primary (BOUNDED) are raised only.
hand-over SECONDS  When this node is primary: has the operator conduct a planned switchover, so that it may be stopped. The password of
                   Patroni's REST API comes by standard input. Ends with 0 when the node is not primary (any more), else with 1.
"""

import base64
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

OPERATOR = os.environ.get("POSTGRES_OPERATOR_URL", "http://postgres-operator:9105")
PATRONI = os.environ.get("PATRONI_URL", "http://127.0.0.1:8008")

# Of a server that follows, no smaller than its primary's: it would not start. So Patroni 4.0 starts it with what pg_controldata says, and
# that it should be smaller waits for a restart, for ever: nodes are restarted standbys first, and whoever becomes primary hands on what it
# had (`effective_configuration`). With what Patroni takes where it is told nothing (`CMDLINE_OPTIONS`), and the name in pg_controldata.
BOUNDED = {
    "max_connections": (100, "max_connections"),
    "max_locks_per_transaction": (64, "max_locks_per_xact"),
    "max_prepared_transactions": (0, "max_prepared_xacts"),
    "max_wal_senders": (10, "max_wal_senders"),
    "max_worker_processes": (8, "max_worker_processes"),
}

# For how long an operator that nobody finds is looked for: it may be starting again. While a stack is destroyed it is gone for good.
OPERATOR_MISSING_SECONDS = 1.0


def log(text):
    print(f"node: {text}", file=sys.stderr, flush=True)


def call(url, body=None, headers=None, timeout=5.0):
    """Status and text of an answer, whatever the status; OSError when there is none."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=max(timeout, 0.1)) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def etcd(hosts, operation, body):
    """Asks the members in turn for an operation of etcd's JSON API, until one answers."""
    told = False
    while True:
        for host in hosts:
            try:
                status, text = call(f"http://{host}/v3/kv/{operation}", body)
                if status == 200:
                    return json.loads(text)
                reason = f"{status} {text}"
            except OSError as error:
                reason = str(error)
        if not told:
            log(f"etcd does not answer yet: {reason.strip()}")
            told = True
        time.sleep(0.5)


def text64(text):
    return base64.b64encode(text.encode()).decode()


def last_ran_with():
    """The bounded settings that this node's data were last used with, its primary's on a standby; nothing while there are no data."""
    data = os.environ.get("PGDATA", "")
    if not os.path.exists(os.path.join(data, "global", "pg_control")):
        return {}
    words = ["pg_controldata", "--pgdata", data]
    result = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    if result.returncode != 0:
        # Damaged, and copied anew before it runs.
        log(f"this node's data cannot be looked at: {result.stderr.strip()}")
        return {}
    found = dict(re.findall(r"^(\w+) setting:\s+(\d+)$", result.stdout, re.MULTILINE))
    return {name: found[label] for name, (_, label) in BOUNDED.items() if label in found}


def number(value):
    """Of a setting that somebody may have written by hand; 0 when it is none."""
    return int(value) if re.fullmatch(r"\d+", str(value)) else 0


def never_less(wanted, now, ran):
    """WANTED, with what is bounded as large as it is NOW in etcd, and as this node's server RAN with."""
    postgresql = wanted.get("postgresql", {})
    parameters = dict(postgresql.get("parameters", {}))
    known = (now.get("postgresql") or {}).get("parameters") or {}
    for name, (default, _) in BOUNDED.items():
        asked = number(parameters.get(name, default))
        least = max(number(known.get(name, 0)), number(ran.get(name, 0)))
        if least > asked:
            log(f"{name} stays {least}, {asked} were wanted: standbys do not start with less than their primary has")
            parameters[name] = str(least)
    return {**wanted, "postgresql": {**postgresql, "parameters": parameters}} if parameters else wanted


def settings(path):
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    hosts, key = config["etcd3"]["hosts"], text64(f"/service/{config['scope']}/config")
    ran = last_ran_with()
    while True:
        found = etcd(hosts, "range", {"key": key}).get("kvs")
        if not found:
            return
        now = json.loads(base64.b64decode(found[0]["value"]))
        wanted = never_less(dict(config["bootstrap"]["dcs"]), now, ran)
        # Somebody who paused Patroni for maintenance is not done because a node restarts.
        if "pause" in now:
            wanted["pause"] = now["pause"]
        if now == wanted:
            return
        unchanged = {"key": key, "target": "MOD", "result": "EQUAL", "mod_revision": found[0]["mod_revision"]}
        put = {"request_put": {"key": key, "value": text64(json.dumps(wanted, separators=(",", ":")))}}
        if etcd(hosts, "txn", {"compare": [unchanged], "success": [put]}).get("succeeded"):
            log("the settings that all nodes share are now those of this image")
            return


def is_primary():
    """Also while Patroni is too busy to answer: the operator, who is asked next, knows it from etcd."""
    try:
        return call(f"{PATRONI}/primary", timeout=2.0)[0] == 200
    except OSError as error:
        return isinstance(getattr(error, "reason", error), TimeoutError)


def has_follower(name):
    """Whether anybody could take over; taken for granted while Patroni does not say."""
    try:
        status, text = call(f"{PATRONI}/cluster", timeout=2.0)
        members = json.loads(text)["members"] if status == 200 else None
    except (OSError, ValueError, KeyError):
        return True
    return members is None or any(member["name"] != name and member["state"] in ("streaming", "running") for member in members)


def hand_over(seconds):
    name, password = os.environ["PATRONI_NAME"], sys.stdin.read()
    deadline = time.monotonic() + seconds
    missing_since = None
    while is_primary():
        left = deadline - time.monotonic()
        if left <= 0:
            log(f"still primary after {seconds:g} s; Patroni hands over by itself")
            return 1
        try:
            status, text = call(f"{OPERATOR}/switchover", {"from": name}, {"authorization": f"Bearer {password}"}, left)
            missing_since = None
        except TimeoutError:
            continue
        except OSError as error:
            missing_since = missing_since or time.monotonic()
            if time.monotonic() - missing_since >= OPERATOR_MISSING_SECONDS:
                log(f"the operator does not answer ({error}); Patroni hands over by itself")
                return 1
            time.sleep(0.2)
            continue
        if status in (401, 403, 404):
            log(f"the operator refuses to switch over ({status} {text.strip()}); Patroni hands over by itself")
            return 1
        if status < 300:
            # It handed over, or never was to.
            return 0
        if not has_follower(name):
            # The whole host is being shut down, for example.
            log("there is no standby to hand over to")
            return 1
        # A standby is not ready yet, or another switchover is under way.
        log(f"not handed over yet: {status} {text.strip()}")
        time.sleep(0.5)
    return 0


if __name__ == "__main__":
    command, argument = sys.argv[1:]
    sys.exit({"settings": settings, "hand-over": lambda seconds: hand_over(float(seconds))}[command](argument))
