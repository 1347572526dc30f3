import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { PostgresPrograms, hasPython, python } from "./postgres-programs";

/** What a restore goes by in a node's volume, and who else uses the data. */
describe("F8 what a restore does in a node's volume", function () {
  this.timeout(30_000);
  let programs: PostgresPrograms;

  before(function () {
    if (!hasPython()) this.skip();
  });

  const evaluate = (expression: string, before?: string): unknown => programs.evaluate(expression, before);
  const pgbackrest = (answers: Readonly<Record<string, string>>): void => programs.pgbackrest(answers);
  const segment = (timeline: number, number: number): string =>
    [timeline, Math.floor(number / 256), number % 256].map((part) => part.toString(16).padStart(8, "0").toUpperCase()).join("");
  const data = (name: string): string => path.join(programs.directory, "data", name);
  beforeEach(() => {
    programs = new PostgresPrograms();
    mkdirSync(data("node"), { recursive: true });
    mkdirSync(data("node.restored"));
    writeFileSync(path.join(data("node"), "old"), "");
    writeFileSync(path.join(data("node.restored"), "new"), "");
    writeFileSync(path.join(programs.directory, "patroni.yml"), JSON.stringify({ etcd3: { hosts: ["etcd-1:2379"] }, scope: "postgres" }));
    programs.program("pg_controldata", 'echo "Database system identifier:           7"');
  });
  afterEach(() => programs.remove());

  /** An etcd with these keys that notes what it is asked. @param leaderFrom looks at the lease of the primary after which somebody has it */
  const etcd = (keys: Readonly<Record<string, string>>, leaderFrom = 99): string => `
import base64
keys, looks, txns, puts = ${python(keys)}, [0], [], []
name = lambda text: base64.b64decode(text).decode()
def call(url, body):
    key = name(body["key"]) if "key" in body else None
    if url.endswith("/range"):
        looks[0] += key.endswith("/leader")
        value = keys.get(key)
        return 200, json.dumps({"kvs": [{"value": node.text64(value)}]} if value is not None else {})
    if url.endswith("/put"):
        puts.append([key, name(body["value"])])
        return 200, "{}"
    txns.append([[name(one["key"]), one["target"], one["create_revision"]] for one in body["compare"]])
    return 200, json.dumps({"succeeded": True} if looks[0] < ${leaderFrom} else {})
node.call = call
restore.LEASE_SECONDS = 0.3
def outcome(work):
    try:
        return work()
    except (OSError, restore.RepositoryError) as error:
        return str(error)
`;

  it("the restored data take their place in one step with Patroni's cluster, and only while nobody is primary", () => {
    const [said, txns] = evaluate(`[outcome(lambda: restore.swap("${data("kept")}")), txns]`, etcd({})) as [unknown, unknown];
    assert.deepEqual([said, txns], [null, [[["/service/postgres/leader", "CREATE", "0"]]]]);
    assert.deepEqual([readdirSync(data("node")), readdirSync(data("kept"))], [["new"], ["old"]]);
  });

  it("a node that somebody has started and that is primary keeps its data where they are", () => {
    const untouched = (): void => {
      assert.deepEqual(
        [readdirSync(data("node")), readdirSync(data("node.restored")), existsSync(data("kept"))],
        [["old"], ["new"], false],
      );
    };
    const swap = `outcome(lambda: restore.swap("${data("kept")}"))`;
    const [leads, asked] = evaluate(`[${swap}, txns]`, etcd({ "/service/postgres/leader": "pg-2" })) as [string, unknown[]];
    assert.match(leads, /^pg-2 is primary: somebody has started it, and all nodes have to be stopped meanwhile$/);
    assert.deepEqual(asked, []);
    untouched();
    assert.match(String(evaluate(swap, etcd({}, 1))), /^a node has become primary in this moment/);
    untouched();
  });

  const swapped = (): unknown => [data("node"), data("node.restored"), data("kept")].map((name) => existsSync(name) && readdirSync(name));
  const swap = (): string => `outcome(lambda: restore.swap("${data("kept")}"))`;
  /** An etcd whose answers to the transaction are lost. @param revisions of what it writes, look by look; `None` when it does not answer */
  const deaf = (revisions: string): string => `${etcd({})}
import cluster_state
cluster_state.ANSWER_SECONDS, cluster_state.time.sleep = 0.2, lambda seconds: None
revisions, answers, said = ${revisions}, node.call, []
restore.log = said.append
def call(url, body):
    if url.endswith("/txn"):
        txns.append(body)
        raise TimeoutError("timed out")
    if name(body["key"]).endswith("/initialize"):
        revision = revisions.pop(0) if len(revisions) > 1 else revisions[0]
        if revision is None: raise OSError("away")
        return 200, json.dumps({"kvs": [{"value": node.text64("7"), "mod_revision": revision}]})
    return answers(url, body)
node.call = call
`;

  it("an answer of etcd that gets lost is asked for again, and the data are those that the cluster is told to have", () => {
    const once = `${etcd({})}
answers, lost = node.call, []
def call(url, body):
    if url.endswith("/txn") and not lost:
        lost.append(answers(url, body))
        raise TimeoutError("timed out")
    return answers(url, body)
node.call = call
`;
    assert.deepEqual(evaluate(`[${swap()}, len(txns)]`, once), [null, 2]);
    assert.deepEqual(swapped(), [["new"], false, ["old"]]);
  });

  it("etcd that lets nobody write is found out to, and undone; etcd that wrote and cannot say so is believed", () => {
    const [said, told] = evaluate(`[${swap()}, said]`, deaf('["4"]')) as [string, string[]];
    assert.match(said, /^etcd does not answer: timed out$/);
    assert.equal(told.filter((line) => /it is asked until it does/.test(line)).length, 1, told.join("; "));
    assert.deepEqual(swapped(), [["old"], ["new"], false]);
    assert.equal(evaluate(swap(), deaf('["4", None, None, "9"]')), null, "looked up as soon as it answers");
    assert.deepEqual(swapped(), [["new"], false, ["old"]]);
  });

  it("told to stop while the data are exchanged, it comes to its end first; what cannot be renamed is put back", () => {
    const stopped = `${etcd({})}
import os, signal
answers = node.call
def call(url, body):
    if url.endswith("/txn"): os.kill(os.getpid(), signal.SIGTERM)
    return answers(url, body)
node.call = call
signal.signal(signal.SIGTERM, restore.interrupted)
`;
    rmSync(path.join(data("node.restored")), { recursive: true });
    assert.match(String(evaluate(swap(), stopped)), /No such file or directory/);
    assert.deepEqual(swapped(), [["old"], false, false]);
    mkdirSync(data("node.restored"));
    assert.equal(evaluate(swap(), stopped), null);
    assert.deepEqual(swapped(), [[], false, ["old"]]);
  });

  it("the draft keeps what is to be archived and archives nothing: it may still be given up, and nobody may follow its timeline", () => {
    writeFileSync(
      path.join(programs.directory, "patroni.yml"),
      JSON.stringify({ etcd3: { hosts: [] }, scope: "postgres", postgresql: { parameters: { shared_buffers: "32MB" } } }),
    );
    programs.program("postgres", `printf '%s\n' "$@"`);
    const words = evaluate(
      `[restore.start().wait(), restore.said().splitlines()][1]`,
      `restore.SOCKETS = "${programs.directory}/sockets"
restore.LOG = "${programs.directory}/sockets/server.log"`,
    ) as string[];
    assert.ok(words.includes("archive_mode=on") && words.includes("archive_command="), words.join(" "));
  });

  it("once they are the data, the archive hears of their timeline, before anybody writes to it; the rest is left to the node", () => {
    const status = path.join(data("node"), "pg_wal/archive_status");
    const fill = (): void => {
      mkdirSync(status, { recursive: true });
      for (const name of ["00000002.history.done", "00000003.history.ready", `${segment(3, 7)}.ready`])
        writeFileSync(path.join(status, name), "");
    };
    fill();
    programs.program("pgbackrest", `echo "$*" >> ${programs.directory}/pushed`);
    assert.equal(evaluate("log_archive.announce()"), null);
    const pushed = readFileSync(path.join(programs.directory, "pushed"), "utf8").trim().split("\n");
    assert.equal(pushed.length, 1);
    assert.match(pushed[0] ?? "", /archive-push \S+\/data\/node\/pg_wal\/00000003\.history$/);
    assert.deepEqual(readdirSync(status).sort(), ["00000002.history.done", "00000003.history.done", `${segment(3, 7)}.ready`]);
    rmSync(status, { recursive: true });
    fill();
    programs.program("pgbackrest", "echo 'ERROR: [042]: unable to connect' >&2; exit 42");
    assert.equal(evaluate("outcome(log_archive.announce)", etcd({})), "unable to connect");
    assert.ok(existsSync(path.join(status, "00000003.history.ready")), "which the node archives itself");
  });

  it("a restore that is given up after its data were started leaves nothing behind, in the volume or in the archive", () => {
    programs.program("pgbackrest", `echo "$*" >> ${programs.directory}/pushed`);
    const fakes = ["fetch", "replayed", "settle", "stop"].map((name) => `restore.${name} = lambda *words: None`).join("\n");
    const given = `${etcd({})}
${fakes}
class Server:
    def poll(self): return None
    def kill(self): ended.append("killed")
    def wait(self): ended.append("waited for")
ended, said = [], []
restore.start = Server
restore.print = lambda text, **more: "file" in more or said.append(text)
def raise_fence(): raise restore.RepositoryError("it was told to stop")
restore.raise_fence = raise_fence
`;
    assert.deepEqual(evaluate(`[restore.restore("A", "latest", "latest", "kept"), ended, said]`, given), [
      1,
      ["killed", "waited for"],
      ["it was told to stop"],
    ]);
    assert.deepEqual(swapped(), [["old"], false, false]);
    assert.equal(existsSync(path.join(programs.directory, "pushed")), false);
  });

  it("the lease of a primary that was killed is waited for, not taken for a primary", () => {
    const ends = `threading.Timer(0.1, lambda: keys.clear()).start()`;
    const before = `${etcd({ "/service/postgres/leader": "pg-1" })}\nimport threading\nrestore.LEASE_SECONDS = 20\n${ends}`;
    assert.equal(evaluate(`outcome(lambda: restore.swap("${data("kept")}"))`, before), null);
  });

  it("refuses while the node of the volume runs, which has locked it, and locks it itself", () => {
    const held = `import fcntl\nheld = open("${data("in-use")}", "a")\nfcntl.flock(held, fcntl.LOCK_EX)`;
    const discard = `[setattr(restore, "print", lambda text, flush: said.append(text)), restore.discard(), said]`;
    assert.deepEqual(evaluate(discard, `said = []\n${held}`), [null, 1, ["the node of these data runs: somebody has started it"]]);
    assert.deepEqual(readdirSync(data("node")), ["old"]);
    const restored = `[setattr(restore, "print", lambda text, flush: said.append(text)), restore.restore("A", "latest", "latest", "kept"), said]`;
    assert.deepEqual(evaluate(restored, `said = []\n${etcd({})}\n${held}`), [
      null,
      1,
      ["the node of these data runs: somebody has started it"],
    ]);
    assert.deepEqual(readdirSync(data("node.restored")), ["new"], "which may be that of another restore");
    const other = `[lock := restore.locked(), outcome(restore.locked)][-1]`;
    assert.equal(evaluate(other, etcd({})), "the node of these data runs: somebody has started it");
  });

  it("deletes the data of a node that copies the restored ones, or keeps them", () => {
    assert.equal(evaluate(`restore.discard("kept")`), 0);
    assert.deepEqual([existsSync(data("node")), readdirSync(data("kept"))], [false, ["old"]]);
    assert.equal(evaluate(`restore.discard("kept")`), 0, "there are none any more");
    mkdirSync(data("node"));
    assert.equal(evaluate(`restore.discard()`), 0);
    assert.equal(existsSync(data("node")), false);
  });

  it("raises the epoch of Redis above every one that was given before, in the app's database, where it has one", () => {
    const raise = (printed: string, keys: Readonly<Record<string, string>>): [unknown, string, unknown] => {
      const sql = path.join(programs.directory, "sql");
      programs.program("psql", `cat > "${sql}"; printf '%s' "${printed}"`);
      const [said, puts] = evaluate(`[outcome(restore.raise_fence), puts]`, etcd(keys)) as [unknown, unknown];
      return [said, readFileSync(sql, "utf8"), puts];
    };
    const key = "/phased-stack/postgres/fence";
    const [said, sql, puts] = raise("3000007\n", { [key]: "2000007" });
    assert.deepEqual([said, puts], [null, [[key, "3000007"]]]);
    assert.match(
      sql,
      /^\\connect app\n[^]*^UPDATE public\.redis_fence SET epoch = greatest\(epoch, 2000007\) \+ 1000000 WHERE id = 1 RETURNING epoch;$/m,
    );
    assert.match(raise("1000001\n", {})[1], /greatest\(epoch, 0\)/, "the first restore");
    assert.deepEqual(raise("", {})[2], [], "an app without it");
  });

  it("finds where log is missing after the newest backup, by the numbers of the segments, whatever timelines they are on", () => {
    const T0 = 1767225600;
    const lost = (
      stop: string | null,
      names: readonly string[],
      noticed: string | null = null,
      backups: readonly object[] = [],
    ): unknown => {
      const files = Object.fromEntries(
        names.map((name, index) => [`17-1/${name}-${"a".repeat(40)}.zst`, { type: "file", time: T0 + index }]),
      );
      pgbackrest({ "repo-ls archive/postgres": JSON.stringify(files) });
      return evaluate(`repository.lost(${python({ stop, backups })}, ${noticed === null ? "None" : JSON.stringify(noticed)})`);
    };
    const all = [1, 2, 254, 255, 256, 257].map((number) => segment(1, number));
    assert.equal(lost(segment(1, 254), all), null, "what is missing before the backup is not needed");
    assert.equal(lost(segment(1, 2), all), "2026-01-01T00:00:01Z", "until then it is whole");
    const switched = [segment(1, 7), segment(1, 8), segment(2, 8), segment(2, 9)];
    assert.equal(lost(segment(1, 7), switched), null, "a change of the primary");
    assert.equal(lost(segment(1, 7), [segment(1, 7), segment(2, 9)]), "2026-01-01T00:00:00Z", "the dead primary archived no more");
    assert.equal(lost(segment(3, 5), [segment(1, 5), segment(1, 9), segment(3, 5), segment(3, 6)]), null, "what a restore left out");
    // Dropped at the end, so that nothing comes after it.
    const backup = (startedAt: string) => ({ startedAt });
    const [noticed, end] = ["2026-01-01T05:00:00Z", [segment(1, 7), segment(1, 8)]];
    assert.equal(lost(segment(1, 7), end, noticed, [backup("2026-01-01T00:00:00Z")]), "2026-01-01T00:00:01Z");
    assert.equal(lost(segment(1, 7), end, noticed, [backup("2026-01-01T05:00:01Z")]), null, "a newer backup makes up for it");
    assert.equal(lost(null, end, noticed), null, "there is nothing to restore from at all");
  });

  it("tells it with the repository, and leaves it out while nobody knows", () => {
    const archive = { start: segment(1, 7), stop: segment(1, 7) };
    const backup = {
      label: "A",
      type: "full",
      archive,
      info: { size: 1, repository: { delta: 1 } },
      timestamp: { start: 1767225600, stop: 1767225604 },
    };
    const stanza = [{ archive: [], backup: [backup], db: [{ "system-id": 7 }], status: { code: 0, message: "ok" } }];
    const files = { [`17-1/${segment(1, 7)}-${"a".repeat(40)}.zst`]: { type: "file", time: 1767225603 } };
    const told = (etcd: string): Record<string, unknown> => {
      pgbackrest({ info: JSON.stringify(stanza), "repo-ls archive/postgres": JSON.stringify(files) });
      const fakes = `setattr(backups, "own_system_id", lambda: "7"), setattr(repository, "forks", lambda: []), setattr(backups, "Etcd", ${etcd})`;
      return evaluate(
        `[${fakes}, setattr(backups, "print", lambda text, flush: told.append(text)), backups.info(), json.loads(told[0])][-1]`,
        "told = []",
      ) as Record<string, unknown>;
    };
    const has = (state: string): string => `type("E", (), {"read": lambda self: ${state}})`;
    assert.equal(told(has("{}"))["gap"], null);
    assert.equal(told(has('{"gap": "2026-01-01T01:00:00Z"}'))["gap"], "2026-01-01T00:00:03Z");
    assert.equal(told(has('{"gap": "2025-12-31T23:00:00Z"}'))["gap"], null);
    const away = told(has('(_ for _ in ()).throw(OSError("away"))'));
    assert.deepEqual(["gap" in away, away["repository"]], [false, null]);
  });

  it("a restore whose archive ends too early says what can be had", () => {
    const text = "LOG:  redo done\nFATAL:  recovery ended before configured recovery target was reached\n";
    assert.match(String(evaluate(`restore.failure(${JSON.stringify(text)})`)), /ends before that moment, or some of it is missing/);
    assert.equal(
      evaluate(`restore.failure("LOG: x\\nFATAL:  could not locate a valid checkpoint record\\n")`),
      "could not locate a valid checkpoint record",
    );
    assert.equal(evaluate(`restore.quoted("it's")`), "'it''s'");
  });
});
