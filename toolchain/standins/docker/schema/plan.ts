import { UNKNOWN, Unknown, isObject, type Properties, type PropertyValue } from "../../shared/values";
import { decide } from "./diff";
import type { Field, Fields, ResourceSchema } from "./fields";

/** The outputs of a preview of a new resource: the inputs, and "not known yet" for what Docker will say. */
export function plannedOutputs(schema: ResourceSchema, inputs: Properties): Properties {
  const outputs: Properties = { ...inputs, id: UNKNOWN };
  for (const [name, field] of Object.entries(schema.fields)) {
    if (outputs[name] === undefined && (field.output === true || field.computed === true)) outputs[name] = UNKNOWN;
  }
  return outputs;
}

/** The outputs after an update in place: the state with the new inputs over it. What the program no longer says is dropped. */
export function updatedOutputs(schema: ResourceSchema, state: Properties, inputs: Properties): Properties {
  const outputs: Properties = { ...state };
  for (const [name, field] of Object.entries(schema.fields)) {
    if (field.output === true) continue;
    const value = inputs[name];
    if (value !== undefined) outputs[name] = value;
    else if (field.computed !== true && field.emptyIsUnset !== true) Reflect.deleteProperty(outputs, name);
  }
  return outputs;
}

/** What a refresh writes as the program's inputs: those inputs, with the values that Docker reports differently. */
export function refreshedInputs(schema: ResourceSchema, inputs: Properties, outputs: Properties): Properties {
  const refreshed: Properties = {};
  for (const [name, value] of Object.entries(inputs)) {
    const field = schema.fields[name];
    const actual = outputs[name];
    if (field === undefined || differs(schema, name, actual, value)) {
      const pruned = actual === undefined ? undefined : prune(actual, field ?? { type: "string" });
      if (pruned !== undefined) refreshed[name] = pruned;
    } else refreshed[name] = value;
  }
  return refreshed;
}

function differs(schema: ResourceSchema, name: string, actual: PropertyValue | undefined, value: PropertyValue): boolean {
  const one = { ...schema, fields: { [name]: { ...schema.fields[name], computed: false } as Field } };
  return decide(one, actual === undefined ? {} : { [name]: actual }, { [name]: value }, []).changes.size > 0;
}

/** What an import writes as inputs: everything Docker reports that a program may set and that is not the default. */
export function importedInputs(schema: ResourceSchema, outputs: Properties): Properties {
  return pruneFields(outputs, schema.fields);
}

function pruneFields(values: Properties, fields: Fields): Properties {
  const pruned: Properties = {};
  for (const [name, field] of Object.entries(fields)) {
    const value = values[name];
    if (field.output === true || field.refused !== undefined || value === undefined || value === field.default) continue;
    const kept = prune(value, field);
    if (kept !== undefined && kept !== "" && kept !== 0 && (kept !== false || field.default === true)) pruned[name] = kept;
  }
  return pruned;
}

function prune(value: PropertyValue, field: Field): PropertyValue | undefined {
  if (value instanceof Unknown) return value;
  if (Array.isArray(value)) {
    const element = field.element ?? { type: "string" };
    return value.length === 0 ? undefined : value.map((item) => (isObject(item) ? pruneFields(item, element.fields ?? {}) : item));
  }
  if (!isObject(value)) return value;
  const inner = field.type === "object" ? pruneFields(value, field.fields ?? {}) : value;
  return Object.keys(inner).length === 0 ? undefined : inner;
}
