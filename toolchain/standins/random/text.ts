import bcrypt from "bcryptjs";

import { Unknown, type Properties, type PropertyValue } from "../shared/values";
import { keepers, resource, type RandomType } from "./resource";
import type { Property } from "../shared/schema";
import { randomText, type TextShape } from "./strings";

/** bcrypt's cost in the official plugin. */
const BCRYPT_ROUNDS = 10;
/** What bcrypt hashes of a longer text, bytes; the official plugin cuts there too. */
const BCRYPT_LONGEST_BYTES = 72;

const kinds = ["special", "upper", "lower"] as const;
const minima = ["minUpper", "minLower", "minNumeric", "minSpecial"] as const;

const flag: Property = { type: "boolean", default: true };
const minimum: Property = { type: "integer", default: 0 };
/** `number` is the former name of `numeric`; the official plugin keeps both in the state. */
const digits: Property = { type: "boolean", problem: (value, inputs) => (value === false ? noKindLeft(inputs) : undefined) };

/** RandomString and RandomPassword: the same text, secret and with a bcrypt hash in the second. */
function text(secret: boolean): RandomType {
  const hash: Record<string, Property> = secret ? { bcryptHash: { type: "string", output: true, secret } } : {};
  return resource({
    stateVersion: secret ? 3 : 2,
    schema: {
      length: { type: "integer", required: true, problem: lengthProblem },
      special: flag,
      upper: flag,
      lower: flag,
      number: digits,
      numeric: digits,
      minUpper: minimum,
      minLower: minimum,
      minNumeric: minimum,
      minSpecial: minimum,
      // The official plugin keeps the text when an empty one is no longer said, and while the new one is not known.
      overrideSpecial: { type: "string", replaces: (old, now) => !(now instanceof Unknown) && !(old === "" && now === undefined) },
      keepers: keepers(),
      result: { type: "string", output: true, secret },
      ...hash,
      id: { type: "string", output: true },
    },
    plan: withBothNamesOfNumeric,
    async create(inputs) {
      return await stateOf(randomText(shapeOf(inputs)), inputs);
    },
    async import(id) {
      const everything = { special: true, upper: true, lower: true, number: true, numeric: true };
      const none = Object.fromEntries(minima.map((name) => [name, 0]));
      return await stateOf(id, { length: Buffer.byteLength(id), ...everything, ...none });
    },
  });

  async function stateOf(result: string, inputs: Properties): Promise<{ id: string; outputs: Properties }> {
    // A password must not stand in the id, which is not secret.
    const id = secret ? "none" : result;
    if (!secret) return { id, outputs: { ...inputs, id, result } };
    return { id, outputs: { ...inputs, id, result, bcryptHash: await bcryptHash(result) } };
  }
}

export const randomString = text(false);
export const randomPassword = text(true);

/** The hash as the official plugin writes it: `$2a$`, which for valid text is the same algorithm as `$2b$`. */
async function bcryptHash(value: string): Promise<string> {
  const salt = await bcrypt.genSalt(BCRYPT_ROUNDS);
  return await bcrypt.hash(firstBytes(value, BCRYPT_LONGEST_BYTES), salt.replace(/^\$2b\$/, "$$2a$$"));
}

/** bcryptjs takes no bytes, and cuts by itself where the bytes are valid text; only what it would read is handed on. */
function firstBytes(value: string, count: number): string {
  if (Buffer.byteLength(value) <= count) return value;
  let kept = "";
  for (const character of value) {
    if (Buffer.byteLength(kept + character) > count) break;
    kept += character;
  }
  return kept;
}

function lengthProblem(value: PropertyValue, inputs: Properties): string | undefined {
  const length = Number(value);
  if (length < 1) return `Attribute length value must be at least 1, got: ${length}.`;
  const least = minima.map((name) => inputs[name] ?? 0);
  if (least.some((count) => count instanceof Unknown)) return undefined;
  const sum = least.reduce<number>((total, count) => total + Number(count), 0);
  return length < sum ? `Attribute length value must be at least sum of ${minima.join(" + ")} (${sum}), got: ${length}.` : undefined;
}

function noKindLeft(inputs: Properties): string | undefined {
  const off = kinds.every((kind) => inputs[kind] === false);
  return off ? "At least one of special, upper, lower, numeric must be true." : undefined;
}

function withBothNamesOfNumeric(inputs: Properties): Properties {
  const { number, numeric } = inputs;
  const conflicting = number !== undefined && numeric !== undefined && !(number instanceof Unknown) && !(numeric instanceof Unknown);
  if (conflicting && number !== numeric) {
    throw new Error("Number and numeric are both configured with different values - Number is deprecated, use numeric instead");
  }
  const value = numeric ?? number ?? true;
  return { ...inputs, number: value, numeric: value };
}

function shapeOf(inputs: Properties): TextShape {
  const count = (name: string): number => Number(inputs[name] ?? 0);
  const overrideSpecial = inputs["overrideSpecial"];
  return {
    length: count("length"),
    upper: inputs["upper"] === true,
    lower: inputs["lower"] === true,
    numeric: inputs["numeric"] === true,
    special: inputs["special"] === true,
    minUpper: count("minUpper"),
    minLower: count("minLower"),
    minNumeric: count("minNumeric"),
    minSpecial: count("minSpecial"),
    overrideSpecial: typeof overrideSpecial === "string" ? overrideSpecial : "",
  };
}
