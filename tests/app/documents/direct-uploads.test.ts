import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { FORM_SECONDS } from "../../../app/src/documents/s3-direct";
import { S3Server } from "../../support/s3-server";
import { pdf } from "./pdf";
import { type Added, DocumentsApp, filesBelow, refused, sha256 } from "./support";

interface Form {
  readonly way: "form";
  readonly id: string;
  readonly url: string;
  readonly fields: Record<string, string>;
  readonly expiresAt: string;
  readonly complete: string;
}
type Way = Form | { readonly way: "body"; readonly url: string };

const LOGIN = { AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" };

describe("A21 uploads by clients to the storage", function () {
  this.timeout(30_000);
  const environment = { ...process.env };
  let server: S3Server;
  let rig: DocumentsApp;

  before(async () => {
    Object.assign(process.env, LOGIN);
    server = await S3Server.start();
  });
  beforeEach(async () => {
    server.objects.clear();
    server.seen.length = 0;
    server.fault = () => undefined;
    server.ahead = 0;
    rig = await DocumentsApp.start({
      ...{ S3_BUCKET: server.bucket, S3_ENDPOINT: server.endpoint, S3_DIRECT_UPLOADS: "on", DOCUMENT_MAX_BYTES: "100000" },
    });
  });
  afterEach(() => rig.remove());
  after(async () => {
    for (const name of Object.keys(LOGIN)) {
      if (environment[name] === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = environment[name];
    }
    await server.stop();
  });

  const announce = (name: string, content: Buffer, more: Record<string, unknown> = {}, as = rig.token) =>
    rig.send<Way>("POST", "/api/documents/uploads", {
      body: JSON.stringify({ name, sizeBytes: content.length, sha256: sha256(content), ...more }),
      headers: { "Content-Type": "application/json" },
      as,
    });

  async function form(name: string, content: Buffer, as = rig.token): Promise<Form> {
    const answer = await announce(name, content, {}, as);
    assert.equal(answer.status, 200, answer.text);
    assert.ok(answer.body.way === "form");
    return answer.body;
  }

  /** As a browser does, with fields changed or left out. */
  async function sendForm({ url, fields }: Form, content: Buffer, changed: Record<string, string | undefined> = {}): Promise<number> {
    const body = new FormData();
    for (const [name, value] of Object.entries({ ...fields, ...changed })) if (value !== undefined) body.set(name, value);
    body.set("file", new Blob([new Uint8Array(content)]));
    return (await fetch(url, { method: "POST", body })).status;
  }

  const complete = (id: string, as = rig.token) => rig.send<Added>("POST", `/api/documents/uploads/${id}/complete`, { as });

  async function sent(name: string, content: Buffer, as = rig.token): Promise<string> {
    const asked = await form(name, content, as);
    assert.equal(await sendForm(asked, content), 204);
    return asked.id;
  }

  const keys = () => [...server.objects.keys()];

  it("A21 content goes to the bucket and not through the app, and is a document once it is completed", async () => {
    const content = pdf(["Hello"]);
    const asked = await form("Rechnung Änne.pdf", content);
    assert.ok(asked.url.startsWith(server.endpoint));
    assert.equal(asked.complete, `/api/documents/uploads/${asked.id}/complete`);
    const left = new Date(asked.expiresAt).getTime() - Date.now();
    assert.ok(left > 0 && left <= FORM_SECONDS * 1000);
    assert.equal(await sendForm(asked, content), 204);
    await refused(404, rig.send("GET", `/api/documents/${asked.id}`));
    assert.deepEqual(await rig.usage(), { documents: 0, bytes: 0 });
    const done = await complete(asked.id);
    assert.equal(done.status, 201, done.text);
    const { document } = done.body;
    assert.equal(done.headers.get("location"), `/api/documents/${asked.id}`);
    assert.deepEqual(
      [document.id, document.name, document.mediaType, document.sizeBytes, document.sha256],
      [asked.id, "Rechnung Änne.pdf", "application/pdf", content.length, sha256(content)],
    );
    assert.equal(done.body.jobs.length, 2);
    assert.deepEqual(
      keys(),
      [`uploads/${rig.companyId}/${document.sha256.slice(0, 2)}/${document.sha256}`],
      "nothing is left of the upload",
    );
    assert.deepEqual(await rig.usage(), { documents: 1, bytes: content.length });
    assert.deepEqual(filesBelow(rig.root), [], "and nothing was here");
    const got = await rig.send("GET", `/api/documents/${asked.id}/content`);
    assert.equal(got.status, 200);
    assert.equal(got.text, content.toString());
  });

  it("A21 completed again, also at the same time, it is the same document with the same jobs, and counted once", async () => {
    const id = await sent("once.txt", Buffer.from("only once"));
    const answers = await Promise.all([complete(id), complete(id), complete(id)]);
    const again = await complete(id);
    for (const { status, body, text } of [...answers, again]) {
      assert.ok(status === 200 || status === 201, text);
      assert.deepEqual([body.document.id, body.jobs], [id, again.body.jobs]);
    }
    assert.equal(again.body.jobs.length, 2);
    assert.deepEqual([again.status, again.headers.get("idempotent-replayed")], [200, "true"]);
    assert.deepEqual(await rig.usage(), { documents: 1, bytes: 9 });
    assert.equal(keys().length, 1);
  });

  it("A21 S3 refuses other content, another size, another key, other metadata, and what comes too late", async () => {
    const content = Buffer.from("announced");
    const asked = await form("a.txt", content);
    const other = Buffer.from("another_1");
    assert.equal(other.length, content.length);
    assert.equal(await sendForm(asked, other), 400, "the checksum is signed");
    assert.equal(await sendForm(asked, other, { "x-amz-checksum-sha256": Buffer.from(sha256(other), "hex").toString("base64") }), 403);
    assert.equal(await sendForm(asked, other, { "x-amz-checksum-sha256": undefined }), 403);
    assert.equal(await sendForm(asked, Buffer.from("short")), 400);
    assert.equal(await sendForm(asked, Buffer.alloc(50_000, 97)), 400);
    assert.equal(await sendForm(asked, content, { key: `uploads/${rig.companyId}/aa/${sha256(content)}` }), 403);
    assert.equal(await sendForm(asked, content, { "x-amz-meta-name": "b.txt" }), 403);
    assert.equal(await sendForm(asked, content, { "Content-Type": "text/html" }), 403);
    assert.equal(await sendForm(asked, content, { "x-amz-acl": "public-read" }), 403);
    const policy = JSON.parse(Buffer.from(asked.fields["Policy"] ?? "", "base64").toString()) as { expiration: string };
    const later = { ...policy, expiration: "2999-01-01T00:00:00Z" };
    assert.equal(
      await sendForm(asked, content, { Policy: Buffer.from(JSON.stringify(later)).toString("base64") }),
      403,
      "and it is signed",
    );
    server.ahead = (FORM_SECONDS + 1) * 1000;
    assert.equal(await sendForm(asked, content), 403, "too late");
    server.ahead = 0;
    assert.deepEqual(keys(), []);
    assert.equal(await sendForm(asked, content), 204);
  });

  it("A21 what nobody sent, somebody else sent, or is no id is not there; nothing is told of others", async () => {
    const other = await rig.app.signUp();
    const id = await sent("mine.txt", Buffer.from("mine"));
    for (const unknown of [randomUUID(), "nobody", "%2e%2e%2fuploads"]) {
      await refused(404, rig.send("POST", `/api/documents/uploads/${unknown}/complete`));
    }
    await refused(404, complete(id, other.token));
    assert.equal((await complete(id)).status, 201);
    await refused(404, complete(id, other.token));
    const theirs = await sent("theirs.txt", Buffer.from("mine"), other.token);
    assert.equal((await complete(theirs, other.token)).status, 201);
    assert.equal(keys().length, 2, "the same content is kept for each company");
  });

  it("A21 the kind is told by the content; what is refused is gone", async () => {
    const cases: [string, Buffer, string | undefined][] = [
      ["a.txt", pdf(["x"]), "application/pdf"],
      ["a.exe", Buffer.from("MZ\x90\x00\x03\x00", "latin1"), undefined],
      ["a.txt", Buffer.from([0xc3]), undefined],
      ["a.txt", Buffer.concat([Buffer.alloc(70_000, 97), Buffer.from([0])]), undefined],
      ["a.txt", Buffer.concat([Buffer.alloc(4095, 97), Buffer.from("ü")]), "text/plain"],
    ];
    for (const [name, content, mediaType] of cases) {
      const id = await sent(name, content);
      if (mediaType === undefined) await refused(415, complete(id));
      else assert.equal((await complete(id)).body.document.mediaType, mediaType);
      assert.deepEqual(
        keys().filter((key) => key.startsWith("incoming/")),
        [],
      );
    }
    assert.equal((await rig.usage()).documents, 2);
  });

  it("A21 only as much of a content is read as tells its kind; the rest stays in the bucket", async () => {
    const id = await sent("big.pdf", Buffer.concat([pdf(["x"]), Buffer.alloc(60_000, 32)]));
    server.seen.length = 0;
    assert.equal((await complete(id)).status, 201);
    const reads = server.seen.filter(({ method, key }) => method === "GET" && key.startsWith("incoming/"));
    assert.deepEqual(
      reads.map(({ range }) => range),
      ["bytes=0-4095"],
    );
  });

  it("E6 A21 the plan's storage holds: asked before anything is sent, and decided when it is completed", async () => {
    await rig.app.container.database.run("INSERT INTO document_usage (company_id, documents, bytes) VALUES (?, 198, 0)", [rig.companyId]);
    const ids = await Promise.all(Array.from({ length: 4 }, (_, n) => sent(`${n}.txt`, Buffer.from(`content ${n}`))));
    const statuses = (await Promise.all(ids.map((id) => complete(id)))).map(({ status }) => status).sort();
    assert.deepEqual(statuses, [201, 201, 402, 402]);
    assert.equal(keys().length, 2, "refused uploads are gone");
    const problem = await refused(402, announce("more.txt", Buffer.from("more")));
    assert.match(problem.detail, /Plan FREE allows 200 documents/);
  });

  it("A21 an announcement is checked: size, name, kind and checksum", async () => {
    const content = Buffer.from("x");
    await refused(413, announce("a.txt", content, { sizeBytes: 100_001 }));
    for (const wrong of [{ sizeBytes: 0 }, { name: "a/b" }, { mediaType: "text/html" }, { sha256: "ABC" }, { key: "uploads/x" }]) {
      await refused(400, announce("a.txt", content, wrong));
    }
    const long = "ü".repeat(200);
    const id = await sent(long, content);
    assert.equal((await complete(id)).body.document.name, long);
  });

  it("A21 without a checksum, or where the storage takes no uploads, content goes through the app, and the client is told so", async () => {
    const content = Buffer.from("as before");
    for (const direct of ["on", "off"]) {
      const own = await DocumentsApp.start({ S3_BUCKET: server.bucket, S3_ENDPOINT: server.endpoint, S3_DIRECT_UPLOADS: direct });
      try {
        const announced = { name: "a b.txt", sizeBytes: content.length, ...(direct === "off" && { sha256: sha256(content) }) };
        const answer = await own.send<Way>("POST", "/api/documents/uploads", {
          body: JSON.stringify(announced),
          headers: { "Content-Type": "application/json" },
        });
        assert.deepEqual(answer.body, { way: "body", url: "/api/documents?name=a%20b.txt" });
        const added = await own.send<Added>("POST", answer.body.url, { body: new Uint8Array(content) });
        assert.deepEqual([added.status, added.body.document.name], [201, "a b.txt"]);
        await refused(404, own.send("POST", `/api/documents/uploads/${randomUUID()}/complete`));
      } finally {
        await own.remove();
      }
    }
  });

  it("A21 a bucket that is away: 503, and completing works once it is back", async () => {
    const id = await sent("later.txt", Buffer.from("later"));
    server.fault = () => 503;
    await refused(503, complete(id));
    server.fault = ({ method, key }) => (method === "PUT" && key.startsWith("uploads/") ? 503 : undefined);
    await refused(503, complete(id));
    server.fault = () => undefined;
    assert.equal((await complete(id)).status, 201);
  });

  it("A21 uploads that nobody completes are swept after a day, and only they", async () => {
    const kept = await sent("kept.txt", Buffer.from("kept"));
    await complete(kept);
    await sent("old.txt", Buffer.from("old"));
    server.age(25 * 3_600_000);
    const id = await sent("new.txt", Buffer.from("new"));
    assert.equal(await rig.app.container.jobs.storage.sweep(), 1);
    assert.equal(keys().length, 2);
    assert.equal((await complete(id)).status, 201);
  });

  it("A21 an upload counts once against the limit of uploads: when it is announced", async () => {
    const own = await DocumentsApp.start({
      ...{ S3_BUCKET: server.bucket, S3_ENDPOINT: server.endpoint, S3_DIRECT_UPLOADS: "on" },
      ...{ RATE_LIMITS: "on", RATE_LIMIT_UPLOADS: "2/1m" },
    });
    try {
      const ask = () =>
        own.send<Form>("POST", "/api/documents/uploads", {
          body: JSON.stringify({ name: "a.txt", sizeBytes: 1, sha256: sha256(Buffer.from("a")) }),
          headers: { "Content-Type": "application/json" },
        });
      const [one, two] = [await ask(), await ask()];
      await refused(429, ask());
      for (const { body } of [one, two]) {
        assert.equal(await sendForm(body, Buffer.from("a")), 204);
        assert.equal((await own.send("POST", body.complete)).status, 201);
      }
    } finally {
      await own.remove();
    }
  });

  it("A21 the pages may send forms to the bucket, and only where there are any", async () => {
    const policyOf = async (app: DocumentsApp) => (await app.send("GET", "/")).headers.get("content-security-policy") ?? "";
    assert.match(await policyOf(rig), new RegExp(`connect-src 'self' ${server.endpoint}(;|$)`));
    const local = await DocumentsApp.start({});
    try {
      assert.doesNotMatch(await policyOf(local), /connect-src/);
    } finally {
      await local.remove();
    }
  });
});
