import { asker, type Asker, make, nameOf, NO_TOKEN, type Operation, operationsOf } from "../api";
import { problemViolations } from "../evaluate";
import { type Check, fail, type Outcome, skip, verdict, type VerifyContext } from "../types";

/** Violations that a row tells; the number of the others follows. */
const MOST_TOLD = 5;

/** Has a check of its own, and through the load balancer nobody gets it. */
const ELSEWHERE: ReadonlySet<string> = new Set(["GET /metrics"]);

/** 404 or 409 until a background job has read the document. */
const LATER: ReadonlySet<string> = new Set(["GET /api/documents/{id}/text"]);

/** A path's parameter where nothing of that kind is there: an id nobody has. */
const NOBODY = "nobody";

/** C8, D3: everything that the app says it answers, and who may ask for it. */
export const operationChecks: readonly Check[] = [
  {
    id: "C8",
    title: "every resource is made, shown, listed, changed and deleted",
    target: "each request 2xx",
    byUrl: true,
    run: wholeLives,
  },
  {
    id: "C8",
    title: "everything the app says can be read",
    target: "as /openapi.json describes it",
    byUrl: true,
    run: everyRead,
  },
  {
    id: "D3",
    title: "who may ask for what: strangers, users, admins of a company, other companies",
    target: "401, 403 or 404 for everything that is not theirs",
    byUrl: true,
    async run(context) {
      return context.adminToken === "" ? skip("so many requests are only let through with the admin token") : await roles(context);
    },
  },
];

/** What a company works with: how one is made, given those made before it, and how it is changed. */
const RESOURCES: readonly {
  readonly path: string;
  readonly body: (made: ReadonlyMap<string, string>, unique: string) => unknown;
  readonly change?: unknown;
  readonly deletes?: true;
}[] = [
  {
    path: "/api/products",
    body: (_made, unique) => ({ sku: `V-${unique}`, name: "Lens", category: "lens", priceCents: 500 }),
    change: { priceCents: 600 },
    deletes: true,
  },
  {
    path: "/api/patients",
    body: () => ({ givenName: "Ada", familyName: "Muster", birthDate: "1984-05-17" }),
    change: { status: "archived" },
    deletes: true,
  },
  {
    path: "/api/exams",
    body: (made) => ({ patientId: made.get("/api/patients"), kind: "refraction", scheduledAt: "2999-01-01T00:00:00Z" }),
    change: { findings: "fine" },
    deletes: true,
  },
  {
    path: "/api/orders",
    body: (made) => ({ customerName: "Customer", items: [{ productId: made.get("/api/products"), quantity: 2 }] }),
    change: { status: "confirmed" },
    deletes: true,
  },
  {
    path: "/api/tax/computations",
    body: () => ({ taxYear: 2025, filingStatus: "single", grossIncomeCents: 9_000_000 }),
  },
  {
    path: "/api/filings",
    body: () => ({ taxpayerName: "Ada Muster", taxYear: 2025, dueOn: "2026-04-15" }),
    change: { dueOn: "2026-04-16" },
    deletes: true,
  },
  { path: "/api/chat/conversations", body: () => ({}), deletes: true },
];

/** Children before what they belong to. */
const DELETED = RESOURCES.filter(({ deletes }) => deletes === true).toReversed();

/** Makes one of each resource. @returns its id by the path of its list */
async function makeEach(ask: Asker): Promise<Map<string, string>> {
  const unique = Date.now().toString(36);
  const made = new Map<string, string>();
  for (const { path, body } of RESOURCES) made.set(path, await make(ask, path, body(made, unique)));
  return made;
}

async function wholeLives({ http, session }: VerifyContext): Promise<Outcome> {
  const ask = asker(http, { cookie: (await session()).cookie });
  const violations: string[] = [];
  let requests = RESOURCES.length;
  const expect = async (method: string, path: string, body?: unknown): Promise<void> => {
    requests += 1;
    const answer = await ask(method, path, body === undefined ? {} : { body });
    if (answer.status >= 300) violations.push(`${method} ${path}: ${answer.status} ${answer.text.slice(0, 120)}`);
  };
  const made = await makeEach(ask);
  for (const { path, change } of RESOURCES) {
    const one = `${path}/${made.get(path) ?? NOBODY}`;
    await expect("GET", path);
    await expect("GET", one);
    if (change !== undefined) await expect("PATCH", one, change);
  }
  await expect("POST", `/api/chat/conversations/${made.get("/api/chat/conversations") ?? NOBODY}/messages`, {
    content: "What is my plan?",
  });
  for (const { path } of DELETED) {
    await expect("DELETE", `${path}/${made.get(path) ?? NOBODY}`);
    const gone = await ask("GET", `${path}/${made.get(path) ?? NOBODY}`);
    if (gone.status !== 404) violations.push(`GET ${path}/{id} after it was deleted: ${gone.status}`);
  }
  return verdict(shortened(violations), `${requests} requests to ${RESOURCES.length} resources`);
}

