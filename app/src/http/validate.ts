import type { Request } from "express";
import { z } from "zod";
import { HttpProblem, type FieldError } from "./problem";

/** Longest part of a refused value that is repeated in the answer, in characters. */
const SHOWN_CHARACTERS = 80;

/** Most fields one refusal names. */
const MOST_ERRORS = 50;

const SECRET_FIELD = /password|token|secret/i;

/**
 * Checks a value against an object schema whose fields carry `.describe("what is allowed")`.
 * @param where what is being checked, for the sentence: "The request body".
 * @throws HttpProblem naming every wrong field at once, its value (never a secret's) and what is allowed.
 */
export function validate<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  value: unknown,
  where: string,
): z.infer<z.ZodObject<Shape>> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors = uniqueByField(result.error.issues.flatMap((issue) => describe(schema, issue, value))).slice(0, MOST_ERRORS);
  throw new HttpProblem("validation", `${where} is not valid: ${errors.map(sentence).join("; ")}.`, { errors });
}

/** The `:id` of the path. Anything may stand there: what is no id is simply nobody's. */
export function pathId(request: Request): string {
  const { id } = request.params;
  return typeof id === "string" ? id : "";
}

function describe(schema: z.ZodObject, issue: z.core.$ZodIssue, value: unknown): FieldError[] {
  const { fields, allowed, secret } = lookUp(schema, issue.path);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({ field: shorten(pathName([...issue.path, key])), allowed: `only the fields ${fields.join(", ")}` }));
  }
  if (issue.path.length === 0) return [{ field: "(whole)", allowed: `an object with the fields ${fields.join(", ")}` }];
  const field = shorten(pathName(issue.path));
  const sent = valueAt(value, issue.path);
  if (sent === undefined || secret) return [{ field, allowed }];
  return [{ field, value: shorten(preview(sent)), allowed }];
}

/** Of an array or an object only what it is: inside may be a secret, and writing down one that is nested 7,000 deep overflows the stack. */
function preview(sent: unknown): string {
  if (typeof sent === "string") return sent;
  if (typeof sent !== "object" || sent === null) return String(sent);
  return Array.isArray(sent) ? "an array" : "an object";
}

/** What the schema says at a path: the words of the innermost part that has some, and the fields if it is an object. */
function lookUp(schema: z.ZodObject, path: readonly PropertyKey[]): { fields: string[]; allowed: string; secret: boolean } {
  let allowed = "another value";
  let part: z.core.$ZodType | undefined = schema;
  for (const key of path) {
    const around = unwrap(part);
    if (around instanceof z.ZodObject) part = (around.shape as Record<string, z.core.$ZodType | undefined>)[String(key)];
    else part = around instanceof z.ZodArray ? around.element : undefined;
    allowed = wordsOf(part) ?? wordsOf(unwrap(part)) ?? allowed;
  }
  const inner = unwrap(part);
  const fields = inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
  return { fields, allowed, secret: path.some((key) => SECRET_FIELD.test(String(key))) };
}

function wordsOf(part: z.core.$ZodType | undefined): string | undefined {
  return part instanceof z.ZodType ? part.description : undefined;
}

function unwrap(part: z.core.$ZodType | undefined): z.core.$ZodType | undefined {
  let inner = part;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault || inner instanceof z.ZodNullable) inner = inner.unwrap();
  return inner;
}

/** `items[0].quantity` */
function pathName(path: readonly PropertyKey[]): string {
  return path.map((key, index) => (typeof key === "number" ? `[${key}]` : index === 0 ? String(key) : `.${String(key)}`)).join("");
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let inner = value;
  for (const key of path) {
    if (typeof inner !== "object" || inner === null || !Object.hasOwn(inner, key)) return undefined;
    inner = (inner as Readonly<Record<PropertyKey, unknown>>)[key];
  }
  return inner;
}

function sentence({ field, value, allowed }: FieldError): string {
  return `${field}${value === undefined ? "" : ` "${value}"`} must be ${allowed}`;
}

function shorten(text: string): string {
  return text.length <= SHOWN_CHARACTERS ? text : `${text.slice(0, SHOWN_CHARACTERS)}…`;
}

function uniqueByField(errors: readonly FieldError[]): FieldError[] {
  return [...new Map(errors.map((error) => [error.field, error])).values()];
}
