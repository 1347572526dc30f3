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
  const peer = request.socket.remoteAddress ?? "";
  if (trustedProxies === 0) return countedAddress(peer);
  const forwarded = request.headers["x-forwarded-for"];
  if (forwarded === undefined) return countedAddress(peer);
  const hops = (Array.isArray(forwarded) ? forwarded.join(",") : forwarded).split(",");
  return countedAddress((hops[Math.max(0, hops.length - trustedProxies)] ?? peer).trim());
}

/** An IPv4 address as it is, of an IPv6 address its /64; whatever is no address shares one name. */
export function countedAddress(address: string): string {
  if (address.startsWith("::ffff:") && address.includes(".")) return address.slice("::ffff:".length);
  if (!address.includes(":")) return isIP(address) === 4 ? address : "unknown";
  if (isIP(address) !== 6) return "unknown";
  const [head = "", tail] = address.split("%", 1)[0]?.split("::", 2) ?? [];
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
