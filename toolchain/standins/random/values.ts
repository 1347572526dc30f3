import { randomBytes as bytes, randomInt, randomUUID } from "node:crypto";

import type { Property } from "../shared/schema";
import type { Properties, PropertyValue } from "../shared/values";
import { keepers, resource } from "./resource";
import { shuffled } from "./strings";

const output: Property = { type: "string", output: true };
/** The official plugin takes numbers from Go's seeded generator: the same seed would make another value here, and a replacement there. */
const seed: Property = {
  type: "string",
  problem: () =>
    "seed is not part of this random stand-in, whose values would differ from the official plugin's: leave it out, or install that plugin.",
};

export const randomId = resource({
  schema: {
    byteLength: { type: "integer", required: true, problem: atLeast("byteLength", 1) },
    prefix: { type: "string" },
    keepers: keepers(),
    b64Url: output,
    b64Std: output,
    hex: output,
    dec: output,
    id: output,
  },
  create: (inputs) => idState(bytes(Number(inputs["byteLength"])), inputs),
  import(given) {
    const comma = given.lastIndexOf(",");
    const prefix = given.slice(0, Math.max(comma, 0));
    const id = given.slice(comma + 1);
    if (!/^[A-Za-z0-9_-]+$/.test(id) || id.length % 4 === 1) {
      throw new Error(`Import Random ID Error: "${id}" is not URL-safe base64 without padding; give [PREFIX,]B64URL as the id.`);
    }
    const decoded = Buffer.from(id, "base64url");
    return idState(decoded, { byteLength: decoded.length, ...(prefix === "" ? {} : { prefix }) });
  },
});

function idState(value: Buffer, inputs: Properties): { id: string; outputs: Properties } {
  const id = value.toString("base64url");
  const prefix = typeof inputs["prefix"] === "string" ? inputs["prefix"] : "";
  const hex = value.toString("hex");
  const outputs = {
    ...inputs,
    id,
    b64Url: prefix + id,
    b64Std: prefix + value.toString("base64"),
    hex: prefix + hex,
    dec: prefix + BigInt(`0x${hex}`).toString(),
  };
  return { id, outputs };
}

export const randomBytes = resource({
  schema: {
    length: { type: "integer", required: true, problem: atLeast("length", 1) },
    keepers: keepers(true),
    base64: { ...output, secret: true },
    hex: { ...output, secret: true },
  },
  create: (inputs) => bytesState(bytes(Number(inputs["length"])), inputs),
  import(id) {
    if (id === "" || !/^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(id)) {
      throw new Error("Import Random bytes Error: the id is not base64; give the value that base64 had.");
    }
    const decoded = Buffer.from(id, "base64");
    return bytesState(decoded, { length: decoded.length }, id);
  },
});

function bytesState(value: Buffer, inputs: Properties, base64 = value.toString("base64")): { id: string; outputs: Properties } {
  return { id: base64, outputs: { ...inputs, base64, hex: value.toString("hex") } };
}

export const randomUuid = resource({
  schema: { keepers: keepers(), result: output, id: output },
  create: (inputs) => uuidState(randomUUID(), inputs),
  import(id) {
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) throw new Error(`Import Random UUID Error: "${id}" is not a UUID.`);
    return uuidState(id.toLowerCase(), {});
  },
});

function uuidState(value: string, inputs: Properties): { id: string; outputs: Properties } {
  return { id: value, outputs: { ...inputs, id: value, result: value } };
}

export const randomInteger = resource({
  schema: {
    min: { type: "integer", required: true },
    max: { type: "integer", required: true },
    seed,
    keepers: keepers(),
    result: { type: "integer", output: true },
    id: output,
  },
  create(inputs) {
    const [min, max] = [Number(inputs["min"]), Number(inputs["max"])];
    if (max < min) throw new Error(`Create Random Integer Error: min (${min}) has to be smaller than or equal to max (${max}).`);
    const result = randomInt(min, max + 1);
    return { id: String(result), outputs: { ...inputs, id: String(result), result } };
  },
  import(id) {
    const parts = id.split(",");
    const [result = Number.NaN, min = Number.NaN, max = Number.NaN] = parts.map(Number);
    if (parts.length !== 3 || ![result, min, max].every(Number.isInteger)) {
      throw new Error("Import Random Integer Error: Invalid import usage: expecting {result},{min},{max}");
    }
    return { id: String(result), outputs: { id: String(result), result, min, max } };
  },
});

export const randomShuffle = resource({
  schema: {
    inputs: { type: "strings", required: true },
    resultCount: { type: "integer" },
    seed,
    keepers: keepers(),
    results: { type: "strings", output: true },
    id: output,
  },
  create(inputs) {
    const items = Array.isArray(inputs["inputs"]) ? inputs["inputs"] : [];
    const count = items.length === 0 ? 0 : Number(inputs["resultCount"] ?? items.length);
    const results: PropertyValue[] = [];
    while (results.length < count) results.push(...shuffled(items).slice(0, count - results.length));
    return { id: "-", outputs: { ...inputs, id: "-", results } };
  },
});

function atLeast(name: string, least: number): (value: PropertyValue) => string | undefined {
  return (value) => (Number(value) < least ? `Attribute ${name} value must be at least ${least}, got: ${Number(value)}.` : undefined);
}
