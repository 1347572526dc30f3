import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { postgresContext } from "../../components/local/postgres";
import { readRepository, restorePostgres } from "../../toolchain/lib/postgres-restore";
import { checkOwner, restorePlan } from "../../toolchain/lib/restore-plan";
import { issue } from "../support/certificates";
import { docker } from "../support/docker";
import { S3Server } from "../support/s3-server";
import { dockerCommand, eventually } from "../support/services/container";
import { type BackupPlace, type PatroniGroup, type PatroniNode, startPatroni, streaming } from "../support/services/patroni";

const SCHEDULE = { everyHours: 6, fullEveryDays: 7, keepDays: 7 };
const KEYS = { key: "AKIATEST", keySecret: "se/cr+et=", passphrase: randomBytes(24).toString("hex") };

/** What pgBackRest encrypts begins like this; but bundles, and files of which only changed blocks are kept, with the salt itself. */
const ENCRYPTED = Buffer.from("Salted__");
const WITHOUT_HEADER = /\/bundle\/\d+$|\.pgbi$/;

const restoreCommand = (): string => "npm run restore";

/** Not encrypted, these would begin with what Zstandard writes first. */
const ZSTD = Buffer.from("28b52ffd", "hex");

const isEncrypted = (key: string, content: Buffer): boolean =>
  WITHOUT_HEADER.test(key) ? !content.subarray(0, ZSTD.length).equals(ZSTD) : content.subarray(0, ENCRYPTED.length).equals(ENCRYPTED);

