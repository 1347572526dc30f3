"""What a node does beside running Patroni; see entrypoint.sh. With nothing but Python's own library, which starts in a moment.

settings CONFIG    Brings the settings that all nodes share, which Patroni keeps in etcd, to what CONFIG says under bootstrap.dcs. Patroni
                   itself writes them once, when the cluster is made. Waits for etcd, as Patroni does; without a cluster there is nothing to do.
hand-over SECONDS  When this node is primary: has the operator conduct a planned switchover, so that it may be stopped. The password of
                   Patroni's REST API comes by standard input. Ends with 0 when the node is not primary (any more), else with 1.
"""

import base64
import json
import os
import sys
import time
import urllib.error
import urllib.request

OPERATOR = os.environ.get("POSTGRES_OPERATOR_URL", "http://postgres-operator:9105")
PATRONI = os.environ.get("PATRONI_URL", "http://127.0.0.1:8008")

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


def settings(path):
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    hosts, key = config["etcd3"]["hosts"], text64(f"/service/{config['scope']}/config")
    while True:
        found = etcd(hosts, "range", {"key": key}).get("kvs")
        if not found:
            return
        now = json.loads(base64.b64decode(found[0]["value"]))
        wanted = dict(config["bootstrap"]["dcs"])
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
