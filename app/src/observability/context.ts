import { randomBytes, randomUUID } from "node:crypto";
import type { Queries } from "../db/database";

/** What ties the log lines, the response and the spans of one request together. */
export interface RequestContext {
  /** Taken from `X-Request-Id` when it is well formed, else a new UUID; sent back in the response. */
  readonly requestId: string;
  /** W3C trace id, 32 hex digits: the caller's, or a new one. */
  readonly traceId: string;
  /** W3C `traceparent` of this hop: the caller's trace with our own span id. */
  readonly traceparent: string;
  /** `performance.now()` when the request arrived, in milliseconds. */
  readonly startedAt: number;
  /** `RateLimit` and its policy, names and values alternating; set where the request was held against limits. */
  rateLimitHeaders?: readonly string[];
  /** `Set-Cookie` that prolongs the session in the browser, as it was prolonged on the server. */
  sessionCookie?: string;
  /** Called with the headers, names and values alternating, when they are about to be sent; for what is only known by then. */
  addHeaders?: (list: string[], contentType: string | undefined) => void;
  /** Who answers the reads of this request, where there are replicas. */
  reader?: Queries;
}

const REQUEST_ID = /^[\w.:-]{1,64}$/;

/** version-traceid-parentid-flags of https://www.w3.org/TR/trace-context; all-zero ids are invalid there. */
const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})$/;

/** Hex digits of a trace id and of a span id. */
const TRACE_DIGITS = 32;
const SPAN_DIGITS = 16;

/** Random bytes fetched at once: two calls for every request cost as much as the rest of this file. */
const POOL_BYTES = 3072;

let pool = "";
let taken = 0;

/** Random hex digits, each handed out once. */
function randomHex(digits: number): string {
  if (taken + digits > pool.length) {
    pool = randomBytes(POOL_BYTES).toString("hex");
    taken = 0;
  }
  taken += digits;
  return pool.slice(taken - digits, taken);
}

/** Continues the caller's trace, or starts one. A malformed header is ignored, as the W3C recommendation asks. */
export function createContext(requestIdHeader: string | undefined, traceparentHeader: string | undefined): RequestContext {
  const requestId = requestIdHeader !== undefined && REQUEST_ID.test(requestIdHeader) ? requestIdHeader : randomUUID();
  const incoming = traceparentHeader === undefined ? null : TRACEPARENT.exec(traceparentHeader);
  const traceId = incoming?.[1] ?? randomHex(TRACE_DIGITS);
  const traceparent = `00-${traceId}-${randomHex(SPAN_DIGITS)}-${incoming?.[2] ?? "00"}`;
  return { requestId, traceId, traceparent, startedAt: performance.now() };
}
