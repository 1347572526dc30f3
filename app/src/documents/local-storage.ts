import { createReadStream } from "node:fs";
import { link, mkdir, open, rename, rm } from "node:fs/promises";
import path from "node:path";
import type { Readable } from "node:stream";
import { type StagedFile, StagingDirectory } from "./staging";
import { type ByteRange, checkAddress, type ContentAddress, ContentMissingError, type DocumentStorage } from "./storage";

/**
 * Documents on a local volume: `<company>/<first two digits>/<sha256>`, and `incoming/` for what is on its way. No part of a path ever comes
 * from a client. A file gets its name by `link`, so it is there as a whole or not at all.
 */
export class LocalDocumentStorage implements DocumentStorage {
  private readonly incoming: StagingDirectory;

  constructor(private readonly root: string) {
    this.incoming = new StagingDirectory(path.join(root, "incoming"));
  }

  stage(content: Readable): Promise<StagedFile> {
    return this.incoming.stage(content);
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
    await this.discard(staged);
  }

  discard(staged: StagedFile): Promise<void> {
    return this.incoming.discard(staged);
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
    const aside = await this.incoming.newFile();
    try {
      await rename(file, aside);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
      throw error;
    }
    if (await isNamed()) await linkUnlessThere(aside, file);
    await rm(aside, { force: true });
  }

  sweep(): Promise<number> {
    return this.incoming.sweep();
  }

  close(): void {
    // No file stays open between two calls.
  }

  private fileOf(address: ContentAddress): string {
    const { companyId, sha256 } = checkAddress(address);
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
