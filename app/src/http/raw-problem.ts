import { STATUS_CODES, type IncomingMessage, type ServerResponse } from "node:http";
import { API_HEADERS } from "./security-headers";

/** A refusal before Express has seen the request. Whoever is refused here cost nothing yet, and the answer should not either. */
export interface RawProblem {
  readonly status: number;
  /** Last part of the problem's `type`. */
  readonly kind: string;
  /** One sentence, safe to show. */
  readonly detail: string;
  readonly retryAfterSeconds?: number;
}

/**
 * Answers with a problem document (RFC 9457). The connection ends with it if the request has a body: reading a body only to drop it is
 * what an attacker would like.
 */
export function sendRawProblem(request: IncomingMessage, response: ServerResponse, problem: RawProblem): void {
  const { status, kind, detail, retryAfterSeconds } = problem;
  const { headers, method, url = "/" } = request;
  if (!request.complete && (headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined)) {
    response.shouldKeepAlive = false;
  }
  const body = JSON.stringify({
    type: `urn:phased-stack:problem:${kind}`,
    title: STATUS_CODES[status] ?? "Error",
    status,
    detail,
    instance: url.split("?", 1)[0]?.slice(0, 200),
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  });
  const list = [...API_HEADERS, "Cache-Control", "no-store", "Content-Type", "application/problem+json"];
  list.push("Content-Length", String(Buffer.byteLength(body)));
  if (retryAfterSeconds !== undefined) list.push("Retry-After", String(retryAfterSeconds));
  response.writeHead(status, list).end(method === "HEAD" ? undefined : body);
}
