import assert from "node:assert/strict";
import npmPackage from "@pulumi/random/package.json";

import { Secret, UNKNOWN, type Properties, type PropertyValue } from "../../toolchain/standins/shared/values";
import { Plugin, PluginError, underTest, type Diff, type ResourceState } from "./harness";

const PASSWORD = "random:index/randomPassword:RandomPassword";
const STRING = "random:index/randomString:RandomString";
const ID = "random:index/randomId:RandomId";
const BYTES = "random:index/randomBytes:RandomBytes";
const UUID = "random:index/randomUuid:RandomUuid";
const INTEGER = "random:index/randomInteger:RandomInteger";
const SHUFFLE = "random:index/randomShuffle:RandomShuffle";

const none: Partial<Diff> = { changes: "none", replaces: [] };
const update: Partial<Diff> = { changes: "some", replaces: [] };
const replace = (...replaces: string[]): Partial<Diff> => ({ changes: "some", replaces, deleteBeforeReplace: false });

/** [what, type, inputs before, inputs after, decision] */
const decisions: readonly (readonly [string, string, Properties, Properties, Partial<Diff>])[] = [
  ["the same inputs", PASSWORD, { length: 8 }, { length: 8 }, none],
  ["a default that is now said", PASSWORD, { length: 8 }, { length: 8, special: true, minLower: 0, numeric: true }, none],
  ["a number that is now text", PASSWORD, { length: 8 }, { length: "8" }, none],
  ["length", PASSWORD, { length: 8 }, { length: 9 }, replace("length")],
  ["length, not known yet", PASSWORD, { length: 8 }, { length: UNKNOWN }, replace("length")],
  ...["special", "upper", "lower"].map((name) => [name, PASSWORD, { length: 8 }, { length: 8, [name]: false }, replace(name)] as const),
  ["numeric, and its old name with it", PASSWORD, { length: 8 }, { length: 8, numeric: false }, replace("number", "numeric")],
  ["number, and its new name with it", PASSWORD, { length: 8 }, { length: 8, number: false }, replace("number", "numeric")],
  ...["minUpper", "minLower", "minNumeric", "minSpecial"].map(
    (name) => [name, STRING, { length: 8 }, { length: 8, [name]: 2 }, replace(name)] as const,
  ),
  ["overrideSpecial", PASSWORD, { length: 8, overrideSpecial: "_" }, { length: 8, overrideSpecial: "-" }, replace("overrideSpecial")],
  ["overrideSpecial, gone", PASSWORD, { length: 8, overrideSpecial: "_" }, { length: 8 }, replace("overrideSpecial")],
  ["overrideSpecial, empty and gone", PASSWORD, { length: 8, overrideSpecial: "" }, { length: 8 }, update],
  ["overrideSpecial, not known yet", PASSWORD, { length: 8, overrideSpecial: "_" }, { length: 8, overrideSpecial: UNKNOWN }, update],
  ["a keeper", PASSWORD, { length: 8, keepers: { a: "1" } }, { length: 8, keepers: { a: "2" } }, replace("keepers")],
  ["a keeper, not known yet", PASSWORD, { length: 8, keepers: { a: "1" } }, { length: 8, keepers: { a: UNKNOWN } }, replace("keepers")],
  ["one more keeper", ID, { byteLength: 4, keepers: { a: "1" } }, { byteLength: 4, keepers: { a: "1", b: "2" } }, replace("keepers")],
  ["one keeper less", ID, { byteLength: 4, keepers: { a: "1", b: "2" } }, { byteLength: 4, keepers: { a: "1" } }, replace("keepers")],
  ["all keepers gone", ID, { byteLength: 4, keepers: { a: "1" } }, { byteLength: 4 }, replace("keepers")],
  ["the first keeper", UUID, {}, { keepers: { a: "1" } }, replace("keepers")],
  ["keepers without any", UUID, {}, { keepers: {} }, update],
  ["keepers without any, of bytes", BYTES, { length: 4 }, { length: 4, keepers: {} }, replace("keepers")],
  ["byteLength", ID, { byteLength: 4 }, { byteLength: 5 }, replace("byteLength")],
  ["prefix", ID, { byteLength: 4 }, { byteLength: 4, prefix: "p" }, replace("prefix")],
  ["length of bytes", BYTES, { length: 4 }, { length: 5 }, replace("length")],
  ["min and max", INTEGER, { min: 1, max: 3 }, { min: 2, max: 4 }, replace("max", "min")],
  ["items to shuffle", SHUFFLE, { inputs: ["a", "b"] }, { inputs: ["a", "c"] }, replace("inputs")],
  ["the number of results", SHUFFLE, { inputs: ["a", "b"] }, { inputs: ["a", "b"], resultCount: 1 }, replace("resultCount")],
];

