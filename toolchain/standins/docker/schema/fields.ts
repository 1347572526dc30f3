import type { PropertyValue } from "../../shared/values";

/** How a property's value is compared and which decision a change leads to, as the official plugin's schema has it. */
export interface Field {
  readonly type: "string" | "int" | "bool" | "list" | "set" | "map" | "object";
  readonly required?: boolean;
  /** A change of this very property replaces the resource. Nested properties carry their own flag, as in the official schema. */
  readonly forceNew?: boolean;
  /** Left out by the program, the resource keeps the value that Docker reported. */
  readonly computed?: boolean;
  /** Filled in by Check when the program leaves the property out. */
  readonly default?: PropertyValue;
  /** Only an output: the program cannot set it. */
  readonly output?: boolean;
  /** An empty string counts as "not said", also after another value. */
  readonly emptyIsUnset?: boolean;
  /** The element of a list or set. */
  readonly element?: Field;
  /** The properties of an object. */
  readonly fields?: Fields;
  /** What is wrong with a value, as half a sentence; undefined when it is right. */
  readonly check?: (value: PropertyValue) => string | undefined;
  /** Set for properties that this stand-in leaves out: why, as half a sentence. */
  readonly refused?: string;
}

/** Properties by their Pulumi names. */
export type Fields = Readonly<Record<string, Field>>;

/** A resource type of the bridged part of the plugin. */
export interface ResourceSchema {
  readonly token: string;
  readonly fields: Fields;
  /** Replacements delete the old one first, unless the program sets `deleteBeforeReplace: false`. */
  readonly deleteBeforeReplace: boolean;
  /** `name` is made from the resource's name when the program leaves it out. */
  readonly autoname: boolean;
  /** The schema version the official plugin writes into the state, so that either plugin continues with the other's state. */
  readonly version?: string;
}

type Options = Omit<Field, "type" | "element" | "fields">;

export const string = (options: Options = {}): Field => ({ type: "string", ...options });
export const int = (options: Options = {}): Field => ({ type: "int", ...options });
export const bool = (options: Options = {}): Field => ({ type: "bool", ...options });
export const map = (options: Options = {}): Field => ({ type: "map", ...options });
export const strings = (options: Options = {}): Field => ({ type: "list", element: { type: "string" }, ...options });
/** A set of strings; its elements replace the resource when the set does. */
export const stringSet = (options: Options = {}): Field => ({
  type: "set",
  element: { type: "string", ...(options.forceNew === undefined ? {} : { forceNew: options.forceNew }) },
  ...options,
});
export const objects = (type: "list" | "set", fields: Fields, options: Options = {}): Field => ({
  type,
  element: { type: "object", fields },
  ...options,
});
export const object = (fields: Fields, options: Options = {}): Field => ({ type: "object", fields, ...options });

/** At least `least`. */
export const atLeast =
  (least: number) =>
  (value: PropertyValue): string | undefined =>
    typeof value === "number" && value < least ? `cannot be lower than ${least}` : undefined;

/** One of `allowed`. */
export const oneOf =
  (...allowed: string[]) =>
  (value: PropertyValue): string | undefined =>
    typeof value === "string" && !allowed.includes(value) ? `is not one of ${allowed.join(", ")}` : undefined;

/** Text of a shape; `example` says which. */
export const matching =
  (pattern: RegExp, example: string) =>
  (value: PropertyValue): string | undefined =>
    typeof value === "string" && !pattern.test(value) ? `does not have the form of ${example}` : undefined;

/** A duration in Go's notation. */
export const duration = matching(/^(0|(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+)$/, 'a duration such as "30s", "1m30s" or "500ms"');

export const label = (forceNew: boolean): Fields => ({
  label: string({ required: true, forceNew }),
  value: string({ required: true, forceNew }),
});
