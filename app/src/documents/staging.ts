import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readdir, rm, stat } from "node:fs/promises";
import path from "node:path";
import type { Readable } from "node:stream";
import type { StagedContent } from "./storage";

/** Uploads that are older were interrupted, ms. */
export const STALE_MS = 24 * 3_600_000;

/** Staged content and the file it is in. */
export interface StagedFile extends StagedContent {
  readonly file: string;
}

/** A local directory for content on its way, each in a file of its own. */
export class StagingDirectory {
  constructor(private readonly directory: string) {}

  /** Writes a stream to its end, so that it survives a power cut. @throws the stream's error; nothing is left then. */
  async stage(content: Readable): Promise<StagedFile> {
    const file = await this.newFile();
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

  /** A name nobody has, in a directory that is there. */
  async newFile(): Promise<string> {
    await mkdir(this.directory, { recursive: true, mode: 0o750 });
    return path.join(this.directory, randomUUID());
  }

  async discard({ file }: StagedFile): Promise<void> {
    await rm(file, { force: true });
  }

  /** Deletes files that interrupted uploads left more than a day ago. @returns how many. */
  async sweep(): Promise<number> {
    await mkdir(this.directory, { recursive: true, mode: 0o750 });
    let swept = 0;
    for (const name of await readdir(this.directory)) {
      const file = path.join(this.directory, name);
      if (Date.now() - (await modifiedAt(file)) < STALE_MS) continue;
      await rm(file, { force: true });
      swept += 1;
    }
    return swept;
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
