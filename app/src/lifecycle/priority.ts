import type { IncomingMessage } from "node:http";
import { latest } from "../bounded";
import type { Priority } from "./overload";

/** Credentials remembered; those not used for the longest time give way. About 150 bytes each. */
const MOST_REMEMBERED = 10_000;

/** Characters of a session token that tell it from others: 132 of its 256 random bits. What is kept cannot log anyone in. */
const KEY_CHARACTERS = 22;

/** `Bearer <token>`, or the session cookie among others. */
const TOKEN = /(?:^Bearer +|(?:^|;)\s*sid=)([\w-]{22})/i;

/**
 * Tells how important a request is before anything of it was checked. Only credentials that this worker has already seen valid count:
 * whoever writes a made-up token into a header is as anonymous as without one.
 */
export class PriorityClassifier {
  /** Sessions that were noted with their present plan. */
  readonly #noted = new WeakMap<object, boolean>();
  readonly #paying = latest<string, boolean>(MOST_REMEMBERED);

  /**
   * The credentials of this request were valid.
   * @param session what they led to, the same object for as long as it is remembered.
   */
  remember(request: IncomingMessage, session: object, paying: boolean): void {
    if (this.#noted.get(session) === paying) return;
    this.#noted.set(session, paying);
    const key = credentialKey(request);
    if (key !== undefined && this.#paying.get(key) !== paying) this.#paying.set(key, paying);
  }

  /** `undefined`: never refused, because operators need it most when everything is overloaded. */
  classify(request: IncomingMessage): Priority | undefined {
    const { method, url = "/" } = request;
    if (url.startsWith("/api/admin/") || url.startsWith("/api/health/") || url === "/metrics") return undefined;
    const key = credentialKey(request);
    const paying = key === undefined ? undefined : this.#paying.get(key);
    const reads = method === "GET" || method === "HEAD" || method === "OPTIONS";
    if (paying === undefined) return reads ? "anonymous-read" : "anonymous-write";
    if (paying) return reads ? "paying-read" : "paying-write";
    return reads ? "read" : "write";
  }
}

function credentialKey({ headers }: IncomingMessage): string | undefined {
  return TOKEN.exec(headers.authorization ?? "")?.[1]?.slice(0, KEY_CHARACTERS) ?? TOKEN.exec(headers.cookie ?? "")?.[1];
}
