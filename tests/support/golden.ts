import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Resource } from "../../policy/graph";

const GOLDEN = path.resolve(__dirname, "../unit/stacks/golden");

/** Identities of a graph's resources without what all have in common, in alphabetical order. */
export function identities(resources: readonly Resource[]): string[] {
  return resources.map(({ urn }) => urn.replace(/^urn:pulumi:\w+::phased-stack::/, "").replaceAll("phased-stack:aws:", "")).sort();
}

/** What is not in the other list, each line with a mark. */
export function difference(base: readonly string[], other: readonly string[]): string[] {
  const gone = base.filter((line) => !other.includes(line)).map((line) => `- ${line}`);
  return [...gone, ...other.filter((line) => !base.includes(line)).map((line) => `+ ${line}`)];
}

/** What is in a file of golden/. UPDATE_GOLDEN=1 writes it first, to be read in the diff and committed. */
export function golden(name: string, actual: readonly string[]): string[] {
  const file = path.join(GOLDEN, `${name}.txt`);
  if (process.env["UPDATE_GOLDEN"] === "1") {
    mkdirSync(GOLDEN, { recursive: true });
    writeFileSync(file, actual.map((line) => `${line}\n`).join(""));
  }
  assert.ok(existsSync(file), `${file} is missing: write it with UPDATE_GOLDEN=1`);
  return readFileSync(file, "utf8").split("\n").slice(0, -1);
}
