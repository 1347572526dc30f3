import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { FREE_TYPES, PRICERS } from "../../../components/aws/pricing";

const DIRECTORY = path.resolve("components/aws");

/** Kinds of resources the components of phase `cloud` make, as their sources spell them, with the file. */
function made(): { readonly kind: string; readonly file: string }[] {
  const files = readdirSync(DIRECTORY, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  return files.flatMap((file) =>
    [...readFileSync(path.join(DIRECTORY, file), "utf8").matchAll(/\bnew aws\.(\w+\.\w+)\(/g)].map(([, kind]) => ({ kind: kind!, file })),
  );
}

/** `ec2.Vpc` for `aws:ec2/vpc:Vpc`. */
function kindOf(type: string): string {
  const [, service, name] = /^aws:([^/]+)\/[^:]+:(\w+)$/.exec(type) ?? [];
  return `${service}.${name}`;
}

describe("A14 F5 prices of phase cloud", () => {
  it("every resource its components make is priced or known to be free", () => {
    const known = new Set([...FREE_TYPES, ...Object.keys(PRICERS)].map(kindOf));
    const unknown = made().filter(({ kind }) => !known.has(kind));
    assert.deepEqual(
      unknown.map(({ kind, file }) => `${file}: aws.${kind} is neither in pricing's tables nor in free.ts`),
      [],
    );
  });
});
