import type { Request } from "express";
import type { z } from "zod";
import { HttpProblem, type FieldError } from "./problem";

/** Longest part of a refused value that is repeated in the answer, in characters. */
const SHOWN_CHARACTERS = 80;

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
  const errors = uniqueByField(result.error.issues.flatMap((issue) => describe(schema, issue, value)));
  throw new HttpProblem("validation", `${where} is not valid: ${errors.map(sentence).join("; ")}.`, { errors });
}

/** The `:id` of the path. Anything may stand there: what is no id is simply nobody's. */
export function pathId(request: Request): string {
  const { id } = request.params;
  return typeof id === "string" ? id : "";
}

function describe(schema: z.ZodObject, issue: z.core.$ZodIssue, value: unknown): FieldError[] {
  const fields = Object.keys(schema.shape);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((field) => ({ field: shorten(field), allowed: `only the fields ${fields.join(", ")}` }));
  }
  const field = issue.path[0];
  if (field === undefined) return [{ field: "(whole)", allowed: `an object with the fields ${fields.join(", ")}` }];
  const name = String(field);
  const allowed = (schema.shape[name] as z.ZodType | undefined)?.description ?? "another value";
  const sent = (value as Readonly<Record<string, unknown>>)[name];
  if (sent === undefined || SECRET_FIELD.test(name)) return [{ field: name, allowed }];
  return [{ field: name, value: shorten(typeof sent === "string" ? sent : JSON.stringify(sent)), allowed }];
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
