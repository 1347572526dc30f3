import assert from "node:assert/strict";
import type { SqlValue } from "../../../app/src/db/database";
import {
  conversations,
  exams,
  filings,
  filingTransitions,
  messages,
  orderItems,
  patients,
  products,
  taxComputations,
} from "../../../app/src/db/domain-tables";
import { createId } from "../../../app/src/db/id";
import { orders, users, type TableDefinition } from "../../../app/src/db/tables";
import { TenantScope } from "../../../app/src/db/tenant";
import { documents } from "../../../app/src/documents/tables";
import { OPERATIONS } from "../../../app/src/http/openapi/operations";
import { companyJobs } from "../../../app/src/jobs/tables";
import { ADMIN_TOKEN, TestApp } from "../http/support";
import { newPatient } from "./support";

const COPIES = 99;

/** Queries a GET may take: who asks, the page (or the row) and the count. */
const USUAL = 3;

/** Those that take more, with what for. */
const MOST: Readonly<Record<string, number>> = {
  // The queue is asked about the jobs that are open.
  "/api/jobs": USUAL + 1,
  // Whose conversation it is.
  "/api/chat/conversations/{id}/messages": USUAL + 1,
  // Six parts of one page, one of them with the plan.
  "/api/dashboard": USUAL + 4,
};

/** Neither a list nor a row: reports of machines and of companies' figures, which have tests of their own. */
const isLeftOut = (path: string): boolean => !path.startsWith("/api/") || /^\/api\/(?:health|admin\/(?:metrics|console))\b/.test(path);

const PATHS = OPERATIONS.filter(({ method, path }) => method === "get" && !isLeftOut(path)).map(({ path }) => path);

