import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import fc from "fast-check";
import { contentDisposition, parseRange } from "../../../app/src/documents/range";
import { UploadGate } from "../../../app/src/documents/upload";
import { eventually } from "../../support/services/container";
import { type Answer, assertProblem, type Problem, TestApp } from "../http/support";
import { pdf, png } from "./pdf";

interface DocumentView {
  readonly id: string;
  readonly name: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly status: string;
  readonly textStatus: string;
  readonly pages: number | null;
  readonly width: number | null;
  readonly height: number | null;
}
interface Added {
  readonly document: DocumentView;
  readonly jobs: string[];
}

const sha256 = (content: Buffer): string => createHash("sha256").update(content).digest("hex");

describe("A21 documents", function () {
  this.timeout(20_000);
  let app: TestApp;
  let token: string;
  let companyId: string;
  let root: string;

  beforeEach(async () => {
    app = await TestApp.start({ DOCUMENT_MAX_BYTES: "100000" });
    ({ token, companyId } = await app.signUp());
    root = path.join(app.directory, "documents");
  });
  afterEach(() => app.remove());

  async function send<Body>(
    method: string,
    where: string,
    options: Omit<RequestInit, "headers"> & { headers?: Record<string, string>; as?: string } = {},
  ): Promise<Answer<Body>> {
    const answer = await fetch(`${app.url}${where}`, {
      method,
      ...options,
      headers: { Authorization: `Bearer ${options.as ?? token}`, ...options.headers },
    });
    const text = await answer.text();
    const isJson = answer.headers.get("content-type")?.includes("json") ?? false;
    return { status: answer.status, headers: answer.headers, text, body: (isJson && text !== "" ? JSON.parse(text) : undefined) as Body };
  }

  function upload(name: string, content: Buffer, as = token): Promise<Answer<Added>> {
    const form = new FormData();
    form.set("file", new Blob([new Uint8Array(content)]), name);
    return send<Added>("POST", "/api/documents", { body: form, as });
  }

  async function uploaded(name: string, content: Buffer): Promise<DocumentView> {
    const answer = await upload(name, content);
    assert.equal(answer.status, 201, answer.text);
    return answer.body.document;
  }

  async function refused(status: number, answer: Promise<Answer<unknown>>): Promise<Problem> {
    const { body, ...rest } = await answer;
    assert.equal(rest.status, status, rest.text);
    assertProblem({ ...rest, body: body as Problem }, status);
    return body as Problem;
  }

  const filesBelow = (directory: string): string[] =>
    existsSync(directory)
      ? readdirSync(directory, { recursive: true, withFileTypes: true }).flatMap((entry) => (entry.isFile() ? [entry.name] : []))
      : [];
  const usage = async () => (await send<{ used: { documents: number; bytes: number } }>("GET", "/api/documents/usage")).body.used;

  it("A21 an upload is stored under its content and comes back byte for byte, as a form and as a plain body", async () => {
    const content = Buffer.from("Rechnung für Änne\nline two\n");
    const form = await upload("Rechnung Änne.txt", content);
    assert.equal(form.status, 201, form.text);
    const { document } = form.body;
    assert.equal(form.headers.get("location"), `/api/documents/${document.id}`);
    assert.deepEqual(
      [document.name, document.mediaType, document.sizeBytes, document.sha256, document.status],
      ["Rechnung Änne.txt", "text/plain", content.length, sha256(content), "pending"],
    );
    const file = path.join(root, companyId, document.sha256.slice(0, 2), document.sha256);
    assert.deepEqual(readFileSync(file), content);
    const raw = await send<Added>("POST", "/api/documents?name=again.txt", {
      body: new Uint8Array(content),
      headers: { "Content-Type": "text/plain" },
    });
    assert.equal(raw.status, 201, raw.text);
    assert.deepEqual(filesBelow(root), [document.sha256], "the same content is kept once, and nothing is left of the uploads");
    const got = await send("GET", `/api/documents/${document.id}/content`);
    assert.equal(got.text, content.toString());
    assert.equal(got.headers.get("content-type"), "text/plain; charset=utf-8");
    assert.equal(got.headers.get("x-content-type-options"), "nosniff");
    assert.match(got.headers.get("content-disposition") ?? "", /^attachment; .*filename\*=UTF-8''Rechnung%20%C3%84nne\.txt$/);
    assert.deepEqual(await usage(), { documents: 2, bytes: 2 * content.length });
  });

  it("A21 parts of a document by Range, and 304 for who has it", async () => {
    const { id, sha256: digest } = await uploaded("digits.txt", Buffer.from("0123456789"));
    const part = (range: string, more: Record<string, string> = {}) =>
      send("GET", `/api/documents/${id}/content`, { headers: { Range: range, ...more } });
    for (const [range, expected, header] of [
      ["bytes=2-4", "234", "bytes 2-4/10"],
      ["bytes=7-", "789", "bytes 7-9/10"],
      ["bytes=-3", "789", "bytes 7-9/10"],
      ["bytes=5-99", "56789", "bytes 5-9/10"],
    ] as const) {
      const answer = await part(range);
      assert.deepEqual([answer.status, answer.text, answer.headers.get("content-range")], [206, expected, header]);
      assert.equal(answer.headers.get("content-length"), String(expected.length));
    }
    const beyond = await part("bytes=10-");
    assert.deepEqual([beyond.status, beyond.headers.get("content-range")], [416, "bytes */10"]);
    assert.equal((await part("bytes=1-2,4-5")).status, 200, "several parts: the whole");
    assert.equal((await part("bytes=1-2", { "If-Range": '"other"' })).status, 200);
    assert.equal((await part("bytes=1-2", { "If-Range": `"${digest}"` })).status, 206);
    const known = await send("GET", `/api/documents/${id}/content`, { headers: { "If-None-Match": `"${digest}"` } });
    assert.deepEqual([known.status, known.text], [304, ""]);
  });

  it("A21 the kind is told by the content, whatever name and type it claims", async () => {
    const cases: [string, Buffer, string | undefined][] = [
      ["a.txt", pdf(["x"]), "application/pdf"],
      ["a.pdf", png(3, 4), "image/png"],
      ["a.exe", Buffer.from("MZ\x90\x00\x03\x00", "latin1"), undefined],
      ["a.txt", Buffer.from([0xc3, 0x28]), undefined],
      ["a.txt", Buffer.concat([Buffer.alloc(70_000, 97), Buffer.from([0])]), undefined],
      ["a.txt", Buffer.concat([Buffer.alloc(4095, 97), Buffer.from("ü")]), "text/plain"],
      ["a.html", Buffer.from("<script>alert(1)</script>"), "text/plain"],
    ];
    for (const [name, content, mediaType] of cases) {
      if (mediaType === undefined) {
        const problem = await refused(415, upload(name, content));
        assert.match(problem.detail, /application\/pdf/);
      } else assert.equal((await uploaded(name, content)).mediaType, mediaType);
    }
    assert.equal(filesBelow(path.join(root, "incoming")).length, 0);
  });

  it("A21 too large, empty, without a file, with two files, with a bad name: refused, and nothing is left", async () => {
    await refused(413, upload("big.txt", Buffer.alloc(100_001, 97)));
    await refused(413, send("POST", "/api/documents?name=big.txt", { body: new Uint8Array(Buffer.alloc(200_000, 97)) }));
    await refused(400, upload("empty.txt", Buffer.alloc(0)));
    const none = new FormData();
    none.set("other", "x");
    await refused(400, send("POST", "/api/documents", { body: none }));
    const two = new FormData();
    two.append("file", new Blob(["a"]), "a.txt");
    two.append("file", new Blob(["b"]), "b.txt");
    await refused(400, send("POST", "/api/documents", { body: two }));
    await refused(400, send("POST", "/api/documents", { body: new Uint8Array([97]) }));
    await refused(400, send("POST", "/api/documents?name=a%2Fb.txt", { body: new Uint8Array([97]) }));
    await refused(415, send("POST", "/api/documents?name=a.json", { body: "{}", headers: { "Content-Type": "application/json" } }));
    await refused(400, send("POST", "/api/documents", { body: "x", headers: { "Content-Type": "multipart/form-data" } }));
    assert.deepEqual(filesBelow(root), []);
    assert.deepEqual(await usage(), { documents: 0, bytes: 0 });
  });

  it("A21 a client that leaves in the middle leaves nothing behind", async () => {
    const client = httpRequest(`${app.url}/api/documents?name=half.txt`, {
      method: "POST",
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "text/plain", "Content-Length": "90000" },
    });
    client.on("error", () => undefined);
    client.write(Buffer.alloc(50_000, 97));
    await eventually("it is being written", () => filesBelow(path.join(root, "incoming")).length === 1, 5000, 5);
    client.destroy();
    await eventually("nothing is left", () => filesBelow(root).length === 0, 5000, 5);
    assert.deepEqual(await usage(), { documents: 0, bytes: 0 });
  });

  it("A21 names are no paths: whatever a client sends, files are only where they belong", async () => {
    const before = new Set(readdirSync(app.directory));
    for (const name of ["..%2F..%2Fapp.db", "..", "%2Fetc%2Fpasswd", "..%5C..%5Cx", "a%00.txt", "CON"]) {
      await send("POST", `/api/documents?name=${name}`, { body: new Uint8Array([97]), headers: { "Content-Type": "text/plain" } });
    }
    assert.deepEqual(new Set(readdirSync(app.directory)), new Set([...before, "documents"]));
    assert.deepEqual(new Set(filesBelow(root)), new Set([sha256(Buffer.from("a"))]));
    for (const id of ["..%2f..%2fapp.db", "..", "%2e%2e%2fincoming"]) {
      await refused(404, send("GET", `/api/documents/${id}/content`));
    }
  });

  it("A21 documents of another company cannot be listed, read, or deleted, though their content is the same", async () => {
    const content = Buffer.from("the same in both");
    const mine = await uploaded("mine.txt", content);
    const other = await app.signUp();
    const theirs = await upload("theirs.txt", content, other.token);
    for (const [method, suffix] of [
      ["GET", ""],
      ["GET", "/content"],
      ["GET", "/text"],
      ["POST", "/text"],
      ["DELETE", ""],
    ] as const) {
      await refused(404, send(method, `/api/documents/${mine.id}${suffix}`, { as: other.token }));
    }
    const list = await send<{ data: DocumentView[] }>("GET", "/api/documents", { as: other.token });
    assert.deepEqual(
      list.body.data.map(({ name }) => name),
      ["theirs.txt"],
    );
    assert.equal((await send("DELETE", `/api/documents/${theirs.body.document.id}`, { as: other.token })).status, 204);
    assert.equal((await send("GET", `/api/documents/${mine.id}/content`)).text, content.toString());
  });

  it("A21 deleting takes the content with the last document that has it", async () => {
    const content = Buffer.from("twice");
    const [one, two] = [await uploaded("1.txt", content), await uploaded("2.txt", content)];
    assert.equal((await send("DELETE", `/api/documents/${one.id}`)).status, 204);
    assert.equal((await send("GET", `/api/documents/${two.id}/content`)).text, "twice");
    assert.equal((await send("DELETE", `/api/documents/${two.id}`)).status, 204);
    assert.deepEqual(filesBelow(root), []);
    assert.deepEqual(await usage(), { documents: 0, bytes: 0 });
    await refused(404, send("DELETE", `/api/documents/${two.id}`));
  });

  it("A21 uploading and deleting the same content at the same time never leaves a document without it", async () => {
    const content = Buffer.from("contended");
    let last = await uploaded("0.txt", content);
    for (let round = 0; round < 15; round++) {
      const [, added] = await Promise.all([send("DELETE", `/api/documents/${last.id}`), upload(`${round}.txt`, content)]);
      last = added.body.document;
      assert.equal((await send("GET", `/api/documents/${last.id}/content`)).text, "contended");
    }
    assert.equal(filesBelow(root).length, 1);
  });

  it("E6 A21 the plan's storage is exact under concurrency", async () => {
    await app.container.database.run("INSERT INTO document_usage (company_id, documents, bytes) VALUES (?, 195, 0)", [companyId]);
    const answers = await Promise.all(Array.from({ length: 12 }, (_, n) => upload(`${n}.txt`, Buffer.from(`content ${n}`))));
    const statuses = answers.map(({ status }) => status).sort();
    assert.deepEqual(statuses, [...Array.from({ length: 5 }, () => 201), ...Array.from({ length: 7 }, () => 402)]);
    assert.equal((await usage()).documents, 200);
    assert.equal(filesBelow(root).length, 5, "refused uploads are gone");
    const problem = await refused(402, upload("more.txt", Buffer.from("more")));
    assert.match(problem.detail, /Plan FREE allows 200 documents/);
  });

  it("D5 document-processing and ocr-processing: pages, size, checksum and text of what was uploaded", async () => {
    app.container.jobs.start();
    const read = async (id: string): Promise<DocumentView> => (await send<DocumentView>("GET", `/api/documents/${id}`)).body;
    const invoice = await uploaded("invoice.pdf", pdf(["Invoice 4711", "Total 12 EUR"]));
    const picture = await uploaded("picture.png", png(640, 480));
    const text = await uploaded("notes.txt", Buffer.from("Grüße aus Köln"));
    await eventually("all are processed", async () => {
      const views = await Promise.all([invoice, picture, text].map(({ id }) => read(id)));
      return views.every(({ status, textStatus }) => status === "processed" && textStatus !== "pending");
    });
    const facts = async (id: string) => {
      const { pages, width, height, textStatus } = await read(id);
      return [pages, width, height, textStatus];
    };
    assert.deepEqual(await facts(invoice.id), [2, 612, 792, "extracted"]);
    assert.deepEqual(await facts(picture.id), [null, 640, 480, "unsupported"]);
    const extracted = await send<{ text: string; truncated: boolean }>("GET", `/api/documents/${invoice.id}/text`);
    assert.deepEqual([extracted.body.text, extracted.body.truncated], ["Invoice 4711\nTotal 12 EUR", false]);
    assert.equal((await send<{ text: string }>("GET", `/api/documents/${text.id}/text`)).body.text, "Grüße aus Köln");
    await refused(409, send("GET", `/api/documents/${picture.id}/text`));
    await refused(409, send("POST", `/api/documents/${picture.id}/text`));
    const again = await send<{ id: string; queue: string; priority: string }>("POST", `/api/documents/${invoice.id}/text`);
    assert.deepEqual([again.status, again.body.queue, again.body.priority], [202, "ocr-processing", "high"]);
    await eventually("again", async () => (await read(invoice.id)).textStatus === "extracted");
  });

  it("D5 content that is damaged on disk, or no PDF after its first bytes, ends as a failed document and a dead letter", async () => {
    await app.container.jobs.queue.pause("document-processing");
    const damaged = await uploaded("a.txt", Buffer.from("as it was"));
    writeFileSync(path.join(root, companyId, damaged.sha256.slice(0, 2), damaged.sha256), "as it is!");
    const broken = await uploaded("b.pdf", Buffer.from("%PDF-1.7 and nothing else"));
    const gone = await uploaded("c.txt", Buffer.from("gone"));
    rmSync(path.join(root, companyId, gone.sha256.slice(0, 2), gone.sha256));
    await app.container.jobs.queue.resume("document-processing");
    app.container.jobs.start();
    await eventually("all failed", async () => {
      const views = await Promise.all([damaged, broken, gone].map(({ id }) => send<DocumentView>("GET", `/api/documents/${id}`)));
      return views.every(({ body }) => body.status === "failed");
    });
    const dead = await app.container.jobs.queue.deadLetters("document-processing", 10);
    assert.deepEqual(dead.map(({ error }) => error).sort(), [
      "The PDF cannot be read: Invalid PDF structure.",
      "The content is damaged: its checksum is not the one it was stored with.",
      "The content of the document is missing.",
    ]);
    await refused(404, send("GET", `/api/documents/${gone.id}/content`));
  });

  it("A21 an upload is streamed: as long as the storage does not take more, only a little is read of it", async () => {
    const piece = Buffer.alloc(16 * 1024, 97);
    let produced = 0;
    const source = new Readable({
      read() {
        produced += 1;
        this.push(produced > 10_000 ? null : piece);
      },
    });
    const gate = new UploadGate(1024 ** 3);
    const done = pipeline(source, gate);
    let before = -1;
    await eventually("the source stands still", () => {
      const still = produced === before;
      before = produced;
      return still;
    });
    assert.ok(produced < 20, `${produced} pieces were read ahead`);
    let bytes = 0;
    for await (const taken of gate as AsyncIterable<Buffer>) bytes += taken.length;
    await done;
    assert.equal(bytes, 10_000 * piece.length);
    assert.equal(gate.mediaType, "text/plain");
  });

  it("A21 ranges are within the content or refused, whatever is asked (property)", () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.option(fc.nat(1200)), fc.option(fc.nat(1200)), (size, from, to) => {
        const range = parseRange(`bytes=${from ?? ""}-${to ?? ""}`, size);
        if (range === undefined || range === "unsatisfiable") return true;
        return range.start >= 0 && range.start <= range.end && range.end < size;
      }),
    );
  });

  it("A21 any name gives a header that is valid and says the name (property)", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", minLength: 1, maxLength: 200 }), (name) => {
        const header = contentDisposition(name);
        assert.match(header, /^attachment; filename="[\x20-\x7e]*"; filename\*=UTF-8''[!-~]+$/);
        assert.equal(decodeURIComponent(header.split("UTF-8''")[1] ?? ""), Buffer.from(name, "utf8").toString("utf8"));
      }),
    );
  });
});
