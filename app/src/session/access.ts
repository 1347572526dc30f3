/** Who may use an endpoint. Each needs what the one before it needs, but for `admin-token`, which is not a user at all. */
export type Access =
  /** Anyone. */
  | "public"
  /** A user of any company, within that company. */
  | "user"
  /** An admin of the company, within that company. */
  | "company-admin"
  /** An operator of the platform: a user who was made one, or the admin token. */
  | "platform-admin"
  /** The admin token of the installation, and nothing else. */
  | "admin-token";

/** One line of {@link ACCESS}. */
export interface AccessRule {
  /** Request methods, or `*` for all. */
  readonly methods: "*" | readonly string[];
  /** Matches this path and everything below it. */
  readonly path: string;
  readonly access: Access;
}

const WRITES = ["POST", "PUT", "PATCH", "DELETE"];

/**
 * Which endpoint needs what (feature D3): the first line that fits a request decides. Enforced before any route, by `authorize`; routes
 * may ask for more, never for less.
 */
export const ACCESS: readonly AccessRule[] = [
  { methods: "*", path: "/api/health", access: "public" },
  { methods: ["POST"], path: "/api/auth/signup", access: "public" },
  { methods: ["POST"], path: "/api/auth/login", access: "public" },
  // Without a session there is nothing to end, and that is no error.
  { methods: ["POST"], path: "/api/auth/logout", access: "public" },
  { methods: "*", path: "/api/auth", access: "user" },
  { methods: "*", path: "/api/admin/platform-admins", access: "admin-token" },
  { methods: "*", path: "/api/admin", access: "platform-admin" },
  { methods: WRITES, path: "/api/company", access: "company-admin" },
  { methods: "*", path: "/api/users", access: "company-admin" },
  { methods: ["DELETE"], path: "/api/orders", access: "company-admin" },
  { methods: ["DELETE"], path: "/api/patients", access: "company-admin" },
  { methods: ["DELETE"], path: "/api/products", access: "company-admin" },
  { methods: ["DELETE"], path: "/api/exams", access: "company-admin" },
  { methods: ["DELETE"], path: "/api/filings", access: "company-admin" },
  { methods: "*", path: "/api", access: "user" },
  { methods: "*", path: "/", access: "public" },
];

/** What a request needs. Paths are compared as Express routes them: without regard to case. */
export function accessOf(method: string, path: string): Access {
  const lower = path.toLowerCase();
  const rule = ACCESS.find(
    (candidate) => (candidate.methods === "*" || candidate.methods.includes(method)) && isBelow(lower, candidate.path),
  );
  // The last line fits every path; a table without it refuses.
  return rule?.access ?? "admin-token";
}

function isBelow(path: string, prefix: string): boolean {
  return path.startsWith(prefix) && (prefix === "/" || path.length === prefix.length || path[prefix.length] === "/");
}
