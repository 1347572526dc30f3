import { z } from "zod";
import { listQuerySchema, PAGE_SIZES, type ListDefinition } from "../pagination";

/** One answer other than a refusal. */
export interface Answer {
  readonly description: string;
  /** Absent: no body. */
  readonly schema?: z.ZodType;
  /** @default "application/json" */
  readonly contentType?: string;
  /** Names of headers that this answer carries beside the common ones. */
  readonly headers?: readonly ("ETag" | "Location" | "Set-Cookie")[];
}

/** What one method of one path takes and gives; who may use it says `session/access.ts`. The schemas are the very objects that requests are checked with. */
export interface Operation {
  readonly method: "get" | "post" | "put" | "patch" | "delete";
  /** With parameters in braces: `/api/orders/{id}`. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly query?: z.ZodObject;
  /** JSON body. */
  readonly body?: z.ZodObject;
  /** A body that is not JSON: its media type and, where it is a form, its schema. */
  readonly otherBody?: { readonly contentType: string; readonly schema?: z.ZodType };
  /** Takes `If-Match` and refuses with 412 when the row has another version. */
  readonly versioned?: boolean;
  /** Takes `Idempotency-Key`, and does the same request once only. */
  readonly repeatable?: boolean;
  readonly answers: Readonly<Record<number, Answer>>;
}

/** The body of a page of a list. */
export function pageSchema(item: z.ZodType): z.ZodObject {
  return z.strictObject({
    data: z.array(item),
    page: z.strictObject({
      limit: z.int().min(1).max(PAGE_SIZES.xlarge.most),
      hasMore: z.boolean(),
      nextCursor: z.string().nullable().describe("the cursor of the next page; null on the last one"),
      offset: z.int().min(0).optional().describe("only without a cursor"),
      total: z.int().min(0).optional().describe("only without a cursor"),
      totalIsAtLeast: z.boolean().optional().describe("true when counting stopped at total"),
    }),
  });
}

/** For answers that carry a weak ETag of their content. */
export const UNCHANGED: Answer = { description: "The client has it already: If-None-Match fits" };

/** What {@link resource} needs to know. */
export interface ResourceDescription<Row> {
  readonly tag: string;
  /** Path of the list, such as `/api/orders`. */
  readonly path: string;
  /** One row in words, with its article: `an order`. */
  readonly one: string;
  readonly list: ListDefinition<Row>;
  readonly listItem: z.ZodType;
  /** A single row, where it shows more than in the list. @default listItem */
  readonly item?: z.ZodType;
  readonly create?: z.ZodObject;
  readonly change?: z.ZodObject;
  readonly deletes?: boolean;
  /** Single rows carry their version as ETag. @default true */
  readonly versioned?: boolean;
  /** Creating takes `Idempotency-Key`. @default false */
  readonly repeatable?: boolean;
}

/** The operations that all resources have alike: list, create, read, change, delete. */
export function resource<Row>(description: ResourceDescription<Row>): Operation[] {
  const {
    tag,
    path,
    one,
    list,
    listItem,
    item = listItem,
    create,
    change,
    deletes = false,
    versioned = true,
    repeatable = false,
  } = description;
  const common = { tag } as const;
  const single = `${path}/{id}`;
  const etag = versioned ? (["ETag"] as const) : [];
  const operations: Operation[] = [
    {
      ...common,
      method: "get",
      path,
      summary: `A page of the list; ${one} each`,
      query: listQuerySchema(list),
      answers: { 200: { description: "The page", schema: pageSchema(listItem) }, 304: UNCHANGED },
    },
    {
      ...common,
      method: "get",
      path: single,
      summary: `Shows ${one}`,
      answers: { 200: { description: "As it is now", schema: item, headers: etag } },
    },
  ];
  if (create !== undefined) {
    const answers = { 201: { description: "Created", schema: item, headers: ["Location", ...etag] as const } };
    operations.push({ ...common, method: "post", path, summary: `Creates ${one}`, body: create, repeatable, answers });
  }
  if (change !== undefined) {
    const answers = { 200: { description: "As it is now", schema: item, headers: etag } };
    operations.push({ ...common, method: "patch", path: single, summary: `Changes ${one}`, body: change, versioned, answers });
  }
  if (deletes) {
    const answers = { 204: { description: "Deleted" } };
    operations.push({ ...common, method: "delete", path: single, summary: `Deletes ${one}`, answers });
  }
  return operations;
}
