import { Struct } from "google-protobuf/google/protobuf/struct_pb";

/** A value as the protocol's structs carry it. */
type Wire = null | boolean | number | string | Wire[] | { [key: string]: Wire };

/** How the engine writes a value that is not known yet, as during a preview: this string in the place of the value (Pulumi's wire protocol). */
const UNKNOWN_SENTINEL = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
/** The key that marks an object as one of the special values of Pulumi's wire protocol. */
export const SIGNATURE_KEY = "4dabf18193072939515e22adb298388d";
/** The signature of a secret. */
const SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270";

/** A value that will be known only once other resources exist. There is one of it: {@link UNKNOWN}. */
export class Unknown {
  readonly kind = "unknown";
}

/** The value that is not known yet. */
export const UNKNOWN = new Unknown();

/** A value that the engine has to keep encrypted and hidden. */
export class Secret {
  readonly value: PropertyValue;

  constructor(value: PropertyValue) {
    this.value = value;
  }
}

/** A property's value. Absent properties are `undefined`; `null` never occurs, decoding drops it. Assets stay the objects of the protocol. */
export type PropertyValue = boolean | number | string | PropertyValue[] | { [key: string]: PropertyValue } | Unknown | Secret;

/** The properties of a resource, by name. */
export type Properties = Record<string, PropertyValue>;

/** True for an object with keys: not a list, not unknown, not a secret. */
export function isObject(value: PropertyValue | undefined): value is Record<string, PropertyValue> {
  return typeof value === "object" && !Array.isArray(value) && !(value instanceof Unknown) && !(value instanceof Secret);
}

/** True when the value, or anything inside it, is not known yet. */
export function hasUnknown(value: PropertyValue): boolean {
  if (value instanceof Unknown) return true;
  if (value instanceof Secret) return hasUnknown(value.value);
  if (Array.isArray(value)) return value.some(hasUnknown);
  return isObject(value) && Object.values(value).some(hasUnknown);
}

/** The value without its secret marks, at any depth. */
export function reveal(value: PropertyValue): PropertyValue {
  if (value instanceof Secret) return reveal(value.value);
  if (Array.isArray(value)) return value.map(reveal);
  return isObject(value) ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, reveal(item)])) : value;
}

/** Properties from the wire. Absent and null properties, and those that begin with `__` (official plugins' own notes in the state), are dropped. */
export function decodeProperties(struct: Struct | undefined): Properties {
  if (struct === undefined) return {};
  const decoded: Properties = {};
  for (const [key, raw] of Object.entries(struct.toJavaScript() as Record<string, Wire>)) {
    const value = decodeValue(raw);
    if (value !== undefined && !key.startsWith("__")) decoded[key] = value;
  }
  return decoded;
}

function decodeValue(raw: Wire): PropertyValue | undefined {
  if (raw === null) return undefined;
  if (raw === UNKNOWN_SENTINEL) return UNKNOWN;
  if (Array.isArray(raw)) return raw.map(decodeValue).filter((item) => item !== undefined);
  if (typeof raw !== "object") return raw;
  if (raw[SIGNATURE_KEY] === SECRET_SIGNATURE) {
    const value = decodeValue(raw.value ?? null);
    return value === undefined ? undefined : new Secret(value);
  }
  const decoded: Properties = {};
  for (const [key, item] of Object.entries(raw)) {
    const value = decodeValue(item);
    if (value !== undefined && key !== "__defaults") decoded[key] = value;
  }
  return decoded;
}

/** Properties for the wire. */
export function encodeProperties(properties: Properties): Struct {
  return Struct.fromJavaScript(encodeValue(properties) as Record<string, Wire>);
}

function encodeValue(value: PropertyValue): Wire {
  if (value instanceof Unknown) return UNKNOWN_SENTINEL;
  if (value instanceof Secret) return { [SIGNATURE_KEY]: SECRET_SIGNATURE, value: encodeValue(value.value) };
  if (Array.isArray(value)) return value.map(encodeValue);
  return isObject(value) ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, encodeValue(item)])) : value;
}