/** A cluster that loses its host, and another one that takes its database over, from nothing but the bucket and the passphrase. */
describe("F8 B15 backups in an object storage that speaks S3, over TLS", function () {
  this.timeout(600_000);
  let [s3, group, place]: [S3Server?, PatroniGroup?, BackupPlace?] = [];
  let primary: PatroniNode;
  const server = (): S3Server => s3 ?? assert.fail("no server");
  const backups = (...words: readonly string[]): Promise<string> => primary.exec(["entrypoint.sh", "backups", ...words]);
  const info = () => readRepository(docker.getContainer(primary.container));
  const insert = (note: string) => primary.sql("INSERT INTO kept (note) VALUES ($1)", [note], "app");
  const notes = async (node: PatroniNode = primary): Promise<string[]> =>
    (await node.sql<{ note: string }>("SELECT note FROM kept ORDER BY id", [], "app")).map(({ note }) => note);
  /** Waits until all that was written so far is in the archive. */
  const archived = async (): Promise<void> => {
    const [row] = await primary.sql<{ name: string }>("SELECT pg_walfile_name(pg_switch_wal()) AS name");
    await eventually("it is archived", () => [...server().objects.keys()].some((key) => key.includes(row?.name ?? "?")), 180_000);
  };

  before(async () => {
    const bridge = (await dockerCommand(["network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"])).trim();
    const tls = issue({ name: "storage", addresses: [bridge] });
    s3 = await S3Server.start({ host: bridge, tls, page: 100 });
    s3.fault = ({ keyId }) => (keyId === KEYS.key ? undefined : 403);
    const { bucket, port } = s3;
    const endpoint = `${bridge}:${port}`;
    const repository = { bucket, path: "/shop", endpoint, region: "us-east-1", uriStyle: "path", certificates: tls.certificate } as const;
    place = { repository, keys: KEYS };
    group = await startPatroni(1, SCHEDULE, place);
    primary = await streaming(group);
    await primary.sql("CREATE TABLE kept (id serial PRIMARY KEY, note text)", [], "owner");
    await insert("in the full backup");
  });
  after(async () => {
    await group?.remove();
    await s3?.stop();
  });

  it("B15 full and incremental backups and the log are there, verified, and encrypted every one", async () => {
    await backups("backup", "full");
    // Larger than what is uploaded at once.
    await primary.sql(
      "CREATE TABLE big AS SELECT n, gen_random_uuid() AS one, gen_random_uuid() AS two FROM generate_series(1, 300000) AS n",
      [],
      "owner",
    );
    await insert("in the incremental backup");
    await backups("backup", "incr");
    await backups("verify");
    await insert("in the log only");
    await archived();
    const { repository, backups: made, foreign } = await info();
    assert.deepEqual([repository, made.map(({ type }) => type), foreign], [null, ["full", "incr"], false]);
    const keys = [...server().objects.keys()];
    assert.ok(keys.length > 10 && keys.every((key) => key.startsWith("shop/")), keys.join(" "));
    const plain = [...server().objects].filter(([key, { content }]) => content.length > 0 && !isEncrypted(key, content));
    assert.deepEqual(
      plain.map(([key]) => key),
      [],
      "readable for whoever has the bucket",
    );
    assert.ok(
      server().seen.some(({ query }) => query.has("uploadId")),
      "a large file was uploaded in parts",
    );
    assert.equal((await primary.exec(["ls", "/var/lib/pgbackrest"])).trim(), "", "the volume is not used");
  });

  it("B15 keys and passphrase are in no environment, image or argument", async () => {
    const seen = await dockerCommand(["inspect", primary.container]);
    const built = postgresContext(group!.settings).map(({ content }) => Buffer.from(content).toString());
    const running = await primary.exec(["bash", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2> /dev/null | tr '\\0' '\\n'"]);
    for (const secret of [KEYS.keySecret, KEYS.passphrase]) for (const text of [seen, running, ...built]) assert.ok(!text.includes(secret));
  });

  it("B15 a key that is refused, another passphrase and a server that is gone are told in one sentence; writes go on", async () => {
    const problem = async (environment: readonly string[] = []): Promise<string> => {
      const printed = await primary.exec(["env", ...environment, "entrypoint.sh", "backups", "info"]);
      return (JSON.parse(printed) as { repository: string }).repository;
    };
    server().fault = () => 403;
    assert.match(await problem(), /^HTTP request failed with 403 \(Forbidden\): AccessDenied/);
    server().fault = ({ keyId }) => (keyId === KEYS.key ? undefined : 403);
    assert.match(
      await problem(["PGBACKREST_REPO1_CIPHER_PASS=another"]),
      /^it cannot be decrypted: this stack's passphrase \(backupPassphrase\)/,
    );
    const { port } = server();
    await server().stop();
    try {
      const started = performance.now();
      assert.match(await problem(), /^unable to connect to '.*': \[111\] Connection refused/);
      assert.ok(performance.now() - started < 60_000, "the watch would give it up before it says why");
      await insert("while the storage was gone");
    } finally {
      const before = server();
      s3 = await S3Server.start({ ...before.options, port });
      for (const [key, object] of before.objects) s3.objects.set(key, object);
    }
    await archived();
    assert.equal(await problem(), null);
  });

  it("F8 another cluster adds nothing to them, and takes the database over when it is told to, with all that was archived", async () => {
    const before = await notes();
    await group!.remove();
    group = undefined;
    group = await startPatroni(2, SCHEDULE, place);
    primary = await streaming(group);
    await primary.sql("CREATE TABLE of_its_own ()", [], "owner");
    const stored = (): Map<string, number> => new Map([...server().objects].map(([key, { content }]) => [key, content.length]));
    const untouched = stored();
    await primary.sql("SELECT pg_switch_wal()");
    await eventually("its log was refused", async () => {
      const [row] = await primary.sql<{ failed: string }>("SELECT failed_count AS failed FROM pg_stat_archiver");
      return Number(row?.failed) > 0;
    });
    // The reason is what it prints, and not in the error's message.
    await assert.rejects(backups("backup", "full"), { stdout: /do not match stanza version/ });
    assert.deepEqual(stored(), untouched);

    const found = await info();
    assert.equal(found.foreign, true);
    assert.throws(() => checkOwner(found, restoreCommand, false, Date.now()), /backups of another database/);
    // By the time of the last segment: on a busy machine the nodes may have taken minutes to start.
    const soon = Date.parse(found.writtenAt ?? assert.fail("nobody archived")) + 1000;
    assert.throws(() => checkOwner(found, restoreCommand, true, soon), /the stack whose backups these are still runs/);
    server().age(300_000);
    const old = await info();
    assert.equal(old.gap, null, "nothing is missing there");
    checkOwner(old, restoreCommand, true, Date.now());
    const infos = await docker.listContainers({ all: true });
    const nodes = group.nodes.map(({ container }) => infos.find(({ Names }) => Names.includes(`/${container}`))!);
    const own = nodes.find(({ Names }) => Names.includes(`/${primary.container}`))!;
    const said: string[] = [];
    await restorePostgres({
      ...{ docker, nodes, primary: own, serves: true, plan: restorePlan(old, "latest", Date.now()) },
      ...{ oldData: "node.before-test", keepOld: false, keepStandbys: false, say: (line: string) => said.push(line) },
    });

    primary = await streaming(group);
    for (const node of group.nodes) assert.deepEqual(await notes(node), before, said.join("\n"));
    assert.deepEqual(await primary.sql("SELECT to_regclass('of_its_own') AS name", [], "owner"), [{ name: null }]);
    const now = await info();
    assert.deepEqual([now.repository, now.foreign, now.backups.at(-1)?.type], [null, false, "incr"]);
    await insert("on the new host");
    await archived();
  });
});
