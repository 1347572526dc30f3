import type ts from "typescript";

import type { Failure } from "../provider";
import { SIGNATURE_KEY, Unknown, isObject, reveal, type Properties, type PropertyValue } from "../values";
import type { Declarations, Member } from "./declarations";

/** Everything that does not fit between inputs and what a resource type takes: missing, unknown and wrongly typed properties, at any depth. */
export function checkAgainst(declarations: Declarations, members: ReadonlyMap<string, Member>, inputs: Properties): Failure[] {
  const failures: Failure[] = [];
  checkMembers(declarations, members, reveal(inputs) as Properties, "", (property, reason) => failures.push({ property, reason }));
  return failures;
}

type Report = (property: string, reason: string) => void;

function checkMembers(
  declarations: Declarations,
  members: ReadonlyMap<string, Member>,
  values: Properties,
  prefix: string,
  report: Report,
): void {
  for (const [name, { required, type }] of members) {
    const value = values[name];
    const property = `${prefix}${name}`;
    if (value !== undefined) checkValue(declarations, type, value, property, report);
    else if (required) report(property, `Missing required property '${property}'.`);
  }
  for (const name of Object.keys(values)) {
    if (members.has(name) || name.startsWith("__")) continue;
    report(`${prefix}${name}`, `${prefix}${name} is not a property here; known are: ${[...members.keys()].sort().join(", ")}.`);
  }
}

function checkValue(declarations: Declarations, type: ts.TypeNode, value: PropertyValue, property: string, report: Report): void {
  const candidates = alternatives(declarations, type);
  // Several kinds are allowed: the one that the value has the form of decides what is said about its inside.
  const fitting = candidates.find((candidate) => hasForm(declarations, candidate, value));
  if (fitting !== undefined) checkInside(declarations, fitting, value, property, report);
  else
    report(
      property,
      `${property} is ${JSON.stringify(value)}; it has to be ${candidates.map((node) => describe(declarations, node)).join(" or ")}.`,
    );
}

/** The kinds of value a type allows: `pulumi.Input<A | B | undefined>` is A and B. */
function alternatives(declarations: Declarations, type: ts.TypeNode): ts.TypeNode[] {
  const { typescript } = declarations;
  if (typescript.isUnionTypeNode(type)) return type.types.flatMap((member) => alternatives(declarations, member));
  if (type.kind === typescript.SyntaxKind.UndefinedKeyword) return [];
  if (typescript.isParenthesizedTypeNode(type)) return alternatives(declarations, type.type);
  const inner = wrapped(declarations, type);
  return inner === undefined ? [type] : alternatives(declarations, inner);
}

function wrapped({ typescript }: Declarations, type: ts.TypeNode): ts.TypeNode | undefined {
  if (!typescript.isTypeReferenceNode(type)) return undefined;
  return ["pulumi.Input", "pulumi.Output"].includes(type.typeName.getText()) ? type.typeArguments?.[0] : undefined;
}

function hasForm(declarations: Declarations, type: ts.TypeNode, value: PropertyValue): boolean {
  if (value instanceof Unknown) return true;
  switch (formOf(declarations, type)) {
    case "string":
      return typeof value === "string";
    case "number":
      return typeof value === "number";
    case "boolean":
      return typeof value === "boolean";
    case "literal":
      return type.getText() === JSON.stringify(value);
    case "list":
      return Array.isArray(value);
    case "asset":
      return isObject(value) && SIGNATURE_KEY in value;
    case "object":
    case "map":
      return isObject(value) && !(SIGNATURE_KEY in value);
    case "any":
      return true;
  }
}

type Form = "string" | "number" | "boolean" | "literal" | "list" | "object" | "map" | "asset" | "any";

function formOf(declarations: Declarations, type: ts.TypeNode): Form {
  const { typescript } = declarations;
  const { StringKeyword, NumberKeyword, BooleanKeyword } = typescript.SyntaxKind;
  const keywords = new Map<ts.SyntaxKind, Form>([
    [StringKeyword, "string"],
    [NumberKeyword, "number"],
    [BooleanKeyword, "boolean"],
  ]);
  const keyword = keywords.get(type.kind);
  if (keyword !== undefined) return keyword;
  if (typescript.isLiteralTypeNode(type)) return "literal";
  if (typescript.isArrayTypeNode(type)) return "list";
  if (typescript.isTypeLiteralNode(type)) return "map";
  if (!typescript.isTypeReferenceNode(type)) return "any";
  const name = type.typeName.getText();
  if (name.startsWith("pulumi.asset.")) return "asset";
  if (declared(declarations, type) !== undefined) return "object";
  // Enums are text or numbers, other classes stand for their ids: the alternatives beside them say the rest.
  return "any";
}

function declared(declarations: Declarations, type: ts.TypeReferenceNode): ts.InterfaceDeclaration | undefined {
  const name = type.typeName.getText();
  return name.startsWith("inputs.") ? declarations.inputType(name.slice("inputs.".length)) : undefined;
}

function checkInside(declarations: Declarations, type: ts.TypeNode, value: PropertyValue, property: string, report: Report): void {
  const { typescript } = declarations;
  if (value instanceof Unknown) return;
  if (typescript.isArrayTypeNode(type) && Array.isArray(value)) {
    value.forEach((item, index) => checkValue(declarations, type.elementType, item, `${property}[${index}]`, report));
  } else if (typescript.isTypeLiteralNode(type) && isObject(value)) {
    const [index] = type.members.filter((member) => typescript.isIndexSignatureDeclaration(member));
    if (index === undefined) return;
    for (const [key, item] of Object.entries(value))
      checkValue(declarations, index.type, item, `${property}[${JSON.stringify(key)}]`, report);
  } else if (typescript.isTypeReferenceNode(type) && isObject(value)) {
    const nested = declared(declarations, type);
    if (nested !== undefined) checkMembers(declarations, declarations.members(nested), value, `${property}.`, report);
  }
}

function describe(declarations: Declarations, type: ts.TypeNode): string {
  const form = formOf(declarations, type);
  const names = {
    string: "text",
    number: "a number",
    boolean: "true or false",
    list: "a list",
    object: "an object",
    map: "an object",
    asset: "an asset",
  };
  return form === "literal" ? type.getText() : form === "any" ? "anything" : names[form];
}
