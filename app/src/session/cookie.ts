/** Name of the session cookie. */
export const SESSION_COOKIE = "sid";

/**
 * How long a browser keeps the cookie, in seconds: an hour, as the session, and a little more, because the end of a session moves on
 * at most once a minute. It is sent anew whenever that happens.
 */
export const COOKIE_LIFETIME_SECONDS = 3720;

/** Value of one cookie of a `Cookie` header; tokens need no decoding. */
export function readCookie(header: string | undefined, name: string): string | undefined {
  if (header === undefined) return undefined;
  for (const part of header.split(";")) {
    const equals = part.indexOf("=");
    if (equals > 0 && part.slice(0, equals).trim() === name) return part.slice(equals + 1).trim();
  }
  return undefined;
}

/**
 * A `Set-Cookie` value. Not readable by scripts, not sent along by other sites' forms; `Secure` when the client came over TLS
 * (over plain HTTP a browser would drop the cookie).
 * @param maxAgeSeconds 0 deletes the cookie.
 */
export function sessionCookie(token: string, maxAgeSeconds: number, secure: boolean): string {
  return `${SESSION_COOKIE}=${token}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Lax${secure ? "; Secure" : ""}`;
}
