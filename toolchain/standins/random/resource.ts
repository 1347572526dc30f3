import type { ResourceType, State } from "../shared/provider";
import { checkInputs, decide, plannedInputs, plannedOutputs, withSecrets, type Property, type Schema } from "../shared/schema";
import { Unknown, isObject, type Properties, type PropertyValue } from "../shared/values";

/** One random resource: its schema, and how its value comes about. */
export interface RandomResource {
  readonly schema: Schema;
  /** The version of the state's form that the official plugin looks for, should it continue with this state; absent is its first. */
  readonly stateVersion?: number;
  /** A last hand on the inputs with their defaults. @throws Error for values that contradict each other */
  readonly plan?: (inputs: Properties) => Properties;
  /** @param inputs with defaults */
  readonly create: (inputs: Properties) => State | Promise<State>;
  /** The state for an imported value; absent where the official plugin cannot import. */
  readonly import?: (id: string) => State | Promise<State>;
}

/** A resource type of the random provider. Values live in the state alone: a delete has nothing to do, a refresh finds what is there. */
export type RandomType = ResourceType;

/** Makes a resource type of the description. */
export function resource({ schema, stateVersion, plan = (inputs) => inputs, create, import: importValue }: RandomResource): RandomType {
  const meta = stateVersion === undefined ? {} : { __meta: JSON.stringify({ schema_version: String(stateVersion) }) };
  const stored = (outputs: Properties): Properties => ({ ...withSecrets(schema, outputs), ...meta });
  const planned = (inputs: Properties): Properties => plan(plannedInputs(schema, inputs));
  return {
    check: (inputs) => checkInputs(schema, inputs),
    diff: (olds, news) => decide(schema, olds, planned(news)),
    previewCreate: (inputs) => plannedOutputs(schema, planned(inputs)),
    async create(inputs) {
      const { id, outputs } = await create(planned(inputs));
      return { id, outputs: stored(outputs) };
    },
    update(olds, news) {
      const outputs = Object.entries(olds).filter(([name]) => schema[name]?.output === true);
      return stored({ ...Object.fromEntries(outputs), ...planned(news) });
    },
    ...(importValue === undefined
      ? {}
      : {
          async import(id) {
            const { id: kept, outputs } = await importValue(id);
            return { id: kept, outputs: stored(outputs), inputs: importedInputs(schema, outputs) };
          },
        }),
  };
}

/** What an import writes as the program's inputs: every property that a program may set and that says something. */
function importedInputs(schema: Schema, outputs: Properties): Properties {
  const said = Object.entries(outputs).filter(([name, value]) => schema[name]?.output !== true && value !== 0 && value !== "");
  return Object.fromEntries(said);
}

/**
 * `keepers`: values whose change makes a new random value.
 * @param strict the official RandomBytes replaces also when an empty object comes or goes, the other types only update the state
 */
export function keepers(strict = false): Property {
  return { type: "stringMap", replaces: (old, now) => strict || !(isEmpty(old) && isEmpty(now)) };
}

function isEmpty(value: PropertyValue | undefined): boolean {
  return value === undefined || (isObject(value) && !(value instanceof Unknown) && Object.keys(value).length === 0);
}
