import { z } from "zod";
import { accessOf, type Access } from "../../session/access";
import { SESSION_COOKIE } from "../../session/cookie";
import type { Answer, Operation } from "./operation";

/** An OpenAPI 3.1 document as far as this module builds it. */
export interface OpenApiDocument {
  readonly openapi: "3.1.0";
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>>;
  readonly components: Readonly<Record<string, unknown>>;
}

type Schema = Readonly<Record<string, unknown>>;

interface ResponseObject {
  readonly description: string;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
}

interface OperationObject {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters: readonly Schema[];
  readonly requestBody?: Schema;
  readonly responses: Readonly<Record<string, ResponseObject>>;
}

/** The problem document (RFC 9457) of every refusal. Kinds of problems add members of their own. */
const problemSchema = z.looseObject({
  type: z.string().regex(/^urn:phased-stack:problem:/),
  title: z.string(),
  status: z.int().min(400).max(599),
  detail: z.string().describe("one sentence that may be shown to people"),
  instance: z.string(),
  requestId: z.string(),
  errors: z
    .array(z.strictObject({ field: z.string(), value: z.string().optional(), allowed: z.string() }))
    .optional()
    .describe("each field that is not as it has to be"),
});

const REFUSAL: ResponseObject = {
  description: "Refused: a problem document (RFC 9457) that says why and what would be accepted",
  content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
};

const SECURITY: Readonly<Record<Access, OperationObject["security"]>> = {
  public: [],
  user: [{ session: [] }, { cookie: [] }],
  "company-admin": [{ session: [] }, { cookie: [] }],
  "platform-admin": [{ session: [] }, { cookie: [] }, { adminToken: [] }],
  "admin-token": [{ adminToken: [] }],
};

const WHO: Readonly<Record<Access, string | undefined>> = {
  public: undefined,
  user: "For users of the company.",
  "company-admin": "For admins of the company.",
  "platform-admin": "For operators of the platform.",
  "admin-token": "For the holder of the admin token.",
};

const DESCRIPTION =
  "Refusals are problem documents. Lists are paged by offset or by cursor. Where reads are spread over replicas of the database, answers to changes carry the header Write-Mark: sent along with later reads it lets a replica answer them that has seen the change; without it they are answered by the primary. Browsers need not care, a cookie does it for them.";

const IF_MATCH = {
  name: "If-Match",
  in: "header",
  required: false,
  description: "The ETag of the version to change; 412 when it is no longer the current one",
  schema: { type: "string" },
};

const IDEMPOTENCY_KEY = {
  name: "Idempotency-Key",
  in: "header",
  required: false,
  description:
    "What the client calls this request. Sent again within a day, the same request gets the first answer and does nothing twice; another one with the same key gets 422, and one that comes while the first is being answered 409",
  schema: { type: "string", minLength: 1, maxLength: 200 },
};

/**
 * Describes operations as OpenAPI 3.1, whose schemas are JSON Schema 2020-12: what zod makes of the very schemas that requests are
 * checked with, so the description cannot say anything else than the code does.
 */
export function buildDocument(operations: readonly Operation[], title: string, version: string): OpenApiDocument {
  const paths: Record<string, Record<string, OperationObject>> = {};
  for (const operation of operations) {
    const methods = (paths[operation.path] ??= {});
    if (methods[operation.method] !== undefined) throw new Error(`${operation.method} ${operation.path} is described twice.`);
    methods[operation.method] = describeOperation(operation);
  }
  return {
    openapi: "3.1.0",
    info: { title, version, description: DESCRIPTION },
    paths,
    components: {
      schemas: { Problem: outputSchema(problemSchema) },
      securitySchemes: {
        session: { type: "http", scheme: "bearer", description: "The token of signing up or logging in" },
        cookie: { type: "apiKey", in: "cookie", name: SESSION_COOKIE },
        adminToken: { type: "http", scheme: "bearer", description: "The admin token of the installation" },
      },
    },
  };
}

function describeOperation(operation: Operation): OperationObject {
  const { method, path, tag, summary, body, otherBody, answers } = operation;
  const access = accessOf(method.toUpperCase(), path);
  const who = WHO[access];
  const responses = Object.entries(answers).map(([status, answer]) => [status, describeAnswer(answer)] as const);
  const content = body === undefined ? otherBody : { contentType: "application/json", schema: body };
  return {
    operationId: operationId(method, path),
    tags: [tag],
    summary,
    ...(who !== undefined && { description: who }),
    security: SECURITY[access],
    parameters: parametersOf(operation),
    ...(content !== undefined && {
      requestBody: {
        required: true,
        content: { [content.contentType]: { schema: content.schema === undefined ? {} : inputSchema(content.schema) } },
      },
    }),
    responses: { ...Object.fromEntries(responses), default: REFUSAL },
  };
}

function parametersOf({ path, query, versioned = false, repeatable = false }: Operation): Schema[] {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({ name, in: "path", required: true, schema: { type: "string" } }));
  const inQuery = query === undefined ? [] : queryParameters(inputSchema(query));
  return [...inPath, ...inQuery, ...(versioned ? [IF_MATCH] : []), ...(repeatable ? [IDEMPOTENCY_KEY] : [])];
}

function queryParameters(schema: Schema): Schema[] {
  const { properties = {}, required = [] } = schema as { properties?: Record<string, Schema>; required?: string[] };
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: "query",
    required: required.includes(name),
    ...(description !== undefined && { description }),
    schema: rest,
  }));
}

function describeAnswer({ description, schema, contentType = "application/json", headers = [] }: Answer): ResponseObject {
  return {
    description,
    ...(headers.length > 0 && { headers: Object.fromEntries(headers.map((name) => [name, { schema: { type: "string" } }])) }),
    ...(schema !== undefined && { content: { [contentType]: { schema: outputSchema(schema) } } }),
  };
}

/** `GET /api/orders/{id}` is `getOrdersById`. */
function operationId(method: string, path: string): string {
  const words = path.replace(/^\/(api\/)?/, "").split(/[/.-]/);
  const name = words.map((word) => (word.startsWith("{") ? `By${capital(word.slice(1, -1))}` : capital(word))).join("");
  return `${method}${name}`;
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

function inputSchema(schema: z.ZodType): Schema {
  return toSchema(schema, "input");
}

function outputSchema(schema: z.ZodType): Schema {
  return toSchema(schema, "output");
}

function toSchema(schema: z.ZodType, io: "input" | "output"): Schema {
  const made = z.toJSONSchema(schema, {
    target: "draft-2020-12",
    io,
    unrepresentable: "any",
    // A query string holds text only; `parameter` says what the text has to be.
    override: ({ zodSchema, jsonSchema }) => {
      const parameter = zodSchema instanceof z.ZodType ? zodSchema.meta()?.["parameter"] : undefined;
      if (parameter === undefined) return;
      for (const key of ["type", "pattern", "parameter", "enum"]) Reflect.deleteProperty(jsonSchema, key);
      Object.assign(jsonSchema, parameter);
    },
  });
  // The document names the dialect once, by its version.
  Reflect.deleteProperty(made, "$schema");
  return made;
}
