import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { environmentSchema, SECRET_NAMES } from "../../app/src/config/environment";

/** Lines such as `#DB_POOL_MAX=20` with the comment above them. */
function documented(): Map<string, { readonly value: string; readonly comment: string }> {
  const lines = readFileSync(path.resolve("app/.env.example"), "utf8").split("\n");
  return new Map(
    lines.flatMap((line, index) => {
      const [, name, value] = /^#([A-Z][A-Z0-9_]*)=(.*)$/.exec(line) ?? [];
      return name === undefined ? [] : [[name, { value: value ?? "", comment: lines[index - 1] ?? "" }] as const];
    }),
  );
}

describe("app/.env.example (E12)", () => {
  const found = documented();

  it("names every variable of the app and no other", () => {
    assert.deepEqual([...found.keys()].sort(), Object.keys(environmentSchema.shape).sort());
  });

  it("gives the default and what is allowed of each, and tells which may come from a file", () => {
    for (const [name, field] of Object.entries(environmentSchema.shape)) {
      const parsed = field.safeParse(undefined);
      const fallback = parsed.success ? `${(parsed.data as string | number | undefined) ?? ""}` : "";
      const { value, comment } = found.get(name) ?? {};
      assert.equal(value, fallback, name);
      assert.ok(field.description, `${name} does not say what is allowed`);
      const secret = SECRET_NAMES.includes(name) ? " (secret)" : "";
      assert.equal(comment, `# ${field.description}${secret}`, name);
    }
  });
});
