import { PASSWORD } from "../http/support";

/** What of JSON Schema the description uses. */
export interface Schema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly format?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly minItems?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

/** One operation of the description. */
export interface Operation {
  readonly method: string;
  /** With parameters as `{id}`. */
  readonly path: string;
  readonly body: Schema | undefined;
  readonly upload: boolean;
}

interface Description {
  readonly paths: Readonly<
    Record<
      string,
      Readonly<Record<string, { readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> } }>>
    >
  >;
}

export function operationsOf(description: Description): Operation[] {
  return Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { requestBody }]) => ({
      method: method.toUpperCase(),
      path,
      body: requestBody?.content["application/json"]?.schema,
      upload: requestBody?.content["multipart/form-data"] !== undefined,
    })),
  );
}

/** Where values that are not fixed by a schema come from. */
export interface Source {
  /** Part of every text. */
  readonly marker: string;
  /** A number from 0 to `most`. */
  pick(most: number): number;
  id(): string;
}

let unique = 0;

/** A value that fits a schema, or nearly: what a server checks beyond it is the server's to refuse. */
export function valueFor(schema: Schema, name: string, source: Source): unknown {
  const { enum: values, anyOf } = schema;
  if (values !== undefined) return values[source.pick(values.length - 1)];
  if (anyOf !== undefined) return valueFor(anyOf[source.pick(anyOf.length - 1)] ?? {}, name, source);
  switch (schema.type) {
    case "object":
      return Object.fromEntries(
        Object.entries(schema.properties ?? {})
          .filter(([property]) => schema.required?.includes(property) === true || source.pick(1) === 1)
          .map(([property, inner]) => [property, valueFor(inner, property, source)]),
      );
    case "array":
      return Array.from({ length: Math.max(1, schema.minItems ?? 0) }, () => valueFor(schema.items ?? {}, name, source));
    case "integer":
    case "number":
      return (schema.minimum ?? 0) + source.pick(3);
    case "boolean":
      return source.pick(1) === 1;
    case "null":
      return null;
    default:
      return textFor(schema, name, source);
  }
}

function textFor({ format, pattern }: Schema, name: string, source: Source): string {
  if (format === "uuid") return source.id();
  if (format === "date") return "1984-05-17";
  if (format === "date-time") return "2027-05-17T09:30:00Z";
  if (pattern === "^[A-Z]{3}$") return "EUR";
  if (/password/i.test(name)) return PASSWORD;
  if (/email/i.test(name)) return `${source.marker.toLowerCase()}-${++unique}@example.org`;
  return `${source.marker}-${++unique}`;
}
