"""What is kept in etcd: the state of the backups, and what Patroni knows of the cluster; used by backups.py and restore.py."""

import base64
import http.client
import json
import os
import time

import node

PATRONI_CONFIG = os.environ.get("PATRONI_CONFIG", "/etc/patroni/patroni.yml")

# What Patroni knows of where the cluster was: with it, a node that is further back would not become primary.
POSITIONS = ("status", "optime/leader", "sync", "history", "failover", "failsafe")

# For so long an answer that did not come is asked for again before it is looked up what came of the question.
ANSWER_SECONDS = 60


class Etcd:
    """Where the state is kept that the next primary goes on with, and the operator reads."""

    def __init__(self):
        with open(PATRONI_CONFIG, encoding="utf-8") as file:
            config = json.load(file)
        self._hosts = config["etcd3"]["hosts"]
        self._scope = config["scope"]
        self._key = node.text64(f"/phased-stack/{self._scope}/backups")

    def _ask(self, operation, body):
        failure = None
        for host in self._hosts:
            try:
                status, text = node.call(f"http://{host}/v3/kv/{operation}", body)
                if status == 200:
                    return json.loads(text)
                failure = f"{status} {text}"
            # An answer that broke off is none.
            except (OSError, ValueError, http.client.HTTPException) as error:
                failure = error
        raise OSError(f"etcd does not answer: {failure}")

    def read(self):
        found = self._ask("range", {"key": self._key}).get("kvs")
        return json.loads(base64.b64decode(found[0]["value"])) if found else {}

    def write(self, state):
        self._ask("put", {"key": self._key, "value": node.text64(json.dumps(state, separators=(",", ":")))})

    def remove(self):
        self._ask("deleterange", {"key": self._key})

    def _text(self, key):
        found = self._ask("range", {"key": node.text64(key)}).get("kvs")
        return (base64.b64decode(found[0].get("value", "")).decode() or None) if found else None

    def system_id(self):
        """The database that Patroni's cluster is, whether or not a node has its data now; None when there was none yet."""
        # Empty while the first node makes it.
        return self._text(f"/service/{self._scope}/initialize")

    def leader(self):
        """Who holds the lease of the primary; None when nobody does. That of a node that was killed ends by itself, after Patroni's ttl."""
        return self._text(f"/service/{self._scope}/leader")

    def restored(self, system_id, say):
        """
        Patroni's cluster is that of this database now, and nothing is known of where it was: all of it, or nothing, and False, when a node
        holds the lease of the primary. An answer that got lost may be that of either, and whoever takes it for nothing undoes half: so it is
        asked again until there is one, for as long as etcd is away. @param say is told of that, once. @raises OSError when nothing was changed.
        """
        key = lambda name: node.text64(f"/service/{self._scope}/{name}")
        unled = {"key": key("leader"), "target": "CREATE", "result": "EQUAL", "create_revision": "0"}
        deletes = [{"request_delete_range": {"key": key(name)}} for name in POSITIONS]
        success = [*deletes, {"request_put": {"key": key("initialize"), "value": node.text64(system_id)}}]
        before, told, deadline = self._revision(), False, time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                return bool(self._ask("txn", {"compare": [unled], "success": success}).get("succeeded"))
            except OSError as error:
                changed = self._changed(before) if time.monotonic() >= deadline else None
                if changed:
                    return True
                if changed is not None:
                    raise
                if not told:
                    say(f"{error}; it is asked until it does, because what came of the question is not known")
                    told = True
            time.sleep(0.5)

    def _revision(self):
        """Of what says whose database Patroni's cluster is: another one whenever that is written, be it the same."""
        found = self._ask("range", {"key": node.text64(f"/service/{self._scope}/initialize")}).get("kvs")
        return found[0].get("mod_revision") if found else None

    def _changed(self, before):
        """Whether it was written since; None while etcd does not say."""
        try:
            return self._revision() != before
        except OSError:
            return None

    def fence(self):
        """The epoch of Redis that the last restore gave; 0 when there was none."""
        return int(self._text(f"/phased-stack/{self._scope}/fence") or 0)

    def keep_fence(self, epoch):
        self._ask("put", {"key": node.text64(f"/phased-stack/{self._scope}/fence"), "value": node.text64(str(epoch))})
