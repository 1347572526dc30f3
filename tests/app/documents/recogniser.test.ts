import assert from "node:assert/strict";
import { randomFillSync } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { createDeflate, deflateSync } from "node:zlib";
import fc from "fast-check";
import { allowedMb } from "../../../app/src/cluster/memory-allowance";
import { loadConfig } from "../../../app/src/config";
import { PermanentJobError } from "../../../app/src/jobs/queue";
import { Threads } from "../../../app/src/jobs/threads";
import { orientationOf } from "../../../app/src/ocr/orientation";
import { Recogniser, UnreadableImageError } from "../../../app/src/ocr/recogniser";
import { ocrSettings } from "../../../app/src/ocr/settings";
import { assertInvoice, greyPng, invoiceImage, withOrientation } from "./images";
import { pdf } from "./pdf";

const settings = { languages: ["eng"], memoryMb: 320 } as const;

describe("D5 recogniser of text in images", function () {
  this.timeout(60_000);

  it("D5 reads one image after the other, in several languages, and a picture without text has none", async () => {
    const recogniser = await Recogniser.create({ languages: ["eng", "spa"], memoryMb: 320 });
    for (const name of ["invoice.png", "invoice.webp"] as const) assertInvoice(recogniser.recognise(invoiceImage(name)).text);
    assert.equal(recogniser.recognise(greyPng(300, 200)).text.trim(), "");
    assert.throws(() => recogniser.recognise(Buffer.from("no image at all")), UnreadableImageError);
    assert.ok(recogniser.reusable);
    assertInvoice(recogniser.recognise(invoiceImage("invoice.png")).text);
  });

  it("D5 an image that wants more memory than there is fails and says so; one that took much is not kept", async () => {
    const large = greyPng(8000, 5000);
    const small = await Recogniser.create({ ...settings, memoryMb: 32 });
    assert.throws(() => small.recognise(large), /takes more than the 32 MiB of memory there are for it; send a smaller one\.$/);
    assert.ok(!small.reusable);
    const roomy = await Recogniser.create(settings);
    assert.equal(roomy.recognise(large).text.trim(), "");
    assert.ok(!roomy.reusable, "WebAssembly's memory never shrinks");
  });

  it("D5 a PDF of a few KB that unfolds to a GB ends its thread and not the process, for good, and the next one is read", async () => {
    // A thread with tsx takes a good part of it before it reads anything.
    const threads = new Threads(undefined, 300);
    try {
      const folded = createDeflate({ level: 1 });
      const once = buffer(folded);
      const megabyte = Buffer.alloc(1024 ** 2, " ");
      for (let written = 0; written < 1024; written += 1) folded.write(megabyte);
      folded.end();
      const content = deflateSync(await once);
      assert.ok(content.length < 200_000, `${content.length} bytes`);
      const stream = `<< /Length ${content.length} /Filter [/FlateDecode /FlateDecode] >>\nstream\n`;
      const bomb = pdf(["x"])
        .toString("latin1")
        .replace(/<< \/Length \d+ >>\nstream\n[^]*?\nendstream/, () => {
          return `${stream}${content.toString("latin1")}\nendstream`;
        });
      const read = (bytes: Buffer) => threads.run({ kind: "pdf-text", content: new Uint8Array(bytes) }, AbortSignal.timeout(50_000));
      await assert.rejects(read(Buffer.from(bomb, "latin1")), (error: Error) => {
        assert.match(error.message, /^Reading the PDF takes more than the 300 MiB of memory/);
        return error instanceof PermanentJobError;
      });
      assert.equal((await read(pdf(["Invoice 4711"]))).text, "Invoice 4711");
    } finally {
      await threads.close();
    }
  });

  it("D5 in a thread: ends at its deadline or when its job is cut short, and the next image is read", async () => {
    const noise = greyPng(3000, 3000, randomFillSync(Buffer.alloc(9_000_000)));
    const hurried = new Threads(1);
    const patient = new Threads();
    const job = { kind: "image-text", settings } as const;
    try {
      const late = hurried.run({ ...job, content: new Uint8Array(noise) }, new AbortController().signal);
      await assert.rejects(late, (error) => error instanceof PermanentJobError && /not found within 1 ms/.test(error.message));
      const never = new AbortController().signal;
      assertInvoice((await patient.run({ ...job, content: new Uint8Array(invoiceImage("invoice.png")) }, never)).text);
      const cancelled = new AbortController();
      const running = patient.run({ ...job, content: new Uint8Array(noise) }, cancelled.signal);
      const waiting = patient.run({ ...job, content: new Uint8Array(invoiceImage("invoice.png")) }, never);
      assert.ok(allowedMb() >= settings.memoryMb, "a worker that reads an image has room for it");
      setTimeout(() => cancelled.abort(new Error("cancelled")), 200);
      await assert.rejects(running);
      assertInvoice((await waiting).text);
    } finally {
      await Promise.all([hurried.close(), patient.close()]);
    }
    assert.equal(allowedMb(), 0);
  });

  it("D5 the orientation a camera noted, in either order of bytes; upright whatever else there is (property)", () => {
    const jpeg = invoiceImage("invoice-held-sideways.jpg");
    assert.equal(orientationOf(jpeg), 1);
    for (let orientation = 1; orientation <= 8; orientation++) {
      for (const order of ["II", "MM"] as const) assert.equal(orientationOf(withOrientation(jpeg, orientation, order)), orientation);
    }
    assert.equal(orientationOf(withOrientation(jpeg, 9, "MM")), 1);
    const noted = withOrientation(jpeg, 6, "II").subarray(0, 60);
    fc.assert(
      fc.property(fc.nat(60), fc.uint8Array({ maxLength: 40 }), (kept, more) => {
        const orientation = orientationOf(Buffer.concat([noted.subarray(0, kept), more]));
        return orientation >= 1 && orientation <= 8;
      }),
    );
  });

  it("D5 as much memory as the instance has beside its workers, and only languages that are there", () => {
    const machine = (memoryLimitMb: number | undefined) => ({ parallelism: 4, cpuQuota: undefined, memoryLimitMb });
    const memory = (limit: number | undefined, workers: string): number =>
      ocrSettings(loadConfig({ NODE_ENV: "production", WORKERS: workers }, machine(limit))).memoryMb;
    assert.deepEqual([memory(undefined, "4"), memory(1024, "4"), memory(512, "2"), memory(192, "1")], [320, 320, 172, 32]);
    assert.deepEqual(ocrSettings(loadConfig({ OCR_LANGUAGES: "spa,eng" })).languages, ["spa", "eng"]);
    for (const wrong of ["deu", "eng,eng", "eng;spa"]) {
      assert.throws(
        () => loadConfig({ OCR_LANGUAGES: wrong }),
        /^ConfigError: OCR_LANGUAGES: ".*" is not allowed; use one or more of eng, spa/,
      );
    }
  });
});
