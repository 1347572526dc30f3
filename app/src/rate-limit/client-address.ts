import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";

/** Groups of an IPv6 address that name a network: one customer has at least a /64, and could change the rest with every request. */
const NETWORK_GROUPS = 4;

/**
 * Whom limits per address count: the client as seen by the outermost trusted proxy. The rest of `X-Forwarded-For` was written by the
 * client itself.
 * @param trustedProxies hops in front, see TRUST_PROXY.
 */
export function clientAddress(request: IncomingMessage, trustedProxies: number): string {
  return countedAddress(givenAddress(request, trustedProxies));
}

/** The client's address as the outermost trusted proxy gave it: what Express calls `request.ip`, which works it out by a few more steps. */
export function givenAddress(request: IncomingMessage, trustedProxies: number): string {
  const peer = request.socket.remoteAddress ?? "";
  if (trustedProxies === 0) return peer;
  const forwarded = request.headers["x-forwarded-for"];
  if (forwarded === undefined) return peer;
  const hops = (Array.isArray(forwarded) ? forwarded.join(",") : forwarded).split(",");
  return (hops[Math.max(0, hops.length - trustedProxies)] ?? peer).trim();
}

/** An IPv4 address as it is, of an IPv6 address its /64; whatever is no address shares one name. */
export function countedAddress(address: string): string {
  const plain = address.startsWith("::ffff:") && address.includes(".") ? address.slice("::ffff:".length) : address;
  const version = isIP(plain);
  if (version === 4) return plain;
  if (version !== 6) return "unknown";
  const [text = ""] = plain.split("%", 1);
  // The last two groups may be written as IPv4; the URL parser writes them as groups.
  const [head = "", tail] = (text.includes(".") ? new URL(`http://[${text}]`).hostname.slice(1, -1) : text).split("::", 2);
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const after = tail === "" ? [] : tail.split(":");
    while (groups.length + after.length < 8) groups.push("0");
    groups.push(...after);
  }
  return `${groups
    .slice(0, NETWORK_GROUPS)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ""))
    .join(":")}::/64`;
}
