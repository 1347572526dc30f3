import { createHash } from "node:crypto";
import type { Request, Response } from "express";
import type { Database } from "../db/database";
import { KeyReusedError, type OnceKey } from "../db/once";
import type { TenantScope } from "../db/tenant";
import { sessionOf, tenantOf } from "./middleware/authenticate";
import { HttpProblem, keyReused } from "./problem";
import { sendJson } from "./respond";

/** A key as most clients write it: bare. */
const BARE = /^[\x21\x23-\x7e][\x21-\x7e]{0,199}$/;

/** And as the draft has it: a string of RFC 8941, in quotes. */
const QUOTED = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,200})"$/;

const ALLOWED = "1 to 200 printable characters without spaces";

/** Requests with a key that this process is working on; by database, because a process may have several in tests. */
const underWay = new WeakMap<Database, Set<string>>();

/** What the answer to a request that was answered before carries beside what it carried then. */
export const REPLAYED_HEADER = "Idempotent-Replayed";

/**
 * `Idempotency-Key`: what the client calls this request, so that sending it again does nothing twice
 * (https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).
 * @throws HttpProblem when it is none.
 */
export function idempotencyKey(request: Request): string | undefined {
  const sent = request.headers["idempotency-key"];
  if (sent === undefined) return undefined;
  const text = String(sent);
  if (BARE.test(text)) return text;
  const quoted = QUOTED.exec(text)?.[1];
  if (quoted !== undefined) return quoted.replace(/\\(.)/g, "$1");
  throw new HttpProblem("validation", `Idempotency-Key must be ${ALLOWED}.`, { errors: [{ field: "Idempotency-Key", allowed: ALLOWED }] });
}

/**
 * Creates something of the company and answers 201 with it. With an `Idempotency-Key` once only: whoever sends the same again within a
 * day gets the first answer again.
 * @param path of the list that it becomes part of, such as `/api/orders`.
 * @param create has one transaction, of the scope it is given; what that resolves with is the answer.
 * @throws HttpProblem, also when the key was given to another request (422), or the first one is being answered (409).
 */
export async function sendCreated<Created extends { readonly id: string; readonly version?: number }>(
  request: Request,
  response: Response,
  database: Database,
  path: string,
  create: (scope: TenantScope) => Promise<Created>,
): Promise<void> {
  const key = idempotencyKey(request);
  const tenant = tenantOf(request, database);
  const { userId } = sessionOf(request);
  const scope = key === undefined ? tenant : tenant.once({ userId, key, fingerprint: fingerprintOf(request, path) });
  const created = key === undefined ? await create(scope) : await alone(database, { userId, key }, scope, create);
  sendJson(request, response, 201, created, {
    location: `${path}/${created.id}`,
    extra: {
      ...(created.version !== undefined && { ETag: `"${created.version}"` }),
      ...(scope.isRepeated && { [REPLAYED_HEADER]: "true" }),
    },
  });
}

/** Refuses what another request with the same key is at in this process. In others, the second waits for the first and gets its answer. */
async function alone<Created>(
  database: Database,
  { userId, key }: Omit<OnceKey, "fingerprint">,
  scope: TenantScope,
  create: (scope: TenantScope) => Promise<Created>,
): Promise<Created> {
  const name = JSON.stringify([scope.companyId, userId, key]);
  const names = underWay.get(database) ?? new Set();
  underWay.set(database, names);
  if (names.has(name)) {
    const detail = "A request with this Idempotency-Key is being answered; send it again in a moment.";
    throw new HttpProblem("conflict", detail, { headers: { "Retry-After": "1" } });
  }
  names.add(name);
  try {
    return await create(scope);
  } catch (error) {
    if (!(error instanceof KeyReusedError)) throw error;
    throw keyReused("a key that was not used within a day, or the very same request again");
  } finally {
    names.delete(name);
  }
}

/** Of the parsed body, so that white space does not count. */
function fingerprintOf(request: Request, path: string): string {
  return createHash("sha256")
    .update(`${request.method} ${path}\n${JSON.stringify(request.body)}`)
    .digest("base64url");
}
