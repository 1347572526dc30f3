import { z } from "zod";
import type { PageQuery, TenantTable } from "../db/tenant";
import { HttpProblem } from "./problem";
import { validate } from "./validate";

/** Rows of one page: what a list gives when not asked, and the most it gives (feature E5). The class fits the size of a row. */
export const PAGE_SIZES = {
  small: { default: 20, most: 50 },
  medium: { default: 50, most: 100 },
  large: { default: 100, most: 500 },
  xlarge: { default: 200, most: 1000 },
} as const;

/** Largest offset: skipped rows are read all the same, so deep pages are for the cursor. */
export const MOST_OFFSET = 10_000;

/** Counting stops here; a list with more rows says `totalIsAtLeast`. */
export const MOST_COUNTED = 10_000;

const MOST_CURSOR_CHARACTERS = 1000;

/** What a list may be sorted and filtered by. Each sort, alone and under each combination of filters, has its index (feature D10). */
export interface ListDefinition<Row> {
  readonly size: keyof typeof PAGE_SIZES;
  readonly sorts: readonly (keyof Row & string)[];
  /** `-` in front is descending. */
  readonly defaultSort: string;
  /** Values each filter takes; `id` takes the id of another row. */
  readonly filters: Readonly<Partial<Record<keyof Row & string, readonly string[] | readonly number[] | "id">>>;
  /** Properties the route itself fixes, such as the conversation whose messages are listed. */
  readonly within?: readonly (keyof Row & string)[];
}

/** One page as the API returns it. */
export interface Page<Item> {
  readonly data: Item[];
  readonly page: {
    readonly limit: number;
    readonly hasMore: boolean;
    /** For the next page; `null` on the last one. */
    readonly nextCursor: string | null;
    /** Only without a cursor. */
    readonly offset?: number;
    readonly total?: number;
    /** `total` is where counting stopped, not the number of rows. */
    readonly totalIsAtLeast?: boolean;
  };
}

interface ListRequest<Row> extends PageQuery<Row> {
  readonly usesCursor: boolean;
}

/** Where a page ended. It says what list it belongs to, because it means nothing in another order. */
const cursorSchema = z.strictObject({ sort: z.string(), value: z.union([z.string(), z.number()]), id: z.string() });

/**
 * Reads `limit`, `offset` or `cursor`, `sort` and the filters of a query string.
 * @throws HttpProblem naming each wrong parameter and what it may be.
 */
export function parseListRequest<Row>(query: unknown, definition: ListDefinition<Row>): ListRequest<Row> {
  const schema = listQuerySchema(definition);
  const { limit, offset, cursor, sort, ...where } = validate(schema, query, "The query");
  if (cursor !== undefined && offset !== undefined) {
    throw new HttpProblem("validation", "The query is not valid: give either cursor or offset, not both.", {
      errors: [{ field: "offset", value: String(offset), allowed: "absent when cursor is given" }],
    });
  }
  const descending = sort.startsWith("-");
  return {
    where: where,
    sort: (descending ? sort.slice(1) : sort) as keyof Row & string,
    descending,
    limit,
    usesCursor: cursor !== undefined,
    ...(offset !== undefined && { offset }),
    ...(cursor !== undefined && { after: decodeCursor(cursor, sort) }),
  };
}

const querySchemas = new WeakMap<object, ReturnType<typeof buildQuerySchema>>();

/** The parameters of a list; built once for each, both for checking requests and for the OpenAPI description. */
export function listQuerySchema<Row>(definition: ListDefinition<Row>): ReturnType<typeof buildQuerySchema> {
  const known = querySchemas.get(definition);
  if (known !== undefined) return known;
  const built = buildQuerySchema(definition);
  querySchemas.set(definition, built);
  return built;
}

function buildQuerySchema(definition: ListDefinition<Record<string, unknown>>) {
  const { most, default: defaultLimit } = PAGE_SIZES[definition.size];
  const sorts = definition.sorts.flatMap((name) => [name, `-${name}`]);
  const filters = Object.entries(definition.filters).flatMap(([name, values]) =>
    values === undefined ? [] : [[name, filterSchema(values).optional()] as const],
  );
  return z.strictObject({
    ...Object.fromEntries(filters),
    limit: wholeNumber(1, most)
      .default(defaultLimit)
      .meta({ parameter: { type: "integer", minimum: 1, maximum: most, default: defaultLimit } })
      .describe(`a whole number from 1 to ${most}`),
    offset: wholeNumber(0, MOST_OFFSET).optional().describe(`a whole number from 0 to ${MOST_OFFSET}; use cursor to go further`),
    cursor: z.string().max(MOST_CURSOR_CHARACTERS).optional().describe("the nextCursor of the page before"),
    sort: z
      .enum(sorts)
      .default(definition.defaultSort)
      .describe(`one of ${sorts.join(", ")}`),
  });
}

function filterSchema(values: readonly string[] | readonly number[] | "id"): z.ZodType<string | number, string> {
  if (values === "id") return z.uuid().describe("an id");
  const texts = values.map(String);
  const words = `one of ${texts.join(", ")}`;
  if (values.every((value) => typeof value === "string")) return z.enum(texts).describe(words);
  return z
    .enum(texts)
    .transform(Number)
    .meta({ parameter: { type: "integer", enum: values } })
    .describe(words);
}

/** One page of a tenant's table, or of what can be read like one, each row turned into what the API shows. */
export async function listPage<Row extends { readonly id: string }, Item>(
  table: Pick<TenantTable<Row>, "page" | "count">,
  request: ListRequest<Row>,
  present: (row: Row) => Item,
): Promise<Page<Item>> {
  // One row more than shown tells whether there is another page.
  const rows = await table.page({ ...request, limit: request.limit + 1 });
  const shown = rows.slice(0, request.limit);
  const hasMore = rows.length > request.limit;
  const last = shown.at(-1);
  const nextCursor = hasMore && last !== undefined ? encodeCursor(request, last) : null;
  const common = { limit: request.limit, hasMore, nextCursor };
  const data = shown.map(present);
  if (request.usesCursor) return { data, page: common };
  const total = await table.count(request.where ?? {}, MOST_COUNTED);
  return {
    data,
    page: { ...common, offset: request.offset ?? 0, total, ...(total === MOST_COUNTED && { totalIsAtLeast: true }) },
  };
}

function encodeCursor<Row extends { readonly id: string }>(request: ListRequest<Row>, last: Row): string {
  const sort = `${request.descending ? "-" : ""}${request.sort}`;
  return Buffer.from(JSON.stringify({ sort, value: last[request.sort], id: last.id })).toString("base64url");
}

/** A cursor is not signed: it only says where to start within what its reader may see anyway. */
function decodeCursor(cursor: string, sort: string): { value: string | number; id: string } {
  const parsed = cursorSchema.safeParse(parseJson(Buffer.from(cursor, "base64url").toString("utf8")));
  if (parsed.success && parsed.data.sort === sort) return { value: parsed.data.value, id: parsed.data.id };
  const allowed = parsed.success ? `used with sort=${parsed.data.sort}, which it was made for` : "the nextCursor of the page before";
  throw new HttpProblem("validation", `The query is not valid: cursor must be ${allowed}.`, { errors: [{ field: "cursor", allowed }] });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON is as wrong as any other JSON; the caller says so.
    return undefined;
  }
}

function wholeNumber(least: number, most: number): z.ZodType<number, string> {
  return z
    .string()
    .regex(/^(0|[1-9][0-9]{0,8})$/)
    .transform(Number)
    .pipe(z.number().min(least).max(most))
    .meta({ parameter: { type: "integer", minimum: least, maximum: most } });
}
