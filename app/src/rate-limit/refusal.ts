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

/** A path that is JSON text as it is; others are escaped first. */
const PLAIN_PATH = /^[\w./~%-]*$/;

/** Why a request is refused before Express, with all that is the same for every such refusal put together once. */
export interface Refused {
  readonly name: string;
  readonly retryMs: number;
  readonly text: RefusalText;
}

/** The parts of a refusal that do not change from one to the next, as JSON. */
export interface RefusalText {
  /** Up to the seconds to wait within `detail`. */
  readonly before: string;
  /** From there up to the path. */
  readonly after: string;
  /** Value of `RateLimit-Policy`. */
  readonly header: string | undefined;
}

/** Stands for the seconds to wait while the text is put together. */
const WAIT = 987_654_321;

/** @param detail the sentence, by the seconds to wait. */
export function refusalText(detail: (retryAfter: number) => string, header: string | undefined): RefusalText {
  const [before = "", after = ""] = JSON.stringify(detail(WAIT)).split(String(WAIT), 2);
  return {
    before: `{"type":"urn:phased-stack:problem:rate-limited","title":"Too Many Requests","status":429,"detail":${before}`,
    after: `${after},"instance":`,
    header,
  };
}

const texts = new WeakMap<LimitPolicy, RefusalText>();

/** What a refusal by a policy says. */
export function refusedBy(policy: LimitPolicy, retryMs: number): Refused {
  let text = texts.get(policy);
  if (text === undefined) {
    text = refusalText((retryAfter) => refusalDetail(policy, retryAfter), policyHeader([policy]));
    texts.set(policy, text);
  }
  return { name: policy.name, retryMs, text };
}

/**
 * Answers 429 before Express. The connection stays open unless a body is on its way: a client that behaves needs it again, and one that
 * does not costs more with a new one for every request.
 */
export function sendRefusal(request: IncomingMessage, response: ServerResponse, { name, retryMs, text }: Refused): void {
  const { method, url = "/" } = request;
  // Looking at the headers makes Node collect them, which costs more than the rest of this function.
  if (method !== "GET" && method !== "HEAD" && !request.complete && hasBody(request)) response.shouldKeepAlive = false;
  const wait = retryAfterSeconds(retryMs);
  const requestId = randomUUID();
  const query = url.indexOf("?");
  const path = url.slice(0, Math.min(query === -1 ? url.length : query, MOST_PATH));
  const instance = PLAIN_PATH.test(path) ? `"${path}"` : JSON.stringify(path);
  const body = `${text.before}${wait}${text.after}${instance},"requestId":"${requestId}","policy":"${name}","violated-policies":["${name}"],"retryAfterSeconds":${wait}}`;
  const length = String(Buffer.byteLength(body));
  const list = [...FIXED_HEADERS, "X-Request-Id", requestId, "Retry-After", String(wait), "Content-Length", length];
  if (text.header !== undefined) list.push("RateLimit-Policy", text.header, "RateLimit", `"${name}";r=0;t=${Math.ceil(retryMs / 1000)}`);
  response.writeHead(429, list).end(method === "HEAD" ? undefined : body);
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined;
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
