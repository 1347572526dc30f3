import type { IncomingMessage } from "node:http";

/**
 * Whether a WebSocket may use the visitor's cookie. Browsers send cookies along whichever page opens the socket, and no CORS rule holds
 * them back, but they always say which page it is; programs say nothing.
 * @param allowed further origins, such as `https://app.example.org`.
 */
export function isOwnPage({ headers }: Pick<IncomingMessage, "headers">, allowed: readonly string[]): boolean {
  const { origin, host } = headers;
  if (origin === undefined || allowed.includes(origin)) return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}
