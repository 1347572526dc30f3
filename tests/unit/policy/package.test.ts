import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { RULES } from "../../../policy/rules";
import { isTaggable, TAGGABLE } from "../../../policy/taggable";
import { AWS } from "../../../policy/types";

const PACKAGE = path.resolve(__dirname, "../../../node_modules/@pulumi/aws");

/** The declarations of a type, undefined where the package has no such type. */
function declarations(type: string): string | undefined {
  const [, module = "", file = ""] = /^aws:(\w+)\/(\w+):\w+$/.exec(type) ?? [];
  const folder = path.join(PACKAGE, module);
  const found = existsSync(folder) ? readdirSync(folder).find((entry) => entry.toLowerCase() === `${file.toLowerCase()}.js`) : undefined;
  if (found === undefined || !readFileSync(path.join(folder, found), "utf8").includes(`'${type}'`)) return undefined;
  return readFileSync(path.join(folder, found.replace(/\.js$/, ".d.ts")), "utf8");
}

/** Whether the arguments of a type have tags. */
function takesTags(type: string): boolean {
  const text = declarations(type) ?? "";
  return /\n {4}tags\?:/.test(text.slice(text.indexOf(`interface ${type.split(":")[2] ?? ""}Args`)));
}

describe("policy: what rules say of @pulumi/aws", () => {
  it("every type that a rule judges or looks at is a type of the package", () => {
    const types = new Set([...Object.values(AWS), ...RULES.flatMap((rule) => rule.types)].filter((type) => type.startsWith("aws:")));
    assert.ok(types.size > 60);
    for (const type of types) assert.ok(declarations(type), type);
  });

  it("types that take tags are listed, and no others", () => {
    for (const type of Object.values(AWS)) assert.equal(isTaggable(type), takesTags(type), type);
    for (const [module, names] of Object.entries(TAGGABLE)) {
      for (const name of names) {
        const type = `aws:${module}/${(name[0] ?? "").toLowerCase()}${name.slice(1)}:${name}`;
        assert.ok(takesTags(type), type);
        assert.ok(isTaggable(type), type);
      }
    }
    assert.equal(isTaggable("kubernetes:apps/v1:Deployment"), false);
  });
});
