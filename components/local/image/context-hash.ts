import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";

/** One file of a build context. */
export interface ContextFile {
  /** Path below the context, with `/` on every platform. */
  readonly path: string;
  readonly content: Uint8Array;
  /** Whether its owner may execute it; the only part of the mode that an image needs to agree on. */
  readonly executable: boolean;
}

/** Hexadecimal digits of a tag: 64 bits, so that two contexts of one project never meet by chance. */
const TAG_LENGTH = 16;

/**
 * Tag of the image built from these files: the same content gives the same tag whatever the order, and any changed byte, name or
 * executable bit another one. Times and owners do not count.
 */
export function contextTag(files: readonly ContextFile[]): string {
  const hash = createHash("sha256");
  const ordered = [...files].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  for (const file of ordered) {
    // Lengths in front, so that no two lists of files give the same bytes.
    hash.update(`${Buffer.byteLength(file.path)}:${file.path}:${file.executable ? "x" : "-"}:${file.content.byteLength}:`);
    hash.update(file.content);
  }
  return hash.digest("hex").slice(0, TAG_LENGTH);
}

/** Directories that are never part of a build context, and may be huge. */
const SKIPPED = new Set(["node_modules", ".git"]);

/**
 * Reads the files below a directory. Symbolic links to files count as the files they point to.
 * @param accept which of them, by path with `/`; @default all
 */
export function readContext(directory: string, accept: (name: string) => boolean = () => true, prefix = ""): ContextFile[] {
  return readdirSync(path.join(directory, prefix)).flatMap((entry) => {
    const name = prefix === "" ? entry : `${prefix}/${entry}`;
    const file = path.join(directory, name);
    const stat = statSync(file);
    if (stat.isDirectory()) return SKIPPED.has(entry) ? [] : readContext(directory, accept, name);
    if (!stat.isFile() || !accept(name)) return [];
    return [{ path: name, content: readFileSync(file), executable: (stat.mode & 0o100) !== 0 }];
  });
}