describe("D9 queries of every list and single row", function () {
  this.timeout(60_000);
  let app: TestApp;
  let token: string;
  let scope: TenantScope;
  /** What `{id}` stands for, by the path in front of it. */
  const ids: Record<string, string> = {};
  const statements: string[] = [];

  before(async () => {
    // Every answer is made anew; nothing runs beside the requests.
    app = await TestApp.start({ CACHE_MAX_ENTRIES: "0", ROLE: "web", COMPANY_METRICS_FLUSH_MS: "600000" });
    const company = await app.signUp();
    token = company.token;
    scope = new TenantScope(app.container.database, company.companyId);
    const create = async (path: string, json: unknown, status = 201): Promise<string> => {
      const answer = await app.request<{ id: string }>("POST", path, { token, json });
      assert.equal(answer.status, status, `${path}: ${answer.text}`);
      ids[path] ??= answer.body.id;
      return answer.body.id;
    };
    ids["/api/users"] = company.userId;
    for (const path of ["quotas", "cache"]) ids[`/api/admin/${path}`] = company.companyId;
    ids["/api/admin/queues"] = "tax-computation";
    const patientId = await create("/api/patients", newPatient());
    const productId = await create("/api/products", { sku: "S", name: "P", category: "lens", priceCents: 5 });
    await create("/api/exams", { patientId, kind: "fundus", scheduledAt: "2999-01-01T00:00:00Z" });
    await create("/api/orders", { customerName: "A", items: [{ productId, quantity: 1 }] });
    const income = { taxYear: 2025, filingStatus: "single", grossIncomeCents: 9_000_000 };
    const computationId = await create("/api/tax/computations", income);
    const filing = await create("/api/filings", { taxpayerName: "A", taxYear: 2025, dueOn: "2026-04-15", computationId });
    await create(`/api/filings/${filing}/transitions`, { to: "submitted" }, 200);
    const conversation = await create("/api/chat/conversations", {});
    await create(`/api/chat/conversations/${conversation}/messages`, { content: "Hello" });
    ids["/api/jobs"] = await create("/api/jobs/tax-computations", { ...income, delayMs: 3_600_000 }, 202);
    const upload = await app.request<{ document: { id: string } }>("POST", "/api/documents?name=note.txt", {
      token,
      raw: "Hello, document.",
      headers: { "Content-Type": "text/plain" },
    });
    assert.equal(upload.status, 201, upload.text);
    ids["/api/documents"] = upload.body.document.id;
    await scope.table(documents).update(upload.body.document.id, { textStatus: "extracted", extractedText: "Hello" });
    await app.container.database.run("UPDATE queued_jobs SET state = 'failed' WHERE queue = 'tax-computation'");
    record();
  });
  after(() => app.remove());

  /** From now on every statement outside of transactions is noted. */
  function record(): void {
    const { database } = app.container;
    for (const method of ["all", "get", "run"] as const) {
      const real = database[method].bind(database) as (sql: string, parameters?: readonly SqlValue[]) => Promise<never>;
      database[method] = (sql: string, parameters?: readonly SqlValue[]): Promise<never> => {
        statements.push(sql);
        return real(sql, parameters);
      };
    }
  }

  /** Copies the only row of a table; what has to differ is said by `changes`. */
  async function copy<Row extends { readonly id: string }>(
    table: TableDefinition<Row>,
    changes: (index: number) => Partial<Row> = () => ({}),
  ): Promise<void> {
    const [row] = await scope.table(table).page({ sort: "id", descending: true, limit: 1 });
    assert.ok(row, table.table);
    await scope.table(table).insertAll(Array.from({ length: COPIES }, (_, index) => ({ ...row, id: createId(), ...changes(index + 2) })));
  }

  async function countAll(): Promise<Map<string, number>> {
    const counts = new Map<string, number>();
    for (const path of PATHS) {
      const [before = ""] = path.split("/{");
      const id = ids[before];
      assert.ok(!path.includes("{") || id !== undefined, `${path}: say in this test which row it shows`);
      const page = OPERATIONS.some((operation) => operation.path === path && operation.query?.shape["limit"] !== undefined)
        ? "?limit=50"
        : "";
      statements.length = 0;
      const where = `${path.replace(/\{\w+\}/, id ?? "")}${page}`;
      const { status, text } = await app.request("GET", where, { token: path.startsWith("/api/admin") ? ADMIN_TOKEN : token });
      assert.equal(status, 200, `${where}: ${text}`);
      counts.set(path, statements.length);
      assert.ok(statements.length <= (MOST[path] ?? USUAL), `${path} takes ${statements.length} queries:\n${statements.join("\n")}`);
    }
    return counts;
  }

  it("as many for a hundred rows as for one, and few", async () => {
    const few = await countAll();
    assert.ok(PATHS.length >= 35, "the table of operations is read");
    assert.ok([...few.values()].reduce((sum, count) => sum + count, 0) > PATHS.length, "and the queries are counted");
    const two = (index: number): string => String(index).padStart(4, "0");
    await copy(users, (index) => ({ email: `${index}@copies.example.org` }));
    await copy(patients);
    await copy(products, (index) => ({ sku: `S-${index}` }));
    await copy(exams);
    await copy(orders, (index) => ({ number: index }));
    await copy(orderItems, (index) => ({ position: index }));
    await copy(taxComputations);
    await copy(filings);
    await copy(filingTransitions, (index) => ({ createdAt: `2026-01-01T00:00:00.${two(index).slice(1)}Z` }));
    await copy(conversations);
    await copy(messages, (index) => ({ position: index + 1 }));
    await copy(companyJobs, () => ({ outcome: "open" as const, idempotencyKey: null }));
    await copy(documents);
    const shared = "INSERT INTO queued_jobs (id, queue, state, priority, payload, run_at, max_attempts, created_at)";
    for (const { id } of await scope.table(companyJobs).page({ sort: "id", descending: false, limit: 200 })) {
      await app.container.database.run(`${shared} VALUES (?, 'tax-computation', 'failed', 1, '{}', ?, 1, ?) ON CONFLICT (id) DO NOTHING`, [
        id,
        "2026-01-01T00:00:00.000Z",
        "2026-01-01T00:00:00.000Z",
      ]);
    }
    const many = await countAll();
    assert.deepEqual([...many], [...few]);
    const listed = await app.request<{ items: unknown[] }>("GET", `/api/orders/${ids["/api/orders"] ?? ""}`, { token });
    assert.equal(listed.body.items.length, 1 + COPIES, "the rows are shown");
    for (const path of ["orders", "jobs", "documents", "users", "chat/conversations"]) {
      const { body } = await app.request<{ data: unknown[] }>("GET", `/api/${path}?limit=50`, { token });
      assert.equal(body.data.length, 50, path);
    }
  });
});
