import assert from "node:assert/strict";
import fc from "fast-check";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";

import { randomText, shuffled } from "../../../toolchain/standins/random/strings";
import { parsePluginArguments } from "../../../toolchain/standins/shared/plugin-process";
import { tokenOf } from "../../../toolchain/standins/shared/provider";
import { RpcError, toRpcError } from "../../../toolchain/standins/shared/rpc";
import { checkInputs, decide, plannedInputs, plannedOutputs, withSecrets, type Schema } from "../../../toolchain/standins/shared/schema";
import {
  Secret,
  UNKNOWN,
  decodeProperties,
  encodeProperties,
  hasUnknown,
  reveal,
  type Properties,
  type PropertyValue,
} from "../../../toolchain/standins/shared/values";

const schema: Schema = {
  size: {
    type: "integer",
    required: true,
    problem: (value) => (Number(value) < 1 ? `size is ${Number(value)}, at least 1 is allowed.` : undefined),
  },
  name: { type: "string", default: "none" },
  loud: { type: "boolean", replaces: () => false },
  items: { type: "strings" },
  tags: { type: "stringMap" },
  token: { type: "string", output: true, secret: true },
};

/** Any value that the wire can carry. */
const anyValue: fc.Arbitrary<PropertyValue> = fc.letrec<{ value: PropertyValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.string(),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
    fc.constant(UNKNOWN),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), tie("value"), { maxKeys: 3, noNullPrototype: true }),
    tie("value").map((value) => new Secret(value)),
  ),
})).value;