async function everyRead({ http, session, adminToken }: VerifyContext): Promise<Outcome> {
  const { cookie } = await session();
  const user = asker(http, { cookie });
  const admin = asker(http, { authorization: `Bearer ${adminToken}` });
  const company = (await user("GET", "/api/company")).json()["id"] as string;
  // Something in each list, so that there is one to be shown.
  const made = await makeEach(user);
  const income = { taxYear: 2025, filingStatus: "single", grossIncomeCents: 9_000_000 };
  made.set("/api/jobs", await make(user, "/api/jobs/tax-computations", income));
  const note = { headers: { "content-type": "text/plain" } };
  made.set("/api/documents", await make(user, "/api/documents?name=verify.txt", "Written by npm run verify.", note));
  made.set("/api/users", ((await user("GET", "/api/users")).json()["data"] as { readonly id: string }[])[0]?.id ?? NOBODY);

  const reads = (await operationsOf(http)).filter((one) => one.method === "GET" && !ELSEWHERE.has(nameOf(one)));
  const asked = adminToken === "" ? reads.filter((one) => !isForOperators(one)) : reads;
  const violations: string[] = [];
  for (const operation of asked) {
    const own = [...made].find(([path]) => operation.path.startsWith(`${path}/{`))?.[1];
    const id = own ?? (isForOperators(operation) ? company : NOBODY);
    const queue = operation.path.startsWith("/api/admin/queues/") ? "ocr-processing" : id;
    const answer = await (isForOperators(operation) ? admin : user)("GET", operation.path.replace(/\{\w+\}/g, queue));
    const isLater = LATER.has(nameOf(operation)) && [404, 409].includes(answer.status);
    if (!operation.statuses.includes(answer.status) && !isLater) {
      violations.push(`${nameOf(operation)}: ${answer.status} ${answer.text.slice(0, 120)}`);
    }
  }
  const left = asked.length === reads.length ? "" : `; ${reads.length - asked.length} for operators were left out: ${NO_TOKEN}`;
  return verdict(shortened(violations), `${asked.length - violations.length} of ${reads.length}${left}`);
}

function isForOperators({ access }: Operation): boolean {
  return access === "platform-admin" || access === "admin-token";
}

async function roles({ http, session, adminToken }: VerifyContext): Promise<Outcome> {
  const companyAdmin = asker(http, { cookie: (await session()).cookie });
  const password = "correct horse of npm run verify";
  const email = `verify-user-${Date.now().toString(36)}@example.com`;
  await make(companyAdmin, "/api/users", { email, name: "User", password });
  const login = await http.ask("/api/auth/login", { method: "POST", body: { email, password } });
  if (login.status !== 200) return fail(`a user whom the admin made cannot log in: ${login.status} ${login.text.slice(0, 120)}`);
  const user = asker(http, { authorization: `Bearer ${String(login.json()["token"])}` });

  const operations = (await operationsOf(http)).filter(({ access }) => access !== "public");
  const refusals: readonly (readonly [who: string, ask: Asker, statusOf: (operation: Operation) => number | undefined])[] = [
    ["a stranger", asker(http, {}), () => 401],
    ["a wrong token", asker(http, { authorization: `Bearer ${adminToken.slice(0, -1)}` }), () => 401],
    ["a user", user, (operation) => (operation.access === "company-admin" ? 403 : forOperators(operation))],
    ["an admin of a company", companyAdmin, forOperators],
  ];
  const violations: string[] = [];
  let requests = 0;
  for (const [who, ask, statusOf] of refusals) {
    for (const operation of operations) {
      const status = statusOf(operation);
      if (status === undefined) continue;
      requests += 1;
      // What is asked for is nobody's, and without a body: if it is let through, nothing comes of it.
      const answer = await ask(operation.method, operation.path.replace(/\{\w+\}/g, NOBODY));
      violations.push(...problemViolations(answer, status).map((violation) => `${who}, ${nameOf(operation)}: ${violation}`));
    }
  }
  violations.push(...(await otherCompanies(companyAdmin, asker(http, { cookie: (await http.signUp()).cookie }))));
  return verdict(
    shortened(violations),
    `${requests} requests of 4 kinds of people to ${operations.length} operations refused; another company finds nothing`,
  );
}

/** How a user is refused what operators may ask for: no user's session is good for what the admin token alone opens. */
function forOperators({ access }: Operation): number | undefined {
  return access === "admin-token" ? 401 : access === "platform-admin" ? 403 : undefined;
}

/** What a company has is not there for another one. */
async function otherCompanies(owner: Asker, stranger: Asker): Promise<string[]> {
  const violations: string[] = [];
  const made = await makeEach(owner);
  for (const { path, change } of RESOURCES) {
    const id = made.get(path) ?? NOBODY;
    const answers = [
      await stranger("GET", `${path}/${id}`),
      ...(change === undefined ? [] : [await stranger("PATCH", `${path}/${id}`, { body: change })]),
    ];
    violations.push(...answers.filter(({ status }) => status !== 404).map(({ status }) => `another company, ${path}/{id}: ${status}`));
  }
  return violations;
}

function shortened(violations: readonly string[]): string[] {
  const more = violations.length - MOST_TOLD;
  return more > 0 ? [...violations.slice(0, MOST_TOLD), `and ${more} more`] : [...violations];
}
