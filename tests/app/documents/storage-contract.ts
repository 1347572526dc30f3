import assert from "node:assert/strict";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { type ContentAddress, ContentMissingError, type DocumentStorage } from "../../../app/src/documents/storage";

/** A storage under test, and a look at what it keeps. */
export interface StorageBackend {
  readonly storage: DocumentStorage;
  /** Names of everything it has, contents and leftovers. */
  names(): Promise<readonly string[]>;
}

const shaOf = (content: Buffer): string => createHash("sha256").update(content).digest("hex");

/** What every storage has to do. `open` gives an empty one, which its caller removes. */
export function describeStorageContract(title: string, open: () => Promise<StorageBackend>): void {
  describe(`DocumentStorage contract: ${title}`, function () {
    this.timeout(60_000);
    let backend: StorageBackend;
    let storage: DocumentStorage;
    let companyId: string;
    beforeEach(async () => {
      backend = await open();
      ({ storage } = backend);
      companyId = randomUUID();
    });
    afterEach(() => storage.close());

    const stage = (content: Buffer) => storage.stage(Readable.from([content]));
    const read = async (address: ContentAddress, range?: { start: number; end: number }): Promise<Buffer> =>
      buffer(await storage.read(address, range));
    const added = async (content: Buffer, company = companyId): Promise<ContentAddress> => {
      const staged = await stage(content);
      await storage.keep(company, staged);
      await storage.confirm(company, staged);
      return { companyId: company, sha256: staged.sha256 };
    };
    const nothingLeft = async (message: string): Promise<void> => assert.deepEqual(await backend.names(), [], message);

    it("A21 what was kept comes back byte for byte, whole and in parts, under the checksum of its bytes", async () => {
      const content = randomBytes(100_000);
      const staged = await stage(content);
      assert.deepEqual([staged.sha256, staged.sizeBytes], [shaOf(content), content.length]);
      const address = { companyId, sha256: staged.sha256 };
      await assert.rejects(storage.read(address), ContentMissingError, "nobody sees it before it is kept");
      await storage.keep(companyId, staged);
      await storage.keep(companyId, staged);
      assert.deepEqual(await read(address), content);
      await storage.confirm(companyId, staged);
      await storage.discard(staged);
      assert.deepEqual(await read(address), content);
      assert.deepEqual(await read(address, { start: 10, end: 10 }), content.subarray(10, 11));
      assert.deepEqual(await read(address, { start: 99_000, end: 99_999 }), content.subarray(99_000));
      assert.equal((await backend.names()).length, 1, "nothing is left of the upload");
    });

    it("A21 several megabytes in pieces, and the same content twice, are one content", async () => {
      const content = randomBytes(12 * 1024 ** 2 + 7);
      const pieces = Array.from({ length: 200 }, (_, n) => content.subarray(n * 65_536, (n + 1) * 65_536)).filter(
        ({ length }) => length > 0,
      );
      const staged = await storage.stage(Readable.from(pieces));
      await storage.keep(companyId, staged);
      await storage.confirm(companyId, staged);
      const address = await added(content);
      assert.equal(address.sha256, staged.sha256);
      assert.equal(shaOf(await read(address)), staged.sha256);
      assert.equal((await backend.names()).length, 1);
    });

    it("A21 what is given up, or breaks off, leaves nothing", async () => {
      await storage.discard(await stage(Buffer.from("unwanted")));
      const broken = Readable.from(
        (function* () {
          yield Buffer.alloc(50_000);
          throw new Error("the client left");
        })(),
      );
      await assert.rejects(storage.stage(broken), /the client left/);
      await nothingLeft("of either");
    });

    it("A21 companies are apart, and nothing but ids and checksums becomes part of a name", async () => {
      const content = Buffer.from("the same in both");
      const [mine, theirs] = [await added(content), await added(content, randomUUID())];
      await storage.remove(theirs, () => Promise.resolve(false));
      assert.deepEqual(await read(mine), content);
      await assert.rejects(storage.read(theirs), ContentMissingError);
      for (const wrong of [
        { companyId: "../../etc", sha256: mine.sha256 },
        { companyId, sha256: "../passwd" },
        { companyId, sha256: mine.sha256.toUpperCase() },
      ]) {
        await assert.rejects(storage.read(wrong), /cannot be part of a document's path/);
        await assert.rejects(
          storage.remove(wrong, () => Promise.resolve(false)),
          /cannot be part of a document's path/,
        );
      }
    });

    it("A21 removing takes it away unless a row names it after all; what is not there is no error", async () => {
      const content = Buffer.from("wanted after all");
      const address = await added(content);
      await storage.remove(address, () => Promise.resolve(true));
      assert.deepEqual(await read(address), content);
      assert.equal((await backend.names()).length, 1, "no copy is left");
      await storage.remove(address, () => Promise.resolve(false));
      await assert.rejects(storage.read(address), ContentMissingError);
      await storage.remove(address, () => Promise.resolve(false));
      await nothingLeft("of what was removed");
    });

    it("A21 the rows are asked when the content is out of reach, and confirming brings back what was taken meanwhile", async () => {
      const content = Buffer.from("contended");
      const staged = await stage(content);
      const address = { companyId, sha256: staged.sha256 };
      await storage.keep(companyId, staged);
      await storage.remove(address, async () => {
        await assert.rejects(storage.read(address), ContentMissingError);
        return false;
      });
      await storage.confirm(companyId, staged);
      assert.deepEqual(await read(address), content);
      // The other way round: confirmed before the content is taken away, and its row found by the second question.
      const again = await stage(content);
      await storage.keep(companyId, again);
      await storage.confirm(companyId, again);
      await storage.remove(address, () => Promise.resolve(true));
      assert.deepEqual(await read(address), content);
    });

    it("A21 however adding and deleting the same content meet, a row that is there has its content", async () => {
      const content = Buffer.from("many at once");
      const address = { companyId, sha256: shaOf(content) };
      const pause = (): Promise<void> => delay(Math.random() * 4);
      for (let round = 0; round < 8; round++) {
        let rows = 0;
        const isNamed = async (): Promise<boolean> => {
          await pause();
          return rows > 0;
        };
        // As documents.ts does: content, row, look again; and row, question, content.
        const add = async (): Promise<void> => {
          const staged = await stage(content);
          await storage.keep(companyId, staged);
          await pause();
          rows += 1;
          await storage.confirm(companyId, staged);
        };
        const remove = async (): Promise<void> => {
          await pause();
          rows -= 1;
          if (!(await isNamed())) await storage.remove(address, isNamed);
        };
        await add();
        await Promise.all([add(), remove(), add().then(remove), pause().then(add)]);
        assert.equal(rows, 2);
        assert.deepEqual(await read(address), content, `round ${round}`);
        rows = 0;
        await storage.remove(address, isNamed);
      }
      await nothingLeft("of all rounds");
    });

    it("A21 sweeping leaves alone what is new, and what is kept", async () => {
      const address = await added(Buffer.from("kept"));
      const staged = await stage(Buffer.from("on its way"));
      assert.equal(await storage.sweep(), 0);
      await storage.keep(companyId, staged);
      await storage.confirm(companyId, staged);
      assert.equal((await read(address)).toString(), "kept");
    });
  });
}
