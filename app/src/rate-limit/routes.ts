import type { PolicyName } from "./policies";

/** What a request of a signed-in user is held against besides the tier of its company. */
export interface RouteLimits {
  readonly methods: "*" | readonly string[];
  /** Matches this path and everything below it. */
  readonly path: string;
  /** And only paths that end with this. @default all of them */
  readonly ending?: string;
  readonly policies: readonly PolicyName[];
}

const WRITES = ["POST", "PUT", "PATCH", "DELETE"];

/** The first line that fits decides. Chat has its own limit instead of the API's (B7); uploads and AI have one on top of it (E4). */
export const ROUTE_LIMITS: readonly RouteLimits[] = [
  { methods: ["POST"], path: "/api/chat", policies: ["chat"] },
  // The second half of an upload that was counted when it was announced.
  { methods: ["POST"], path: "/api/documents/uploads", ending: "/complete", policies: ["api"] },
  { methods: WRITES, path: "/api/documents", policies: ["api", "uploads"] },
  { methods: ["POST"], path: "/api/tax", policies: ["api", "ai"] },
  { methods: "*", path: "/api", policies: ["api"] },
];

/** Held against their address, before anyone is authenticated and before a body is read. */
export const ADDRESS_LIMITS: readonly RouteLimits[] = [
  { methods: ["POST"], path: "/api/auth/signup", policies: ["auth", "progressive"] },
  { methods: ["POST"], path: "/api/auth/login", policies: ["auth", "progressive"] },
  // Knowing a session is not knowing its password.
  { methods: ["POST"], path: "/api/auth/password", policies: ["auth", "progressive"] },
  { methods: WRITES, path: "/api/admin", policies: ["strict"] },
];

/** @param path compared as Express routes it: without regard to case. */
export function limitsOf(table: readonly RouteLimits[], method: string, path: string): RouteLimits | undefined {
  const lower = path.toLowerCase();
  return table.find(
    ({ methods, path: prefix, ending = "" }) =>
      (methods === "*" || methods.includes(method)) && isBelow(lower, prefix) && lower.endsWith(ending),
  );
}

function isBelow(path: string, prefix: string): boolean {
  return path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === "/");
}

/** Health checks and metrics are asked by machines at their own pace, most of all when something is wrong: never limited. */
const EXEMPT = /^\/(health|ready|metrics|api\/health(\/[^?]*)?)(\?|$)/;

/** What the limits per address make of a request's URL. Whatever is no API counts as a page with its files. */
export function guardClass(url: string): "exempt" | "api" | "page" {
  // Cheap first: most requests are to the API.
  if (/^\/api(\/|\?|$)/i.test(url)) return url.startsWith("/api/health") && EXEMPT.test(url) ? "exempt" : "api";
  return EXEMPT.test(url) ? "exempt" : "page";
}