/** [what, type, inputs, what the refusal speaks of] */
const refusals: readonly (readonly [string, string, Properties, RegExp])[] = [
  ["no length", PASSWORD, {}, /length/],
  ["length 0", PASSWORD, { length: 0 }, /length.*at least 1/],
  ["a length that is no whole number", PASSWORD, { length: 1.5 }, /length|integer/],
  ["a length that is text", PASSWORD, { length: "x" }, /length/],
  ["a length that is a list", PASSWORD, { length: [1] }, /length/],
  ["a length below the sum of the minima", PASSWORD, { length: 3, minUpper: 2, minLower: 2 }, /length.*at least sum of/],
  ["a flag that is text", PASSWORD, { length: 8, special: "yes" }, /special/],
  ["keepers that are text", PASSWORD, { length: 8, keepers: "a" }, /keepers/],
  ["no kind of character", PASSWORD, { length: 8, upper: false, lower: false, numeric: false, special: false }, /[Aa]t least one/],
  ["an output among the inputs", PASSWORD, { length: 8, result: "x" }, /result/],
  ["no byteLength", ID, {}, /byteLength/],
  ["bytes of length 0", BYTES, { length: 0 }, /length.*at least 1/],
  ["no min", INTEGER, { max: 1 }, /min/],
  ["no items", SHUFFLE, {}, /inputs/],
];

/** [what, type, id, state that an import of the id writes, inputs] */
const imports: readonly (readonly [string, string, string, ResourceState, Properties])[] = [
  [
    "a string by its value",
    STRING,
    "hunter2",
    { id: "hunter2", outputs: { ...textDefaults(7), id: "hunter2", result: "hunter2" } },
    { length: 7, lower: true, number: true, numeric: true, special: true, upper: true },
  ],
  [
    "an id by base64url, with a prefix",
    ID,
    "pre-,p-9hUg",
    {
      id: "p-9hUg",
      outputs: {
        id: "p-9hUg",
        byteLength: 4,
        prefix: "pre-",
        b64Url: "pre-p-9hUg",
        b64Std: "pre-p+9hUg==",
        hex: "pre-a7ef6152",
        dec: "pre-2817483090",
      },
    },
    { byteLength: 4, prefix: "pre-" },
  ],
  [
    "bytes by base64",
    BYTES,
    "8/fu3w+=",
    { id: "8/fu3w+=", outputs: { length: 5, base64: new Secret("8/fu3w+="), hex: new Secret("f3f7eedf0f") } },
    { length: 5 },
  ],
  [
    "a UUID",
    UUID,
    "aabbccdd-eeff-0011-2233-445566778899",
    {
      id: "aabbccdd-eeff-0011-2233-445566778899",
      outputs: { id: "aabbccdd-eeff-0011-2233-445566778899", result: "aabbccdd-eeff-0011-2233-445566778899" },
    },
    {},
  ],
  ["an integer with its bounds", INTEGER, "2,1,3", { id: "2", outputs: { id: "2", result: 2, min: 1, max: 3 } }, { min: 1, max: 3 }],
];

function textDefaults(length: number): Properties {
  const kinds = { special: true, upper: true, lower: true, number: true, numeric: true };
  return { length, ...kinds, minUpper: 0, minLower: 0, minNumeric: 0, minSpecial: 0 };
}

function secretText(value: PropertyValue | undefined): string {
  assert.ok(value instanceof Secret, "is marked as a secret");
  assert.equal(typeof value.value, "string");
  return value.value as string;
}

