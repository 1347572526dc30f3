import { randomBytes, randomUUID } from "node:crypto";

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
}

const REQUEST_ID = /^[\w.:-]{1,64}$/;

/** version-traceid-parentid-flags of https://www.w3.org/TR/trace-context; all-zero ids are invalid there. */
const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})$/;

/** Continues the caller's trace, or starts one. A malformed header is ignored, as the W3C recommendation asks. */
export function createContext(requestIdHeader: string | undefined, traceparentHeader: string | undefined): RequestContext {
  const requestId = requestIdHeader !== undefined && REQUEST_ID.test(requestIdHeader) ? requestIdHeader : randomUUID();
  const incoming = traceparentHeader === undefined ? null : TRACEPARENT.exec(traceparentHeader);
  const traceId = incoming?.[1] ?? randomBytes(16).toString("hex");
  const spanId = randomBytes(8).toString("hex");
  return { requestId, traceId, traceparent: `00-${traceId}-${spanId}-${incoming?.[2] ?? "00"}`, startedAt: performance.now() };
}
