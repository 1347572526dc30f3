import type { IncomingMessage, ServerResponse } from "node:http";
import compression from "compression";
import type { Request, Response } from "express";
import type { RequestContext } from "../observability/context";
import type { HttpProblem } from "./problem";
import { problemDocument } from "./problem";
import { API_HEADERS } from "./security-headers";

/** Bodies up to this are sent as they are (feature C3: gzip above 1 KB); bytes. */
export const COMPRESSION_THRESHOLD_BYTES = 1024;

/** Media type of Prometheus' text format. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** gzip level 6 (C3), Brotli quality 4 (the library's default, about the same time per byte). */
export const compress = compression({ threshold: COMPRESSION_THRESHOLD_BYTES, level: 6 });

/** What an answer may add to the common headers. */
export interface ResponseHeaders {
  readonly location?: string;
  readonly setCookie?: string;
  readonly extra?: Readonly<Record<string, string>>;
}

/** Answers with JSON. Every dynamic answer goes through here, so all carry the same headers, in one write. */
export function sendJson(request: Request, response: Response, status: number, body: unknown, headers: ResponseHeaders = {}): void {
  const list = commonHeaders(request.context, "application/json; charset=utf-8");
  if (headers.location !== undefined) list.push("Location", headers.location);
  pushCookie(list, headers.setCookie ?? request.context.sessionCookie);
  for (const [name, value] of Object.entries(headers.extra ?? {})) list.push(name, value);
  sendBody(request, response, status, list, JSON.stringify(body));
}

/**
 * Caching of answers by clients and proxies (feature B6). Most answers are kept nowhere. Those the server caches may be kept by the
 * user's own browser, which asks each time whether they still hold: a change counts at once, and what did not change is not sent again.
 */
const CACHE_CONTROL = { none: "no-store", revalidated: "private, no-cache" } as const;

/** Answers with JSON that the server has cached, or with 304 when the client has the very same. */
export function sendCachedJson(
  request: Request,
  response: Response,
  { text, etag }: { readonly text: string; readonly etag: string },
): void {
  const list = commonHeaders(request.context, "application/json; charset=utf-8", CACHE_CONTROL.revalidated);
  // The same address shows something else to someone else.
  pushCookie(list, request.context.sessionCookie);
  list.push("ETag", etag, "Vary", "Authorization, Cookie, Accept-Encoding");
  if (hasTag(request.headers["if-none-match"], etag)) response.writeHead(304, list).end();
  else sendBody(request, response, 200, list, text);
}

/** Weak comparison, as RFC 9110 asks for with `If-None-Match`: a proxy that compresses makes a tag weak. */
function hasTag(header: string | undefined, etag: string): boolean {
  return header !== undefined && (header === "*" || header.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag));
}

/** Answers with no body: 204. */
export function sendNothing(request: Request, response: Response, headers: ResponseHeaders = {}): void {
  const list = commonHeaders(request.context, undefined);
  pushCookie(list, headers.setCookie ?? request.context.sessionCookie);
  response.writeHead(204, list).end();
}

/** Sends the client to another address for the same: 302. Kept nowhere, as the address is good for a short time. */
export function sendElsewhere(request: Request, response: Response, location: string): void {
  const list = commonHeaders(request.context, undefined);
  pushCookie(list, request.context.sessionCookie);
  response.writeHead(302, [...list, "Location", location, "Content-Length", "0"]).end();
}

/** Answers with text that is not JSON, such as the metrics. */
export function sendText(request: Request, response: Response, contentType: string, body: string): void {
  sendBody(request, response, 200, commonHeaders(request.context, contentType), body);
}

/** Begins an answer of server-sent events; `http/event-stream.ts` sends them. Never compressed: each event leaves at once. */
export function sendEventStreamHead(request: Request, response: Response): void {
  const list = commonHeaders(request.context, "text/event-stream; charset=utf-8");
  // For proxies of the kind of nginx, which would hold back small events.
  list.push("X-Accel-Buffering", "no");
  response.writeHead(200, list);
  response.flushHeaders();
}

/** Answers with a problem document (RFC 9457). */
export function sendProblem(request: Request, response: Response, problem: HttpProblem): void {
  const list = commonHeaders(request.context, "application/problem+json");
  for (const [name, value] of Object.entries(problem.headers)) list.push(name, value);
  // The path only: a query may hold what nobody wants repeated in logs of clients.
  const instance = request.originalUrl.split("?", 1)[0] ?? "/";
  sendBody(request, response, problem.status, list, JSON.stringify(problemDocument(problem, instance, request.context.requestId)));
}

/** Answers before Express has seen the request: health checks, which have no context and are never compressed. */
export function sendRawJson(request: IncomingMessage, response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  const length = String(Buffer.byteLength(text));
  response
    .writeHead(status, [
      ...API_HEADERS,
      "Cache-Control",
      "no-store",
      "Content-Type",
      "application/json; charset=utf-8",
      "Content-Length",
      length,
    ])
    .end(request.method === "HEAD" ? undefined : text);
}

function pushCookie(list: string[], cookie: string | undefined): void {
  if (cookie !== undefined) list.push("Set-Cookie", cookie);
}

function commonHeaders(context: RequestContext, contentType: string | undefined, cacheControl: string = CACHE_CONTROL.none): string[] {
  const list = [...API_HEADERS, "Cache-Control", cacheControl, "X-Request-Id", context.requestId, "Traceparent", context.traceparent];
  if (contentType !== undefined) list.push("Content-Type", contentType);
  if (context.rateLimitHeaders !== undefined) list.push(...context.rateLimitHeaders);
  if (context.addHeaders !== undefined) context.addHeaders(list, contentType);
  return list;
}

function sendBody(request: Request, response: Response, status: number, headers: string[], text: string): void {
  const length = Buffer.byteLength(text);
  headers.push("Content-Length", String(length));
  if (length <= COMPRESSION_THRESHOLD_BYTES || response.headersSent) {
    response.writeHead(status, headers).end(text);
    return;
  }
  // The wrapper costs 13 µs a response (app.md), so only bodies it may shrink get it.
  compress(request, response, () => {
    response.writeHead(status, headers);
    response.end(text);
  });
}