describe("Stand-ins: what they share", () => {
  describe("values", () => {
    it("survive the wire", () => {
      fc.assert(
        fc.property(fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), anyValue, { noNullPrototype: true }), (properties) => {
          assert.deepEqual(decodeProperties(encodeProperties(properties)), properties);
        }),
      );
    });

    it("drop nulls and what official plugins note for themselves", () => {
      const wire = Struct.fromJavaScript({ a: null, b: { __defaults: ["c"], d: null, e: 1 }, __meta: "{}", f: [null, 2] });
      assert.deepEqual(decodeProperties(wire), { b: { e: 1 }, f: [2] });
    });

    it("know what is not known at any depth, and lose secret marks when asked", () => {
      assert.equal(hasUnknown({ a: [{ b: new Secret(UNKNOWN) }] }), true);
      assert.equal(hasUnknown({ a: [{ b: new Secret(1) }] }), false);
      assert.deepEqual(reveal({ a: [new Secret({ b: new Secret(1) })], c: UNKNOWN }), { a: [{ b: 1 }], c: UNKNOWN });
    });
  });

  describe("check", () => {
    for (const [what, inputs, reasons] of [
      ["right inputs", { size: 1, name: "a", loud: true, items: ["x"], tags: { a: "b" } }, []],
      ["numbers as text and texts as numbers", { size: "3", name: 5, items: [1], tags: { a: true } }, []],
      ["values that are not known yet", { size: UNKNOWN, items: [UNKNOWN], tags: { a: UNKNOWN } }, []],
      ["a missing property", {}, ["Missing required property 'size', which has to be a whole number."]],
      ["a fraction", { size: 1.5 }, ["size is 1.5; it has to be a whole number."]],
      ["blank text for a number", { size: " " }, ['size is " "; it has to be a whole number.']],
      ["a value out of bounds", { size: 0 }, ["size is 0, at least 1 is allowed."]],
      ["text for a flag", { size: 1, loud: "yes" }, ['loud is "yes"; it has to be true or false.']],
      ["text for a list", { size: 1, items: "x" }, ['items is "x"; it has to be a list of texts.']],
      ["an object in a map", { size: 1, tags: { a: {} } }, ['tags is {"a":{}}; it has to be an object of texts.']],
      ["an output", { size: 1, token: "x" }, ["token is an output: remove it from the inputs."]],
      ["several mistakes at once", { name: [], loud: 1 }, /size.*name.*loud/],
    ] as const satisfies readonly (readonly [string, Properties, readonly string[] | RegExp])[]) {
      it(what, () => {
        const found = checkInputs(schema, inputs).map(({ reason }) => reason);
        if (reasons instanceof RegExp) assert.match(found.join(" "), reasons);
        else assert.deepEqual(found, reasons);
      });
    }
  });

  describe("plan and diff", () => {
    it("defaults, numbers from text, no unknown names", () => {
      assert.deepEqual(plannedInputs(schema, { size: "2", other: 1 }), { size: 2, name: "none" });
    });

    it("a preview does not know outputs", () => {
      assert.deepEqual(plannedOutputs(schema, { size: 2 }), { size: 2, token: UNKNOWN });
    });

    it("marks secret outputs, once, and leaves what is not known", () => {
      assert.deepEqual(withSecrets(schema, { size: 1, token: "x" }), { size: 1, token: new Secret("x") });
      assert.deepEqual(withSecrets(schema, { token: new Secret("x") }), { token: new Secret("x") });
      assert.deepEqual(withSecrets(schema, { token: UNKNOWN }), { token: UNKNOWN });
    });

    for (const [what, old, now, changed, replaces] of [
      ["nothing", { size: 1, tags: { a: "1", b: "2" } }, { size: 1, tags: { b: "2", a: "1" } }, [], []],
      ["a property", { size: 1 }, { size: 2 }, ["size"], ["size"]],
      ["a property that does not replace", { size: 1 }, { size: 1, loud: true }, ["loud"], []],
      ["one that comes and one that goes", { items: ["a"] }, { tags: {} }, ["items", "tags"], ["items", "tags"]],
      ["the order of a list", { items: ["a", "b"] }, { items: ["b", "a"] }, ["items"], ["items"]],
      ["something not known yet inside", { tags: { a: "1" } }, { tags: { a: UNKNOWN } }, ["tags"], ["tags"]],
      ["an output, which does not count", { token: "x" }, {}, [], []],
    ] as const satisfies readonly (readonly [string, Properties, Properties, readonly string[], readonly string[]])[]) {
      it(`decides: ${what}`, () => assert.deepEqual(decide(schema, old, now), { changed, replaces }));
    }

    it("any inputs are no change against themselves", () => {
      const known = fc.record(
        {
          size: fc.integer(),
          name: fc.string(),
          loud: fc.boolean(),
          items: fc.array(fc.string()),
          tags: fc.dictionary(fc.string(), fc.string()),
        },
        { requiredKeys: ["size"] },
      );
      fc.assert(
        fc.property(known, (inputs) => {
          const planned = plannedInputs(schema, inputs);
          assert.deepEqual(decide(schema, planned, plannedInputs(schema, planned)), { changed: [], replaces: [] });
        }),
      );
    });
  });

  describe("random texts", () => {
    const flags = fc.record({ upper: fc.boolean(), lower: fc.boolean(), numeric: fc.boolean(), special: fc.boolean() });
    const least = fc.integer({ min: 0, max: 5 });
    const minima = fc.record({ minUpper: least, minLower: least, minNumeric: least, minSpecial: least });

    it("have the length, the minima, and no other characters", () => {
      fc.assert(
        fc.property(
          flags,
          minima,
          fc.integer({ min: 20, max: 60 }),
          fc.constantFrom("", "é~"),
          (kinds, counts, length, overrideSpecial) => {
            fc.pre(Object.values(kinds).includes(true));
            const text = randomText({ ...kinds, ...counts, length, overrideSpecial });
            const special = overrideSpecial === "" ? /[!@#$%&*()\-_=+[\]{}<>:?]/g : /[é~]/g;
            const found = { upper: /[A-Z]/g, lower: /[a-z]/g, numeric: /[0-9]/g, special };
            const numbers = Object.entries(found).map(([kind, pattern]) => [kind, text.match(pattern)?.length ?? 0] as const);
            assert.equal(text.length, length);
            assert.equal(
              numbers.reduce((sum, [, count]) => sum + count, 0),
              length,
              `other characters in ${text}`,
            );
            for (const [kind, count] of numbers) {
              const minimum = counts[`min${kind[0]!.toUpperCase()}${kind.slice(1)}` as keyof typeof counts];
              assert.ok(count >= minimum, `${kind}: ${count} < ${minimum}`);
              if (!kinds[kind as keyof typeof kinds]) assert.equal(count, minimum);
            }
          },
        ),
      );
    });

    it("no kind at all is an error", () => {
      const none = { upper: false, lower: false, numeric: false, special: false };
      const shape = { length: 1, minUpper: 0, minLower: 0, minNumeric: 0, minSpecial: 0, overrideSpecial: "" };
      assert.throws(() => randomText({ ...none, ...shape }), /character set specified is empty/);
    });

    it("shuffling keeps every item", () => {
      fc.assert(fc.property(fc.array(fc.integer()), (items) => assert.deepEqual(shuffled(items).sort(), [...items].sort())));
    });

    it("every order comes up about as often: 6 orders, 6000 draws, chi-square below 30 (p = 0.00001)", () => {
      const counts = new Map<string, number>();
      for (let draw = 0; draw < 6000; draw++) {
        const order = shuffled(["a", "b", "c"]).join("");
        counts.set(order, (counts.get(order) ?? 0) + 1);
      }
      assert.equal(counts.size, 6);
      const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
      assert.ok(chiSquare < 30, `chi-square ${chiSquare}`);
    });
  });

  describe("protocol", () => {
    it("a plugin's command line: flags first, then the engine's address", () => {
      const engine = { engineAddress: "127.0.0.1:5", version: false };
      assert.deepEqual(parsePluginArguments(["127.0.0.1:5"]), engine);
      assert.deepEqual(parsePluginArguments(["--logtostderr", "-v=9", "--tracing", "http://x", "127.0.0.1:5"]), engine);
      assert.deepEqual(parsePluginArguments(["--version"]), { engineAddress: undefined, version: true });
      assert.throws(() => parsePluginArguments(["--nonsense"]), /nonsense/);
    });

    it("the type of a URN is the resource's own, not its parents'", () => {
      assert.equal(tokenOf("urn:pulumi:dev::shop::a:b:C$d:e:F$random:index/randomId:RandomId::name"), "random:index/randomId:RandomId");
      assert.equal(tokenOf("urn:pulumi:dev::shop::random:index/randomId:RandomId::a::b"), "random:index/randomId:RandomId");
    });

    it("an error answers with its message and no stack", () => {
      const answer = toRpcError(new Error("it broke"));
      assert.equal(answer.details, "it broke");
      assert.equal(toRpcError(answer), answer);
      assert.equal(toRpcError("odd").details, "odd");
      assert.ok(answer instanceof RpcError);
    });
  });
});
