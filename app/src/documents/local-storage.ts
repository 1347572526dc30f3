import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { link, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import type { Readable } from "node:stream";
import { type ByteRange, type ContentAddress, ContentMissingError, type DocumentStorage, type StagedContent } from "./storage";

const SHA256 = /^[0-9a-f]{64}$/;
/** Ids are UUIDs; nothing else becomes a part of a path. */
const COMPANY_ID = /^[0-9a-f-]{36}$/;

/** Uploads that are older were interrupted, ms. */
const STALE_MS = 24 * 3_600_000;

/** Staged content and the file it is in. */
interface StagedFile extends StagedContent {
  readonly file: string;
}

/**
 * Documents on a local volume: `<company>/<first two digits>/<sha256>`, and `incoming/` for what is on its way. No part of a path ever comes
 * from a client. A file gets its name by `link`, so it is there as a whole or not at all.
 */
export class LocalDocumentStorage implements DocumentStorage {
  private readonly incoming: string;

  constructor(private readonly root: string) {
    this.incoming = path.join(root, "incoming");
  }

  async stage(content: Readable): Promise<StagedFile> {
    await mkdir(this.incoming, { recursive: true, mode: 0o750 });
    const file = path.join(this.incoming, randomUUID());
    const handle = await open(file, "wx", 0o640);
    const hash = createHash("sha256");
    let sizeBytes = 0;
    try {
      for await (const piece of content as AsyncIterable<Buffer>) {
        hash.update(piece);
        sizeBytes += piece.length;
        await handle.appendFile(piece);
      }
      await handle.sync();
      await handle.close();
    } catch (error) {
      await handle.close();
      await rm(file, { force: true });
      throw error;
    }
    return { file, sha256: hash.digest("hex"), sizeBytes };
  }

  async keep(companyId: string, staged: StagedFile): Promise<void> {
    const target = this.fileOf({ companyId, sha256: staged.sha256 });
    const directory = path.dirname(target);
    await mkdir(directory, { recursive: true, mode: 0o750 });
    await linkUnlessThere(staged.file, target);
    await syncDirectory(directory);
  }

  async confirm(companyId: string, staged: StagedFile): Promise<void> {
    await this.keep(companyId, staged);
    await rm(staged.file, { force: true });
  }

  async discard(staged: StagedFile): Promise<void> {
    await rm(staged.file, { force: true });
  }

  async read(address: ContentAddress, range?: ByteRange): Promise<Readable> {
    const file = this.fileOf(address);
    try {
      const handle = await open(file, "r");
      return createReadStream(file, { fd: handle, ...range });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      throw new ContentMissingError(`The content ${address.sha256} is not in the storage.`);
    }
  }

  async remove(address: ContentAddress, isNamed: () => Promise<boolean>): Promise<void> {
    const file = this.fileOf(address);
    const aside = path.join(this.incoming, randomUUID());
    await mkdir(this.incoming, { recursive: true, mode: 0o750 });
    try {
      await rename(file, aside);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
      throw error;
    }
    if (await isNamed()) await linkUnlessThere(aside, file);
    await rm(aside, { force: true });
  }

  async sweep(): Promise<number> {
    await mkdir(this.incoming, { recursive: true, mode: 0o750 });
    let swept = 0;
    for (const name of await readdir(this.incoming)) {
      const file = path.join(this.incoming, name);
      if (Date.now() - (await modifiedAt(file)) < STALE_MS) continue;
      await rm(file, { force: true });
      swept += 1;
    }
    return swept;
  }

  private fileOf({ companyId, sha256 }: ContentAddress): string {
    if (!COMPANY_ID.test(companyId) || !SHA256.test(sha256)) throw new Error("This cannot be part of a document's path.");
    return path.join(this.root, companyId, sha256.slice(0, 2), sha256);
  }
}

async function linkUnlessThere(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    // The same content by its name: what is there is what would be put there.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/** A new name survives a power cut once its directory is written. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Now, for a file that somebody else just removed. */
async function modifiedAt(file: string): Promise<number> {
  try {
    return (await stat(file)).mtimeMs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return Date.now();
  }
}
