import type { IncomingMessage } from "node:http";
import type { RawProblem } from "./raw-problem";

/** What a request's first lines may be. Node bounds all headers together to 16 KB before this. */
export const REQUEST_LIMITS = {
  /** Fields of a header; browsers send about 20, a chain of proxies adds a dozen. */
  headers: 100,
  /** Path and query; the longest the app itself makes has a cursor of 1,000 characters. */
  urlCharacters: 4096,
} as const;

/** Headers of which a request has at most one value; two would let two readers of the request disagree about what it is (RFC 9110). */
const SINGLE: ReadonlySet<string> = new Set(["host", "content-length", "authorization", "content-type"]);

/** Refuses requests that no honest client sends; `undefined` when nothing is wrong. */
export function refuseRequest(request: IncomingMessage): RawProblem | undefined {
  const { url = "/", rawHeaders } = request;
  if (url.length > REQUEST_LIMITS.urlCharacters) {
    return { status: 414, kind: "url-too-long", detail: `Path and query may have ${REQUEST_LIMITS.urlCharacters} characters together.` };
  }
  if (url.charCodeAt(0) !== 0x2f && url !== "*") {
    return { status: 400, kind: "bad-request", detail: "The request target has to be a path that begins with a slash." };
  }
  if (rawHeaders.length > 2 * REQUEST_LIMITS.headers) {
    return { status: 431, kind: "too-many-headers", detail: `A request may have ${REQUEST_LIMITS.headers} header fields.` };
  }
  const wrong = wrongHeader(rawHeaders);
  return wrong === undefined ? undefined : { status: 400, kind: "bad-request", detail: wrong };
}

/**
 * Where a body in another encoding than `chunked` ends is not known. Node's parser says so too, but only after the request was handed over,
 * when it may have been answered already.
 */
const TRANSFER_ENCODING = "transfer-encoding";

/** What is wrong with the headers, in one pass over them. */
function wrongHeader(rawHeaders: readonly string[]): string | undefined {
  let seen = "";
  let foreignEncoding = false;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const raw = rawHeaders[index] ?? "";
    // Single ones have 4, 12, 13 or 14 letters: most fields are passed by their length alone.
    if (raw.length !== 4 && (raw.length < 12 || raw.length > 14) && raw.length !== TRANSFER_ENCODING.length) continue;
    const name = raw.toLowerCase();
    if (name === TRANSFER_ENCODING) foreignEncoding ||= rawHeaders[index + 1]?.trim().toLowerCase() !== "chunked";
    if (!SINGLE.has(name)) continue;
    if (seen.includes(`${name} `)) return `The header ${name} may be given once only.`;
    seen += `${name} `;
  }
  return foreignEncoding ? "Transfer-Encoding may be chunked only." : undefined;
}
