import type { Request } from "express";
import { contentTag } from "../cache/content-tag";
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
  throw malformed(sent, 'the ETag of an answer, such as "3"');
}

/** What {@link contentTag} makes. */
const CONTENT_TAG = /^(?:W\/)?("[\w-]{22}")$/;

/** The `ETag` of what has no version of its own: that of its JSON, the same that a cached answer has. */
export function contentHeaders(body: unknown): ResponseHeaders {
  return { extra: { ETag: contentTag(JSON.stringify(body)) } };
}

/**
 * The tag of what a client has seen and wants to change, from `If-Match`; `undefined` without the header or with `*`.
 * @throws HttpProblem when the header is no ETag of such an answer.
 */
export function expectedTag(request: Request): string | undefined {
  const sent = request.headers["if-match"];
  if (sent === undefined || sent === "*") return undefined;
  const tag = CONTENT_TAG.exec(sent)?.[1];
  if (tag !== undefined) return tag;
  throw malformed(sent, "the ETag of an answer of this address");
}

/** @throws HttpProblem precondition-failed when the caller has seen something else than what is there now. */
export function requireTag(current: unknown, what: string, expected: string | undefined): void {
  if (expected === undefined || expected === contentTag(JSON.stringify(current))) return;
  throw changedMeanwhile(what, expected);
}

export function changedMeanwhile(what: string, expected: string): HttpProblem {
  return new HttpProblem("precondition-failed", `The ${what} has been changed meanwhile; read it again.`, {
    errors: [{ field: "If-Match", value: expected, allowed: "the ETag of the current version" }],
  });
}

function malformed(sent: string, allowed: string): HttpProblem {
  return new HttpProblem("validation", `The header If-Match must be ${allowed}.`, {
    errors: [{ field: "If-Match", value: sent.slice(0, 80), allowed }],
  });
}
