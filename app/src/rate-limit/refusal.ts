import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { HttpProblem } from "../http/problem";
import { API_HEADERS } from "../http/security-headers";
import { policyHeader, refusalDetail, retryAfterSeconds } from "./headers";
import type { LimitPolicy } from "./policies";

/** Characters of a path that are repeated to the client. */
const MOST_PATH = 200;

/** Headers that every refusal before Express has, put together once. */
const FIXED_HEADERS = [...API_HEADERS, "Cache-Control", "no-store", "Content-Type", "application/problem+json"];

/** A policy that is not in the table of policies: too many requests at the same time. */
export interface Refused {
  readonly policy: Pick<LimitPolicy, "name">;
  readonly retryMs: number;
  readonly detail: (retryAfter: number) => string;
  /** Value of `RateLimit-Policy`. */
  readonly header: string | undefined;
}

const headersOf = new WeakMap<LimitPolicy, string>();

/** What a refusal by a policy says. */
export function refusedBy(policy: LimitPolicy, retryMs: number): Refused {
  let header = headersOf.get(policy);
  if (header === undefined) {
    header = policyHeader([policy]);
    headersOf.set(policy, header);
  }
  return { policy, retryMs, detail: (retryAfter) => refusalDetail(policy, retryAfter), header };
}

/**
 * Answers 429 before Express. The connection stays open unless a body is on its way: a client that behaves needs it again, and one that
 * does not costs more with a new one for every request.
 */
export function sendRefusal(request: IncomingMessage, response: ServerResponse, { policy, retryMs, detail, header }: Refused): void {
  const { headers, method, url = "/" } = request;
  if (!request.complete && (headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined)) {
    response.shouldKeepAlive = false;
  }
  const wait = retryAfterSeconds(retryMs);
  const requestId = randomUUID();
  const query = url.indexOf("?");
  const path = JSON.stringify(url.slice(0, Math.min(query === -1 ? url.length : query, MOST_PATH)));
  const { name } = policy;
  const body =
    `{"type":"urn:phased-stack:problem:rate-limited","title":"Too Many Requests","status":429,"detail":${JSON.stringify(detail(wait))},` +
    `"instance":${path},"requestId":"${requestId}","policy":"${name}","violated-policies":["${name}"],"retryAfterSeconds":${wait}}`;
  const list = FIXED_HEADERS.concat(
    "X-Request-Id",
    requestId,
    "Retry-After",
    String(wait),
    "Content-Length",
    String(Buffer.byteLength(body)),
  );
  if (header !== undefined) list.push("RateLimit-Policy", header, "RateLimit", `"${name}";r=0;t=${Math.ceil(retryMs / 1000)}`);
  response.writeHead(429, list).end(method === "HEAD" ? undefined : body);
}

/** The same as an error, for what comes after Express. The `RateLimit` headers come from the request's context. */
export function refusalProblem(policy: LimitPolicy, retryMs: number): HttpProblem {
  const wait = retryAfterSeconds(retryMs);
  return new HttpProblem("rate-limited", refusalDetail(policy, wait), {
    headers: { "Retry-After": String(wait) },
    // `violated-policies` is what the draft of the RateLimit fields calls them.
    extensions: { policy: policy.name, "violated-policies": [policy.name], retryAfterSeconds: wait },
  });
}
