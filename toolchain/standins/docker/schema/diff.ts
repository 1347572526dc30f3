import { Unknown, hasUnknown, isObject, type Properties, type PropertyValue } from "../../shared/values";
import { textOf } from "../resource";
import type { Field, ResourceSchema } from "./fields";

/** What a property's change is. */
export interface Change {
  readonly kind: "add" | "delete" | "update";
  readonly replace: boolean;
}

/** The decision about a resource. */
export interface Decision {
  /** Property path → change; empty when nothing changes. */
  readonly changes: ReadonlyMap<string, Change>;
  readonly deleteBeforeReplace: boolean;
}

/**
 * What new inputs mean for a resource: nothing, an update or a replacement, as the official plugin decides.
 * @param newDefaults which of `news` Check filled in: a name that the program gave cannot be used twice at a time. Undefined when that is not known.
 */
export function decide(schema: ResourceSchema, state: Properties, news: Properties, newDefaults: readonly string[] | undefined): Decision {
  const changes = new Map<string, Change>();
  for (const [name, field] of Object.entries(schema.fields)) {
    if (field.output === true) continue;
    if (neverRead(field, state[name], news[name])) changes.set(name, { kind: "add", replace: true });
    else compare(name, field, state[name], news[name], changes);
  }
  const replaced = [...changes.values()].some((change) => change.replace);
  const fixedName = schema.autoname && newDefaults !== undefined && !newDefaults.includes("name") && state["name"] === news["name"];
  return { changes, deleteBeforeReplace: replaced && (schema.deleteBeforeReplace || fixedName) };
}

type Changes = Map<string, Change>;

function compare(path: string, field: Field, old: PropertyValue | undefined, now: PropertyValue | undefined, changes: Changes): void {
  if (now === undefined && (field.computed === true || field.emptyIsUnset === true)) return;
  // A value that Docker may choose is left alone by the official plugin while the program's wish is not known.
  if (now instanceof Unknown && field.computed === true) return;
  if (field.emptyIsUnset === true && now === "") return;
  if (isContainer(field) ? isAbsent(old) && isAbsent(now) : !(now instanceof Unknown) && scalarText(old, field) === scalarText(now, field))
    return;
  if (isContainer(field) && !isAbsent(old) && !(now instanceof Unknown) && (!isAbsent(now) || field.type === "map")) {
    compareContents(path, field, old, now, changes);
  } else {
    changes.set(path, { kind: isAbsent(old) ? "add" : isAbsent(now) ? "delete" : "update", replace: field.forceNew === true });
  }
}

/**
 * A list that Docker fills in and that is missing from the state: its creation failed before it could be read back. The official plugin plans it
 * as unknown, which replaces a container that could not be started or never got healthy on the next update, whatever the program says.
 */
function neverRead(field: Field, old: PropertyValue | undefined, now: PropertyValue | undefined): boolean {
  return field.type === "list" && field.computed === true && field.forceNew === true && old === undefined && now === undefined;
}

function isContainer(field: Field): boolean {
  return ["list", "set", "map", "object"].includes(field.type);
}

function compareContents(
  path: string,
  field: Field,
  old: PropertyValue | undefined,
  now: PropertyValue | undefined,
  changes: Changes,
): void {
  if (field.type === "map") compareMaps(path, field, asObject(old), asObject(now), changes);
  else if (field.type === "object") compareFields(path, field, asObject(old), asObject(now), changes);
  else if (field.type === "list") compareLists(path, field, asList(old), asList(now), changes);
  else compareSets(path, field, asList(old), asList(now), changes);
}

function compareFields(path: string, field: Field, old: Properties, now: Properties, changes: Changes): void {
  for (const [name, inner] of Object.entries(field.fields ?? {})) {
    compare(`${path}.${name}`, inner, old[name] ?? inner.default, now[name] ?? inner.default, changes);
  }
}

function compareMaps(path: string, field: Field, old: Properties, now: Properties, changes: Changes): void {
  for (const key of new Set([...Object.keys(old), ...Object.keys(now)])) {
    const before = old[key];
    const after = now[key];
    if (before === undefined || after === undefined || hasUnknown(after) || textOf(before) !== textOf(after)) {
      changes.set(`${path}[${JSON.stringify(key)}]`, {
        kind: before === undefined ? "add" : after === undefined ? "delete" : "update",
        replace: field.forceNew === true,
      });
    }
  }
}

function compareLists(path: string, field: Field, old: PropertyValue[], now: PropertyValue[], changes: Changes): void {
  const element = field.element ?? { type: "string" };
  // The number of elements belongs to the list itself, the elements decide for themselves.
  if (old.length !== now.length) {
    const kind = old.length === 0 ? "add" : now.length === 0 ? "delete" : "update";
    changes.set(path, { kind, replace: field.forceNew === true });
    return;
  }
  now.forEach((item, index) => {
    const inner = element.type === "object" ? element : { ...element, ...(field.forceNew === true ? { forceNew: true } : {}) };
    compareElement(`${path}[${index}]`, inner, old[index], item, changes);
  });
}

function compareElement(path: string, element: Field, old: PropertyValue | undefined, now: PropertyValue, changes: Changes): void {
  if (element.type === "object" && isObject(now)) compareFields(path, element, asObject(old), now, changes);
  else compare(path, element, old, now, changes);
}

function compareSets(path: string, field: Field, old: PropertyValue[], now: PropertyValue[], changes: Changes): void {
  const element = field.element ?? { type: "string" };
  const same = (a: PropertyValue, b: PropertyValue): boolean => {
    const found: Changes = new Map();
    compareElement("", element, a, b, found);
    return found.size === 0;
  };
  const added = [...now];
  const removed = old.filter((item) => {
    const index = added.findIndex((candidate) => same(item, candidate));
    if (index >= 0) added.splice(index, 1);
    return index < 0;
  });
  if (added.length === 0 && removed.length === 0) return;
  const kind = old.length === 0 ? "add" : now.length === 0 ? "delete" : "update";
  // An element that changes is one removed and one added: the element's own properties say whether that replaces, the number the set's.
  const replace = field.forceNew === true && (old.length !== now.length || elementReplaces(element, removed, added));
  changes.set(path, { kind, replace });
}

function elementReplaces(element: Field, removed: PropertyValue[], added: PropertyValue[]): boolean {
  if (element.type !== "object") return true;
  return [...removed, ...added].some((item) =>
    Object.entries(element.fields ?? {}).some(([name, inner]) => inner.forceNew === true && !isZero(asObject(item)[name])),
  );
}

/** Scalars compare as text; "not said" is the type's zero, as Docker and the official plugin have it. */
function scalarText(value: PropertyValue | undefined, field: Field): string {
  if (isZero(value)) return { string: "", int: "0", bool: "false", list: "", set: "", map: "", object: "" }[field.type];
  return textOf(value);
}

function isZero(value: PropertyValue | undefined): boolean {
  return value === undefined || value === "" || value === 0 || value === false || isEmpty(value);
}

function isEmpty(value: PropertyValue): boolean {
  return Array.isArray(value) ? value.length === 0 : isObject(value) && Object.keys(value).length === 0;
}

function isAbsent(value: PropertyValue | undefined): boolean {
  return value === undefined || isEmpty(value);
}

const asObject = (value: PropertyValue | undefined): Properties => (isObject(value) ? value : {});
const asList = (value: PropertyValue | undefined): PropertyValue[] => (Array.isArray(value) ? value : []);
