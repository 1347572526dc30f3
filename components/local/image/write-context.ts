import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { ContextFile } from "./context-hash";

/**
 * Makes a directory hold exactly these files. What is right already is left alone, and a changed file appears at once and complete,
 * so that two programs (a preview beside an `up`) may prepare the same context at the same time.
 */
export function writeContext(directory: string, files: readonly ContextFile[]): void {
  mkdirSync(directory, { recursive: true });
  const wanted = new Set(files.map((file) => path.normalize(file.path)));
  for (const name of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
    const file = path.join(directory, name);
    const isFile = statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
    if (isFile && !wanted.has(name)) rmSync(file, { force: true });
  }
  for (const file of files) writeFile(directory, file);
}

function writeFile(directory: string, { path: name, content, executable }: ContextFile): void {
  const target = path.join(directory, name);
  const mode = executable ? 0o755 : 0o644;
  const present = statSync(target, { throwIfNoEntry: false });
  if (present?.isFile() && present.size === content.byteLength && readFileSync(target).equals(content)) {
    // The provider hashes modes too; a checkout's umask must not look like a change.
    if ((present.mode & 0o777) !== mode) chmodSync(target, mode);
    return;
  }
  mkdirSync(path.dirname(target), { recursive: true });
  // Beside the context, not in it: what a killed program leaves behind must not become part of an image.
  const temporary = `${directory}.partial-${process.pid}`;
  writeFileSync(temporary, content, { mode });
  chmodSync(temporary, mode);
  renameSync(temporary, target);
}
