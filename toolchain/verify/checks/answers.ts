import { headerViolations, leaksStack, problemViolations, savedShare } from "../evaluate";
import { fail, skip, verdict, type Check } from "../types";
import type { Answer, Ask, HttpClient, Session } from "../http";

/** Requests that must be refused, each with the status it deserves. */
const REFUSED: readonly { readonly what: string; readonly path: string; readonly status: number; readonly ask?: Ask }[] = [
  { what: "unknown path", path: "/no/such/path", status: 404 },
  { what: "no session", path: "/api/orders", status: 401 },
  { what: "forged session", path: "/api/orders", status: 401, ask: { headers: { cookie: "sid=forged" } } },
  { what: "reload without the admin token", path: "/api/admin/reload", status: 401, ask: { method: "POST" } },
  {
    what: "reload with a wrong admin token",
    path: "/api/admin/reload",
    status: 401,
    ask: { method: "POST", headers: { authorization: "Bearer wrong-token-of-some-length" } },
  },
  { what: "malformed JSON", path: "/api/auth/login", status: 400, ask: { method: "POST", body: '{"email": ' } },
];

/** Bytes of an answer that is worth compressing: about the size of a page of a list. */
const WORTH_COMPRESSING = 4096;
/** Least share of bytes that gzip must save on JSON (C3: the origin's 30–50 %, ours 60 %). */
const SAVED_SHARE = 0.6;

/** B1, C3: what every answer carries, and what errors must not tell. */
export const answerChecks: readonly Check[] = [
  {
    id: "B1",
    title: "security headers on every kind of answer",
    target: "CSP, nosniff, frame, referrer, HSTS with TLS only; no software named",
    byUrl: true,
    async run({ http, expected }) {
      const violations: string[] = [];
      const inCloud = expected.phase === "cloud";
      const sources = { "/health": "app", "/no/such/path": "app", "/metrics": inCloud ? "app" : "load balancer" } as const;
      for (const [path, source] of Object.entries(sources)) {
        const origin = { source, tls: http.url.startsWith("https:"), throughOthers: inCloud };
        violations.push(...headerViolations((await http.ask(path)).headers, origin).map((violation) => `${path}: ${violation}`));
      }
      return verdict(violations, "complete on 3 of 3 answers");
    },
  },
  {
    id: "C8",
    title: "errors are problem documents (RFC 9457)",
    target: `${REFUSED.length} refusals, right status`,
    byUrl: true,
    async run({ http }) {
      const violations: string[] = [];
      for (const { what, path, status, ask } of REFUSED) {
        violations.push(...problemViolations(await http.ask(path, ask), status).map((violation) => `${what}: ${violation}`));
      }
      return verdict(violations, `${REFUSED.length} of ${REFUSED.length}`);
    },
  },
  {
    id: "C8",
    title: "no stack trace reaches a client",
    target: "none",
    byUrl: true,
    async run({ http, session }) {
      const { cookie } = await session();
      const hostile: readonly (readonly [string, Ask])[] = [
        [
          "/api/orders",
          {
            method: "POST",
            headers: { cookie },
            body: { customerName: "' OR 1=1 --", totalCents: "1; DROP TABLE orders", status: { $gt: "" } },
          },
        ],
        ["/api/orders?limit=-1&offset=abc&cursor=%00", { headers: { cookie } }],
        ["/api/orders/..%2f..%2fetc%2fpasswd", { headers: { cookie } }],
        ["/api/auth/login", { method: "POST", body: { email: ["a"], password: { $ne: 1 } } }],
        ["/api/auth/signup", { method: "POST", body: "[]" }],
        ["/%E0%A4%A", {}],
        ["/../../etc/passwd", {}],
      ];
      const violations: string[] = [];
      for (const [path, ask] of hostile) {
        const { status, text } = await http.ask(path, ask);
        if (status >= 500) violations.push(`${path}: status ${status}`);
        if (status < 300 && ask.method === "POST") violations.push(`${path}: accepted with ${status}`);
        if (leaksStack(text)) violations.push(`${path}: shows a stack trace`);
      }
      return verdict(violations, `none in ${hostile.length} hostile requests, no 5xx`);
    },
  },
  {
    id: "C3",
    title: "gzip of JSON above 1 KB",
    target: `≥ ${SAVED_SHARE * 100} % smaller`,
    byUrl: true,
    async run({ http, session, adminToken }) {
      if (adminToken === "") return skip("so many orders at once are only let through with the admin token");
      const { plain, packed } = await bothWays(http, await session());
      if (plain.bytes.length < WORTH_COMPRESSING) return fail(`the list of orders has only ${plain.bytes.length} bytes`);
      const encoding = packed.headers["content-encoding"];
      if (encoding !== "gzip") return fail(`${plain.bytes.length} bytes sent with content-encoding ${encoding ?? "none"}`);
      const saved = savedShare(plain.bytes.length, packed.bytes.length);
      const measured = `${plain.bytes.length} → ${packed.bytes.length} bytes, ${(saved * 100).toFixed(0)} % smaller`;
      return verdict(saved >= SAVED_SHARE ? [] : [measured], measured);
    },
  },
];

/** The same page of orders without and with gzip. */
async function bothWays(http: HttpClient, { cookie }: Session): Promise<{ plain: Answer; packed: Answer }> {
  for (let n = 0; n < 40; n += 1) await createOrder(http, cookie, n);
  const plain = await http.ask("/api/orders?limit=50", { headers: { cookie, "accept-encoding": "identity" } });
  const packed = await http.ask("/api/orders?limit=50", { headers: { cookie, "accept-encoding": "gzip" } });
  return { plain, packed };
}

/** Creates an order and returns it. @throws Error when it is refused */
export async function createOrder(http: HttpClient, cookie: string, n: number): Promise<Record<string, unknown>> {
  const body = { customerName: `Customer ${n}`, totalCents: 995 * (n + 1), currency: "EUR", notes: `Order ${n} of npm run verify` };
  const answer = await http.ask("/api/orders", { method: "POST", headers: { cookie }, body });
  if (answer.status !== 201) throw new Error(`POST /api/orders answered ${answer.status}: ${answer.text.slice(0, 200)}`);
  return answer.json();
}
