import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import fc from "fast-check";
import { contentDisposition, parseRange } from "../../../app/src/documents/range";
import { UploadGate } from "../../../app/src/documents/upload";
import { eventually } from "../../support/services/container";
import { pdf, png } from "./pdf";
import { type Added, DocumentsApp, type DocumentView, filesBelow, refused, sha256 } from "./support";

describe("A21 documents", function () {
  this.timeout(20_000);
  let rig: DocumentsApp;

  beforeEach(async () => {
    rig = await DocumentsApp.start({ DOCUMENT_MAX_BYTES: "100000" });
  });
  afterEach(() => rig.remove());

  it("A21 an upload is stored under its content and comes back byte for byte, as a form and as a plain body", async () => {
    const content = Buffer.from("Rechnung für Änne\nline two\n");
    const form = await rig.upload("Rechnung Änne.txt", content);
    assert.equal(form.status, 201, form.text);
    const { document } = form.body;
    assert.equal(form.headers.get("location"), `/api/documents/${document.id}`);
    assert.deepEqual(
      [document.name, document.mediaType, document.sizeBytes, document.sha256, document.status],
      ["Rechnung Änne.txt", "text/plain", content.length, sha256(content), "pending"],
    );
    const file = rig.fileOf(document);
    assert.deepEqual(readFileSync(file), content);
    const raw = await rig.send<Added>("POST", "/api/documents?name=again.txt", {
      body: new Uint8Array(content),
      headers: { "Content-Type": "text/plain" },
    });
    assert.equal(raw.status, 201, raw.text);
    assert.deepEqual(filesBelow(rig.root), [document.sha256], "the same content is kept once, and nothing is left of the uploads");
    const got = await rig.send("GET", `/api/documents/${document.id}/content`);
    assert.equal(got.text, content.toString());
    assert.equal(got.headers.get("content-type"), "text/plain; charset=utf-8");
    assert.equal(got.headers.get("x-content-type-options"), "nosniff");
    assert.match(got.headers.get("content-disposition") ?? "", /^attachment; .*filename\*=UTF-8''Rechnung%20%C3%84nne\.txt$/);
    assert.deepEqual(await rig.usage(), { documents: 2, bytes: 2 * content.length });
  });

  it("A21 parts of a document by Range, and 304 for who has it", async () => {
    const { id, sha256: digest } = await rig.uploaded("digits.txt", Buffer.from("0123456789"));
    const part = (range: string, more: Record<string, string> = {}) =>
      rig.send("GET", `/api/documents/${id}/content`, { headers: { Range: range, ...more } });
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
    const known = await rig.send("GET", `/api/documents/${id}/content`, { headers: { "If-None-Match": `"${digest}"` } });
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
        const problem = await refused(415, rig.upload(name, content));
        assert.match(problem.detail, /application\/pdf/);
      } else assert.equal((await rig.uploaded(name, content)).mediaType, mediaType);
    }
    assert.equal(filesBelow(path.join(rig.root, "incoming")).length, 0);
  });

  it("A21 too large, empty, without a file, with two files, with a bad name: refused, and nothing is left", async () => {
    await refused(413, rig.upload("big.txt", Buffer.alloc(100_001, 97)));
    await refused(413, rig.send("POST", "/api/documents?name=big.txt", { body: new Uint8Array(Buffer.alloc(200_000, 97)) }));
    await refused(400, rig.upload("empty.txt", Buffer.alloc(0)));
    const none = new FormData();
    none.set("other", "x");
    await refused(400, rig.send("POST", "/api/documents", { body: none }));
    const two = new FormData();
    two.append("file", new Blob(["a"]), "a.txt");
    two.append("file", new Blob(["b"]), "b.txt");
    await refused(400, rig.send("POST", "/api/documents", { body: two }));
    await refused(400, rig.send("POST", "/api/documents", { body: new Uint8Array([97]) }));
    await refused(400, rig.send("POST", "/api/documents?name=a%2Fb.txt", { body: new Uint8Array([97]) }));
    await refused(415, rig.send("POST", "/api/documents?name=a.json", { body: "{}", headers: { "Content-Type": "application/json" } }));
    await refused(400, rig.send("POST", "/api/documents", { body: "x", headers: { "Content-Type": "multipart/form-data" } }));
    const half = { body: '{"name":"\\ud800.txt","sizeBytes":1}', headers: { "Content-Type": "application/json" } };
    await refused(400, rig.send("POST", "/api/documents/uploads", half));
    assert.deepEqual(filesBelow(rig.root), []);
    assert.deepEqual(await rig.usage(), { documents: 0, bytes: 0 });
  });

  it("A21 a client that leaves in the middle leaves nothing behind", async () => {
    const client = httpRequest(`${rig.app.url}/api/documents?name=half.txt`, {
      method: "POST",
      headers: { Authorization: `Bearer ${rig.token}`, "Content-Type": "text/plain", "Content-Length": "90000" },
    });
    client.on("error", () => undefined);
    client.write(Buffer.alloc(50_000, 97));
    await eventually("it is being written", () => filesBelow(path.join(rig.root, "incoming")).length === 1, 5000, 5);
    client.destroy();
    await eventually("nothing is left", () => filesBelow(rig.root).length === 0, 5000, 5);
    assert.deepEqual(await rig.usage(), { documents: 0, bytes: 0 });
  });

  it("A21 names are no paths: whatever a client sends, files are only where they belong", async () => {
    const before = new Set(readdirSync(rig.app.directory));
    for (const name of ["..%2F..%2Fapp.db", "..", "%2Fetc%2Fpasswd", "..%5C..%5Cx", "a%00.txt", "CON"]) {
      await rig.send("POST", `/api/documents?name=${name}`, { body: new Uint8Array([97]), headers: { "Content-Type": "text/plain" } });
    }
    assert.deepEqual(new Set(readdirSync(rig.app.directory)), new Set([...before, "documents"]));
    assert.deepEqual(new Set(filesBelow(rig.root)), new Set([sha256(Buffer.from("a"))]));
    for (const id of ["..%2f..%2fapp.db", "..", "%2e%2e%2fincoming"]) {
      await refused(404, rig.send("GET", `/api/documents/${id}/content`));
    }
  });

  it("A21 documents of another company cannot be listed, read, or deleted, though their content is the same", async () => {
    const content = Buffer.from("the same in both");
    const mine = await rig.uploaded("mine.txt", content);
    const other = await rig.app.signUp();
    const theirs = await rig.upload("theirs.txt", content, other.token);
    for (const [method, suffix] of [
      ["GET", ""],
      ["GET", "/content"],
      ["GET", "/text"],
      ["POST", "/text"],
      ["DELETE", ""],
    ] as const) {
      await refused(404, rig.send(method, `/api/documents/${mine.id}${suffix}`, { as: other.token }));
    }
    const list = await rig.send<{ data: DocumentView[] }>("GET", "/api/documents", { as: other.token });
    assert.deepEqual(
      list.body.data.map(({ name }) => name),
      ["theirs.txt"],
    );
    assert.equal((await rig.send("DELETE", `/api/documents/${theirs.body.document.id}`, { as: other.token })).status, 204);
    assert.equal((await rig.send("GET", `/api/documents/${mine.id}/content`)).text, content.toString());
  });

  it("A21 deleting takes the content with the last document that has it", async () => {
    const content = Buffer.from("twice");
    const [one, two] = [await rig.uploaded("1.txt", content), await rig.uploaded("2.txt", content)];
    assert.equal((await rig.send("DELETE", `/api/documents/${one.id}`)).status, 204);
    assert.equal((await rig.send("GET", `/api/documents/${two.id}/content`)).text, "twice");
    assert.equal((await rig.send("DELETE", `/api/documents/${two.id}`)).status, 204);
    assert.deepEqual(filesBelow(rig.root), []);
    assert.deepEqual(await rig.usage(), { documents: 0, bytes: 0 });
    await refused(404, rig.send("DELETE", `/api/documents/${two.id}`));
  });

  it("A21 uploading and deleting the same content at the same time never leaves a document without it", async () => {
    const content = Buffer.from("contended");
    let last = await rig.uploaded("0.txt", content);
    for (let round = 0; round < 15; round++) {
      const [, added] = await Promise.all([rig.send("DELETE", `/api/documents/${last.id}`), rig.upload(`${round}.txt`, content)]);
      last = added.body.document;
      assert.equal((await rig.send("GET", `/api/documents/${last.id}/content`)).text, "contended");
    }
    assert.equal(filesBelow(rig.root).length, 1);
  });

  it("E6 A21 the plan's storage is exact under concurrency", async () => {
    await rig.app.container.database.run("INSERT INTO document_usage (company_id, documents, bytes) VALUES (?, 195, 0)", [rig.companyId]);
    const answers = await Promise.all(Array.from({ length: 12 }, (_, n) => rig.upload(`${n}.txt`, Buffer.from(`content ${n}`))));
    const statuses = answers.map(({ status }) => status).sort();
    assert.deepEqual(statuses, [...Array.from({ length: 5 }, () => 201), ...Array.from({ length: 7 }, () => 402)]);
    assert.equal((await rig.usage()).documents, 200);
    assert.equal(filesBelow(rig.root).length, 5, "refused uploads are gone");
    const problem = await refused(402, rig.upload("more.txt", Buffer.from("more")));
    assert.match(problem.detail, /Plan FREE allows 200 documents/);
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
