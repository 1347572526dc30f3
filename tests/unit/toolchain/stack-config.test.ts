import assert from "node:assert/strict";
import fc from "fast-check";
import { parse } from "yaml";
import { UserError } from "../../../toolchain/lib/errors";
import { mergeSalt, validateStackName } from "../../../toolchain/lib/stack";

const SALT = "encryptionsalt: v1:aaaa:v1:bbbb:cccc==\n";

describe("stack configuration with the salt kept out of the tracked file", () => {
  it("adds the salt and keeps comments and order", () => {
    const text = mergeSalt(
      "# a comment\nconfig:\n  phased-stack:phase: cluster # why\n  phased-stack:workers: 2\n",
      SALT,
      "Pulumi.dev.yaml",
    );
    assert.equal(
      text,
      "# a comment\nconfig:\n  phased-stack:phase: cluster # why\n  phased-stack:workers: 2\nencryptionsalt: v1:aaaa:v1:bbbb:cccc==\n",
    );
  });

  it("takes the salt from the rendered file and everything else from the tracked one", () => {
    const text = mergeSalt("config:\n  a:b: new\n", `${SALT}config:\n  a:b: old\n  a:gone: 1\n`, "Pulumi.dev.yaml");
    assert.deepEqual(parse(text ?? ""), { config: { "a:b": "new" }, encryptionsalt: "v1:aaaa:v1:bbbb:cccc==" });
  });

  it("leaves the plain Pulumi way alone: own salt or secrets provider", () => {
    assert.equal(mergeSalt(SALT, SALT, "Pulumi.dev.yaml"), undefined);
    assert.equal(mergeSalt("secretsprovider: awskms://alias/x\n", SALT, "Pulumi.dev.yaml"), undefined);
  });

  it("works for a stack without a tracked file, with and without salt", () => {
    assert.equal(mergeSalt(undefined, SALT, "Pulumi.x.yaml"), SALT);
    assert.deepEqual(parse(mergeSalt(undefined, undefined, "Pulumi.x.yaml") ?? ""), {});
    assert.equal(mergeSalt("# only a comment\n", SALT, "Pulumi.x.yaml"), `# only a comment\n\n${SALT}`);
  });

  it("tells a file that is not YAML or no mapping by its name", () => {
    assert.throws(
      () => mergeSalt("config:\n\t- x: [", undefined, "Pulumi.dev.yaml"),
      (error) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, /^Pulumi\.dev\.yaml is not valid YAML: /);
        assert.doesNotMatch(error.message, /\n/);
        return true;
      },
    );
    assert.throws(
      () => mergeSalt("- a\n", undefined, "Pulumi.dev.yaml"),
      /Pulumi\.dev\.yaml must hold a mapping with the key "config", it holds a list/,
    );
  });

  it("property: no value of the tracked configuration changes", () => {
    const key = fc.stringMatching(/^[a-z][a-z-]{0,12}:[a-zA-Z]{1,12}$/);
    const value = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.array(fc.string(), { maxLength: 3 }));
    fc.assert(
      fc.property(fc.dictionary(key, value, { maxKeys: 6 }), (config) => {
        const text = mergeSalt(JSON.stringify({ config }), SALT, "Pulumi.dev.yaml");
        assert.deepEqual(parse(text ?? ""), { config: { ...config }, encryptionsalt: "v1:aaaa:v1:bbbb:cccc==" });
      }),
    );
  });

  it("refuses stack names that Pulumi refuses, before anything starts", () => {
    for (const name of ["dev", "test-1a2b", "a.b_c"]) validateStackName(name);
    for (const name of ["", "a b", "../x", "ä", "x".repeat(101)]) {
      assert.throws(() => validateStackName(name), /^UserError: stack name ".*" is not allowed: use 1 to 100 letters/);
    }
  });
});
