import type { Decision, Failure } from "./provider";
import { Secret, UNKNOWN, Unknown, hasUnknown, isObject, type Properties, type PropertyValue } from "./values";

/** A property of a resource, as far as decisions depend on it. */
export interface Property {
  readonly type: "string" | "integer" | "boolean" | "strings" | "stringMap";
  readonly required?: boolean;
  /** The value when the program says nothing. */
  readonly default?: PropertyValue;
  /** Only an output. */
  readonly output?: boolean;
  /** Marked as a secret in the outputs. */
  readonly secret?: boolean;
  /** Whether a change, which has taken place, needs a new resource. @default always */
  readonly replaces?: (old: PropertyValue | undefined, now: PropertyValue | undefined) => boolean;
  /** What is wrong with a known value of the right type, as one sentence; undefined when it is right. */
  readonly problem?: (value: PropertyValue, inputs: Properties) => string | undefined;
}

/** The properties of a resource by their Pulumi names. */
export type Schema = Readonly<Record<string, Property>>;

const shapes = {
  string: "text",
  integer: "a whole number",
  boolean: "true or false",
  strings: "a list of texts",
  stringMap: "an object of texts",
} as const;

/** Everything that is wrong with a resource's inputs. Unknown names pass, as the official plugins' bridge lets them. */
export function checkInputs(schema: Schema, inputs: Properties): Failure[] {
  const failures: Failure[] = [];
  for (const [name, property] of Object.entries(schema)) {
    const value = inputs[name];
    const fail = (reason: string): void => void failures.push({ property: name, reason });
    if (property.output === true) {
      if (value !== undefined) fail(`${name} is an output: remove it from the inputs.`);
    } else if (value === undefined) {
      if (property.required === true) fail(`Missing required property '${name}', which has to be ${shapes[property.type]}.`);
    } else if (!(value instanceof Unknown)) {
      if (coerce(property, value) === undefined) fail(`${name} is ${JSON.stringify(value)}; it has to be ${shapes[property.type]}.`);
      else {
        const problem = property.problem?.(value, inputs);
        if (problem !== undefined) fail(problem);
      }
    }
  }
  return failures;
}

/** The inputs as the resource works with them: defaults filled in, numbers that came as text turned into numbers, unknown names left out. */
export function plannedInputs(schema: Schema, inputs: Properties): Properties {
  const planned: Properties = {};
  for (const [name, property] of Object.entries(schema)) {
    const given = property.output === true ? undefined : (inputs[name] ?? property.default);
    const value = given === undefined ? undefined : coerce(property, given);
    if (value !== undefined) planned[name] = value;
  }
  return planned;
}

/** The outputs of a preview: the planned inputs, and "not known yet" for every output. */
export function plannedOutputs(schema: Schema, planned: Properties): Properties {
  const outputs = Object.entries(schema).filter(([, property]) => property.output === true);
  return { ...planned, ...Object.fromEntries(outputs.map(([name]) => [name, UNKNOWN])) };
}

/** Outputs with their secret marks. The engine sends them back without, and would write them readable into the state otherwise. */
export function withSecrets(schema: Schema, outputs: Properties): Properties {
  const mark = (name: string, value: PropertyValue): PropertyValue =>
    schema[name]?.secret === true && !(value instanceof Secret) && !(value instanceof Unknown) ? new Secret(value) : value;
  return Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, mark(name, value)]));
}

/** Compares planned inputs with the state, property by property. A value that is not known yet counts as changed. */
export function decide(schema: Schema, olds: Properties, planned: Properties): Decision {
  const inputs = Object.entries(schema).filter(([, property]) => property.output !== true);
  const changed = inputs.filter(([name]) => !same(olds[name], planned[name]));
  const replaces = changed.filter(([name, property]) => property.replaces?.(olds[name], planned[name]) ?? true);
  const names = (entries: typeof inputs): string[] => entries.map(([name]) => name);
  return { changed: names(changed), replaces: names(replaces) };
}

/** The value in the property's own type; undefined when it is of another. Official plugins take numbers as text and texts as numbers. */
function coerce({ type }: Property, value: PropertyValue): PropertyValue | undefined {
  if (value instanceof Unknown) return value;
  switch (type) {
    case "integer": {
      const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
      return Number.isInteger(number) ? number : undefined;
    }
    case "boolean":
      return typeof value === "boolean" ? value : undefined;
    case "string":
      return asText(value);
    case "strings":
      return Array.isArray(value) ? allText(value) : undefined;
    case "stringMap": {
      if (!isObject(value)) return undefined;
      const texts = allText(Object.values(value));
      return texts && Object.fromEntries(Object.keys(value).map((key, index) => [key, texts[index] ?? ""]));
    }
  }
}

function asText(value: PropertyValue): PropertyValue | undefined {
  if (typeof value === "string" || value instanceof Unknown) return value;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : undefined;
}

function allText(values: PropertyValue[]): PropertyValue[] | undefined {
  const texts = values.map(asText);
  return texts.every((text) => text !== undefined) ? texts : undefined;
}

function same(old: PropertyValue | undefined, now: PropertyValue | undefined): boolean {
  if (old === undefined || now === undefined) return old === now;
  if (hasUnknown(now)) return false;
  if (Array.isArray(old) && Array.isArray(now)) return old.length === now.length && old.every((item, index) => same(item, now[index]));
  if (isObject(old) && isObject(now)) {
    return Object.keys(old).length === Object.keys(now).length && Object.entries(old).every(([key, item]) => same(item, now[key]));
  }
  return old === now;
}