describe(`random provider (${underTest})`, () => {
  let plugin: Plugin;
  before(async () => {
    plugin = await Plugin.start("random");
  });
  after(async () => {
    await plugin.stop();
  });

  it("is the version of the npm package", async () => {
    assert.equal((await plugin.version()).replace(/^v/, ""), npmPackage.version);
  });

  describe("decides as the official plugin", () => {
    for (const [what, type, before, after, expected] of decisions) {
      it(`${type.split(":")[2]!}: ${what}`, async () => {
        const state = await plugin.create(type, before);
        const decision = await plugin.diff(type, state, before, after);
        assert.deepEqual({ ...decision, ...expected }, decision);
      });
    }

    it("ignoreChanges", async () => {
      const state = await plugin.create(PASSWORD, { length: 8 });
      const decision = await plugin.diff(PASSWORD, state, { length: 8 }, { length: 9 }, { ignoreChanges: ["length"] });
      assert.equal(decision.changes, "none");
    });
  });

  describe("refuses", () => {
    for (const [what, type, inputs, message] of refusals) {
      it(`${type.split(":")[2]!}: ${what}`, async () => {
        // The official plugin refuses wrong types with an error of the call and wrong values with failures: either ends the update.
        const answer = await plugin.check(type, inputs).then(
          ({ failures }) => failures.join("; "),
          (error: unknown) => (error instanceof PluginError ? error.message : Promise.reject(error as Error)),
        );
        assert.match(answer, message);
      });
    }

    it("bounds the wrong way round, when the number is made", async () => {
      await assert.rejects(plugin.create(INTEGER, { min: 4, max: 3 }), /Create Random Integer Error.*smaller than or equal/);
    });

    it("number and numeric with different values, when it is planned", async () => {
      await assert.rejects(plugin.create(PASSWORD, { length: 8, number: false, numeric: true }), /both configured with different values/);
    });

    it("a type that does not exist, and functions", async () => {
      await assert.rejects(plugin.create("random:index/foo:Foo", {}), /random:index\/foo:Foo/);
      await assert.rejects(plugin.invoke("random:index/foo:foo", {}), /random:index\/foo:foo/);
    });
  });

  describe("makes values", () => {
    it("RandomPassword: result and bcryptHash are secrets, the id says nothing", async () => {
      const { id, outputs } = await plugin.create(PASSWORD, { length: 80 });
      const { result, bcryptHash, ...open } = outputs;
      assert.equal(secretText(result).length, 80);
      assert.match(secretText(bcryptHash), /^\$2a\$10\$[./A-Za-z0-9]{53}$/);
      assert.equal(id, "none");
      assert.deepEqual(open, { ...textDefaults(80), id: "none" });
    });

    it("RandomPassword: bcryptHash is the hash of the result", async () => {
      const { compare } = await import("bcryptjs");
      const { outputs } = await plugin.create(PASSWORD, { length: 20 });
      assert.ok(await compare(secretText(outputs["result"]), secretText(outputs["bcryptHash"])));
    });

    it("RandomString: only chosen kinds, at least the minima, the given special characters", async () => {
      const inputs = { length: 10, lower: false, minNumeric: 4, minSpecial: 3, overrideSpecial: "~^" };
      const { id, outputs } = await plugin.create(STRING, inputs);
      const result = outputs["result"];
      assert.ok(typeof result === "string");
      assert.match(result, /^[A-Z0-9~^]{10}$/);
      assert.ok(result.replace(/\D/g, "").length >= 4);
      assert.ok(result.replace(/[^~^]/g, "").length >= 3);
      assert.equal(id, result);
    });

    it("RandomString: a minimum counts also for a kind that is not chosen", async () => {
      const { outputs } = await plugin.create(STRING, { length: 4, upper: false, minUpper: 4 });
      assert.match(outputs["result"] as string, /^[A-Z]{4}$/);
    });

    it("RandomId: one value in four forms, each with the prefix", async () => {
      const { id, outputs } = await plugin.create(ID, { byteLength: 6, prefix: "p-" });
      const bytes = Buffer.from(id, "base64url");
      assert.equal(bytes.length, 6);
      assert.deepEqual(outputs, {
        id,
        byteLength: 6,
        prefix: "p-",
        b64Url: `p-${id}`,
        b64Std: `p-${bytes.toString("base64")}`,
        hex: `p-${bytes.toString("hex")}`,
        dec: `p-${BigInt(`0x${bytes.toString("hex")}`)}`,
      });
    });

    it("RandomBytes: secret base64 and hex of the same bytes", async () => {
      const { id, outputs } = await plugin.create(BYTES, { length: 7 });
      const bytes = Buffer.from(secretText(outputs["base64"]), "base64");
      assert.equal(bytes.length, 7);
      assert.equal(secretText(outputs["hex"]), bytes.toString("hex"));
      assert.equal(id, bytes.toString("base64"));
    });

    it("RandomUuid, RandomInteger, RandomShuffle", async () => {
      const uuid = await plugin.create(UUID, { keepers: { a: "1" } });
      assert.match(uuid.id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      assert.deepEqual(uuid.outputs, { id: uuid.id, result: uuid.id, keepers: { a: "1" } });
      const integer = await plugin.create(INTEGER, { min: 7, max: 7 });
      assert.deepEqual(integer, { id: "7", outputs: { id: "7", min: 7, max: 7, result: 7 } });
      const { id, outputs } = await plugin.create(SHUFFLE, { inputs: ["a", "b"], resultCount: 5 });
      const results = outputs["results"] as string[];
      assert.equal(id, "-");
      assert.equal(results.length, 5);
      assert.deepEqual(
        [results.slice(0, 2).sort(), results.slice(2, 4).sort()],
        [
          ["a", "b"],
          ["a", "b"],
        ],
      );
    });
  });

  describe("keeps values", () => {
    it("a preview knows inputs and defaults, and no result", async () => {
      const { id, outputs } = await plugin.create(PASSWORD, { length: 8, keepers: { a: UNKNOWN } }, { preview: true });
      assert.equal(id, "");
      const unknown = { id: UNKNOWN, result: UNKNOWN, bcryptHash: UNKNOWN };
      assert.deepEqual(outputs, { ...textDefaults(8), keepers: { a: UNKNOWN }, ...unknown });
    });

    it("an update in place keeps the result, and its secret mark", async () => {
      const before = { length: 8, keepers: {} };
      const state = await plugin.create(PASSWORD, before);
      const { outputs } = await plugin.update(PASSWORD, state, before, { length: 8 });
      assert.equal(secretText(outputs["result"]), secretText(state.outputs["result"]));
      assert.equal(secretText(outputs["bcryptHash"]), secretText(state.outputs["bcryptHash"]));
      assert.equal(outputs["keepers"], undefined);
    });

    it("a refresh finds what the state says, and a delete needs nothing", async () => {
      const inputs = { byteLength: 4, prefix: "p" };
      const state = await plugin.create(ID, inputs);
      const refreshed = await plugin.read(ID, state.id, state, inputs);
      assert.deepEqual(refreshed, { ...state, inputs });
      await plugin.delete(ID, state, inputs);
    });
  });

  describe("imports", () => {
    for (const [what, type, id, state, inputs] of imports) {
      it(what, async () => {
        assert.deepEqual(await plugin.read(type, id), { ...state, inputs });
      });
    }

    it("a password by its value, the length in bytes", async () => {
      const found = await plugin.read(PASSWORD, "hunter2é");
      assert.ok(found !== undefined);
      const { result, bcryptHash, ...open } = found.outputs;
      assert.equal(secretText(result), "hunter2é");
      assert.match(secretText(bcryptHash), /^\$2a\$10\$/);
      assert.deepEqual(open, { ...textDefaults(9), id: "none" });
      assert.deepEqual(found.inputs, { length: 9, lower: true, number: true, numeric: true, special: true, upper: true });
    });

    it("nothing of the wrong form", async () => {
      await assert.rejects(plugin.read(ID, "!!"), /Import Random ID Error/);
      await assert.rejects(plugin.read(BYTES, "!!"), /Import Random bytes Error/);
      await assert.rejects(plugin.read(UUID, "x"), /Import Random UUID Error/);
      await assert.rejects(plugin.read(INTEGER, "2"), /Invalid import usage/);
      await assert.rejects(plugin.read(SHUFFLE, "x"), /does not support import/);
    });
  });
});
