import { chmodSync, copyFileSync, linkSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

/**
 * Puts a file in place in one step, so that an interruption leaves the old one or the new one and a running program keeps
 * its own. A hard link where the file system allows it (a CLI of 160 MB), else a copy.
 */
export function installFile(source: string, target: string): void {
  mkdirSync(path.dirname(target), { recursive: true });
  const draft = `${target}.${process.pid}.new`;
  rmSync(draft, { force: true });
  try {
    try {
      linkSync(source, draft);
    } catch {
      // Another file system, or one without hard links.
      copyFileSync(source, draft);
    }
    chmodSync(draft, 0o755);
    renameSync(draft, target);
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Writes a text file in one step. */
export function writeInOneStep(file: string, text: string, mode = 0o644): void {
  mkdirSync(path.dirname(file), { recursive: true });
  const draft = `${file}.${process.pid}.new`;
  try {
    writeFileSync(draft, text, { mode });
    renameSync(draft, file);
  } finally {
    rmSync(draft, { force: true });
  }
}
