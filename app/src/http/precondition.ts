import type { Request } from "express";
import type { ResponseHeaders } from "./respond";
import { HttpProblem } from "./problem";

/** One entity tag; `W/` in front is accepted, because proxies that compress weaken tags on their way. */
const TAG = /^(?:W\/)?"(\d{1,15})"$/;

/** The `ETag` of a row: its version. */
export function versionHeaders({ version }: { readonly version: number }): ResponseHeaders {
  return { extra: { ETag: `"${version}"` } };
}

/**
 * The version a client has seen and wants to change, from `If-Match`; `undefined` without the header or with `*`.
 * @throws HttpProblem when the header is no ETag of this API.
 */
export function expectedVersion(request: Request): number | undefined {
  const sent = request.headers["if-match"];
  if (sent === undefined || sent === "*") return undefined;
  const version = TAG.exec(sent)?.[1];
  if (version !== undefined) return Number(version);
  const allowed = 'the ETag of an answer, such as "3"';
  throw new HttpProblem("validation", `The header If-Match must be ${allowed}.`, {
    errors: [{ field: "If-Match", value: sent.slice(0, 80), allowed }],
  });
}
