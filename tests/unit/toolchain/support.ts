import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Progress } from "../../../toolchain/lib/progress";

/** Runs a test with a directory of its own, removed afterwards. */
export async function inDirectory(test: (directory: string) => void | Promise<void>): Promise<void> {
  const directory = mkdtempSync(path.join(tmpdir(), "toolchain-test-"));
  try {
    await test(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Runs a test with variables of this process changed (undefined removes one), restored afterwards. */
export async function withEnv(changes: Readonly<Record<string, string | undefined>>, test: () => void | Promise<void>): Promise<void> {
  const before = Object.fromEntries(Object.keys(changes).map((name) => [name, process.env[name]]));
  const set = (values: Readonly<Record<string, string | undefined>>): void => {
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
  };
  set(changes);
  try {
    await test();
  } finally {
    set(before);
  }
}

/** An executable shell script. */
export function script(file: string, body: string): string {
  writeFileSync(file, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return file;
}

/** A progress that remembers what it was told. */
export function recorder(): Progress & { readonly lines: string[]; readonly details: string[] } {
  const lines: string[] = [];
  const details: string[] = [];
  return { lines, details, line: (text) => lines.push(text), detail: (text) => details.push(text) };
}

/** True while a process of that id exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Waits until a condition holds; fails after `limitMs`. */
export async function until(condition: () => boolean, limitMs: number, what: string): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
