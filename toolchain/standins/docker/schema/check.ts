import { createHash } from "node:crypto";
import { Unknown, isObject, type Properties, type PropertyValue } from "../../shared/values";
import type { Field, Fields, ResourceSchema } from "./fields";

/** How the engine wants a name to be made when the program gives none. */
export interface Autonaming {
  readonly mode: "propose" | "enforce" | "disable";
  readonly proposedName: string;
}

/** What Check has to know beside the inputs. */
export interface CheckContext {
  /** The resource's name in the program. */
  readonly resourceName: string;
  /** Inputs of the last update; the name they have is kept. */
  readonly olds: Properties;
  /** From the engine; the same seed makes the same name. */
  readonly randomSeed: Uint8Array;
  readonly autonaming: Autonaming | undefined;
}

/** Inputs with what Check filled in, or what is wrong with them. */
export interface Checked {
  readonly inputs: Properties;
  /** Properties that were filled in. */
  readonly defaults: readonly string[];
  readonly failures: readonly { readonly property: string; readonly reason: string }[];
}

/** The longest name Docker takes from us, characters: the official plugin's limit. */
const LONGEST_NAME = 255;

/** Checks a resource's inputs against its schema and fills in defaults and the name. */
export function check(schema: ResourceSchema, news: Properties, context: CheckContext): Checked {
  const failures: { property: string; reason: string }[] = [];
  const inputs: Properties = { ...news };
  const defaults: string[] = [];
  for (const [name, field] of Object.entries(schema.fields)) {
    if (field.default !== undefined && inputs[name] === undefined) {
      inputs[name] = field.default;
      defaults.push(name);
    }
  }
  if (schema.autoname && inputs["name"] === undefined) {
    const name = autoname(context);
    if (name === undefined)
      failures.push({ property: "name", reason: "name is missing, and automatic names are disabled for this resource" });
    else {
      inputs["name"] = name;
      defaults.push("name");
    }
  }
  problems(inputs, schema.fields, "", failures);
  return { inputs, defaults: defaults.sort(), failures };
}

function autoname({ olds, resourceName, randomSeed, autonaming }: CheckContext): PropertyValue | undefined {
  // Also after a name that the program gave: taking it away keeps it, as in the official plugin.
  if (olds["name"] !== undefined) return olds["name"];
  if (autonaming?.mode === "disable") return undefined;
  if (autonaming !== undefined) return autonaming.proposedName;
  const suffix = createHash("sha256").update(randomSeed).digest("hex").slice(0, 7);
  return `${resourceName.slice(0, LONGEST_NAME - suffix.length - 1)}-${suffix}`;
}

type Failures = { property: string; reason: string }[];

function problems(values: Properties, fields: Fields, prefix: string, failures: Failures): void {
  for (const [name, value] of Object.entries(values)) {
    const property = `${prefix}${name}`;
    const field = fields[name];
    if (field === undefined || field.output === true) {
      const known = Object.keys(fields).filter((key) => fields[key]?.output !== true);
      failures.push({ property, reason: `Invalid or unknown key "${property}"; known are: ${known.sort().join(", ")}` });
    } else if (field.refused !== undefined) {
      failures.push({
        property,
        reason: `"${property}" is not part of this docker stand-in: ${field.refused}; or install the official plugin`,
      });
    } else {
      valueProblems(value, field, property, failures);
    }
  }
  for (const [name, field] of Object.entries(fields)) {
    const property = `${prefix}${name}`;
    if (field.required === true && values[name] === undefined)
      failures.push({
        property,
        reason: `Missing required argument. The argument "${property}" is required, but no definition was found.`,
      });
  }
}

function valueProblems(value: PropertyValue, field: Field, property: string, failures: Failures): void {
  if (value instanceof Unknown) return;
  const shape = {
    list: "a list",
    set: "a list",
    map: "an object",
    object: "an object",
    string: "text",
    int: "a whole number",
    bool: "true or false",
  };
  const wrong = (): void => {
    failures.push({ property, reason: `"${property}" has to be ${shape[field.type]}, got ${JSON.stringify(value)}` });
  };
  if (field.type === "list" || field.type === "set") {
    if (!Array.isArray(value)) {
      wrong();
      return;
    }
    for (const [index, item] of value.entries())
      valueProblems(item, field.element ?? { type: "string" }, `${property}[${index}]`, failures);
    return;
  }
  if (field.type === "object" || field.type === "map") {
    if (!isObject(value)) wrong();
    else if (field.type === "object") problems(value, field.fields ?? {}, `${property}.`, failures);
    return;
  }
  if (!isScalarOf(field.type, value)) {
    wrong();
    return;
  }
  const complaint = field.check?.(value);
  if (complaint !== undefined) failures.push({ property, reason: `"${property}": ${JSON.stringify(value)} ${complaint}` });
}

/** Numbers and booleans may come as text, as in the official plugin, and text as numbers or booleans. */
function isScalarOf(type: "string" | "int" | "bool", value: PropertyValue): boolean {
  if (type === "string") return ["string", "number", "boolean"].includes(typeof value);
  if (type === "bool") return typeof value === "boolean" || value === "true" || value === "false";
  return (typeof value === "number" && Number.isInteger(value)) || (typeof value === "string" && /^-?\d+$/.test(value));
}
