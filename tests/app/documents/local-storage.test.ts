import assert from "node:assert/strict";
import { mkdtempSync, rmSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { LocalDocumentStorage } from "../../../app/src/documents/local-storage";
import { describeStorageContract } from "./storage-contract";
import { filesBelow } from "./support";

describe("A21 documents on a local volume", () => {
  const root = mkdtempSync(path.join(tmpdir(), "phased-storage-"));
  let count = 0;
  const fresh = (): string => path.join(root, String(count++));
  after(() => rmSync(root, { recursive: true, force: true }));

  describeStorageContract("a local volume", () => {
    const directory = fresh();
    return Promise.resolve({ storage: new LocalDocumentStorage(directory), names: () => Promise.resolve(filesBelow(directory)) });
  });

  it("A21 sweeping deletes uploads that broke off more than a day ago", async () => {
    const directory = fresh();
    const storage = new LocalDocumentStorage(directory);
    const { file } = await storage.stage(Readable.from([Buffer.from("left behind")]));
    await storage.stage(Readable.from([Buffer.from("on its way")]));
    const yesterday = Date.now() / 1000 - 25 * 3600;
    utimesSync(file, yesterday, yesterday);
    assert.equal(await storage.sweep(), 1);
    assert.equal(filesBelow(directory).length, 1);
  });
});
