import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { eventually } from "../../support/services/container";
import { assertInvoice, invoiceImage, withOrientation } from "./images";
import { pdf, png } from "./pdf";
import { type Added, DocumentsApp, refused } from "./support";

interface JobView {
  readonly status: string;
  readonly attempts: number | null;
  readonly result: Record<string, unknown> | null;
  readonly error: string | null;
}
interface TextView {
  readonly text: string;
  readonly truncated: boolean;
}

describe("D5 what jobs find in documents", function () {
  this.timeout(60_000);
  let rig: DocumentsApp;

  beforeEach(async () => {
    rig = await DocumentsApp.start();
  });
  afterEach(() => rig.remove());

  const text = async (id: string): Promise<TextView> => (await rig.send<TextView>("GET", `/api/documents/${id}/text`)).body;

  /** The job that extracts the text of a document, when it is over. */
  async function textJob({ jobs }: Added): Promise<JobView> {
    let job: JobView | undefined;
    await eventually("the job is over", async () => {
      job = (await rig.send<JobView>("GET", `/api/jobs/${jobs[1] ?? ""}`)).body;
      return ["completed", "failed"].includes(job.status);
    });
    assert.ok(job);
    return job;
  }

  it("D5 document-processing and ocr-processing: pages, size, checksum and text of what was uploaded", async () => {
    rig.app.container.jobs.start();
    const invoice = await rig.uploaded("invoice.pdf", pdf(["Invoice 4711", "Total 12 EUR"]));
    const picture = await rig.uploaded("picture.gif", Buffer.from("GIF89a\x80\x02\xe0\x01\0\0\0", "latin1"));
    const notes = await rig.uploaded("notes.txt", Buffer.from("Grüße aus Köln"));
    await eventually("all are processed", async () => {
      const views = await Promise.all([invoice, picture, notes].map(({ id }) => rig.read(id)));
      return views.every(({ status, textStatus }) => status === "processed" && textStatus !== "pending");
    });
    const facts = async (id: string) => {
      const { pages, width, height, textStatus } = await rig.read(id);
      return [pages, width, height, textStatus];
    };
    assert.deepEqual(await facts(invoice.id), [2, 612, 792, "extracted"]);
    assert.deepEqual(await facts(picture.id), [null, 640, 480, "unsupported"]);
    assert.deepEqual(await text(invoice.id), { id: invoice.id, text: "Invoice 4711\nTotal 12 EUR", truncated: false });
    assert.equal((await text(notes.id)).text, "Grüße aus Köln");
    await refused(409, rig.send("GET", `/api/documents/${picture.id}/text`));
    await refused(409, rig.send("POST", `/api/documents/${picture.id}/text`));
    const again = await rig.send<{ id: string; queue: string; priority: string }>("POST", `/api/documents/${invoice.id}/text`);
    assert.deepEqual([again.status, again.body.queue, again.body.priority], [202, "ocr-processing", "high"]);
    await eventually("again", async () => (await rig.read(invoice.id)).textStatus === "extracted");
  });

  it("D5 ocr-processing reads the text in PNG, WebP and JPEG, also when the picture was taken sideways", async () => {
    rig.app.container.jobs.start();
    const sideways = withOrientation(invoiceImage("invoice-held-sideways.jpg"), 6, "MM");
    for (const [name, content] of [
      ["invoice.png", invoiceImage("invoice.png")],
      ["invoice.webp", invoiceImage("invoice.webp")],
      ["invoice.jpg", sideways],
    ] as const) {
      const added = await rig.added(name, content);
      assert.equal(added.document.textStatus, "pending");
      const job = await textJob(added);
      assert.equal(job.status, "completed", job.error ?? name);
      assert.equal((await rig.read(added.document.id)).textStatus, "extracted");
      const read = await text(added.document.id);
      assertInvoice(read.text);
      assert.deepEqual([job.result?.["characters"], job.result?.["truncated"]], [read.text.length, false]);
      assert.ok(Number(job.result?.["confidence"]) > 80, JSON.stringify(job.result));
    }
  });

  it("D5 broken, endless and pretended images fail with the reason, at once and for good, and the next one is read", async () => {
    rig.app.container.jobs.start();
    const whole = invoiceImage("invoice.png");
    const damaged = Buffer.from(whole);
    damaged.fill(0, whole.length >> 1);
    const cases: [string, Buffer, RegExp][] = [
      ["bomb.png", png(100_000, 100_000), /^The image has 100000 × 100000 pixels; text is read in images of up to 16000000 pixels\.$/],
      ["half.png", whole.subarray(0, whole.length >> 1), /^The image cannot be read: it is damaged/],
      ["damaged.png", damaged, /^The image cannot be read: it is damaged/],
      ["header.png", png(640, 480), /^The image cannot be read: it is damaged/],
      ["none.jpg", Buffer.from("\xff\xd8\xff and nothing else", "latin1"), /^The header of the image does not say how large it is\.$/],
      [
        "none.webp",
        Buffer.from("RIFF\0\0\0\0WEBPxxxx and nothing else", "latin1"),
        /^The header of the image does not say how large it is\.$/,
      ],
    ];
    const uploads = await Promise.all(cases.map(([name, content]) => rig.added(name, content)));
    for (const [index, added] of uploads.entries()) {
      const job = await textJob(added);
      assert.equal(job.status, "failed", cases[index]?.[0]);
      assert.match(job.error ?? "", cases[index]![2]);
      const record = await rig.app.container.jobs.queue.get(added.jobs[1] ?? "");
      assert.equal(record?.attemptsStarted, 1, "trying again is of no use");
      assert.equal((await rig.read(added.document.id)).textStatus, "failed");
      await refused(409, rig.send("GET", `/api/documents/${added.document.id}/text`));
    }
    const fine = await rig.added("invoice.png", whole);
    assert.equal((await textJob(fine)).status, "completed");
    assertInvoice((await text(fine.document.id)).text);
    const stacks = rig.app.log.filter((line) => JSON.stringify(line).includes('"stack"'));
    assert.deepEqual(stacks, [], "what users send is no bug of the app");
  });

  it("D5 a PDF without a text layer: the job says that its pages are not read", async () => {
    rig.app.container.jobs.start();
    const added = await rig.added("scan.pdf", pdf([""]));
    const job = await textJob(added);
    assert.equal(job.status, "completed");
    assert.match(
      String(job.result?.["skipped"]),
      /^The PDF has no text layer; pages that are pictures are not read\. Send each page as PNG/,
    );
    assert.equal((await rig.read(added.document.id)).textStatus, "unsupported");
    await refused(409, rig.send("GET", `/api/documents/${added.document.id}/text`));
  });

  it("D5 content that is damaged on disk, or no PDF after its first bytes, ends as a failed document and a dead letter", async () => {
    const { queue } = rig.app.container.jobs;
    await queue.pause("document-processing");
    const damaged = await rig.uploaded("a.txt", Buffer.from("as it was"));
    writeFileSync(rig.fileOf(damaged), "as it is!");
    const broken = await rig.uploaded("b.pdf", Buffer.from("%PDF-1.7 and nothing else"));
    const gone = await rig.uploaded("c.txt", Buffer.from("gone"));
    rmSync(rig.fileOf(gone));
    await queue.resume("document-processing");
    rig.app.container.jobs.start();
    await eventually("all failed", async () => {
      const views = await Promise.all([damaged, broken, gone].map(({ id }) => rig.read(id)));
      return views.every(({ status }) => status === "failed");
    });
    const dead = await queue.deadLetters("document-processing", 10);
    assert.deepEqual(dead.map(({ error }) => error).sort(), [
      "The PDF cannot be read: Invalid PDF structure.",
      "The content is damaged: its checksum is not the one it was stored with.",
      "The content of the document is missing.",
    ]);
    await refused(404, rig.send("GET", `/api/documents/${gone.id}/content`));
  });
});
