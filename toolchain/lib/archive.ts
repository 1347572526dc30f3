import path from "node:path";
import { pack } from "tar-stream";

/** Who may read what is in an archive. */
export interface ArchiveRights {
  /** Of the directory. @default 0o755 */
  readonly directoryMode?: number;
  /** Of every file. @default 0o444 */
  readonly fileMode?: number;
  /** User and group of everything. @default 0, root */
  readonly owner?: number;
}

/**
 * A tar archive of one directory, as `putArchive` of the engine takes it for the path `/`.
 * @param directory absolute; the files are directly in it
 * @param files content by absolute path
 */
export async function archiveOf(
  directory: string,
  files: Readonly<Record<string, string | Uint8Array>>,
  { directoryMode = 0o755, fileMode = 0o444, owner = 0 }: ArchiveRights = {},
): Promise<Buffer> {
  const tar = pack();
  const rights = { uid: owner, gid: owner };
  tar.entry({ name: relative(directory), type: "directory", mode: directoryMode, ...rights });
  for (const [file, content] of Object.entries(files)) {
    if (path.dirname(file) !== directory) throw new Error(`${file} is not in ${directory}, of which the archive is.`);
    tar.entry({ name: relative(file), mode: fileMode, ...rights }, Buffer.from(content));
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function relative(absolute: string): string {
  return path.relative("/", absolute);
}
