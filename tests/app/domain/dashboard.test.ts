import assert from "node:assert/strict";
import type { SqlValue } from "../../../app/src/db/database";
import { createId } from "../../../app/src/db/id";
import { orders } from "../../../app/src/db/tables";
import { TenantScope } from "../../../app/src/db/tenant";
import { loadDashboard, type Dashboard } from "../../../app/src/dashboard/dashboard";
import { TestApp } from "../http/support";
import { newPatient } from "./support";

describe("E2 D9 dashboard", function () {
  this.timeout(20_000);
  let app: TestApp;
  before(async () => (app = await TestApp.start()));
  after(() => app.remove());

  const dashboard = async (token: string): Promise<Dashboard> => {
    const { status, body, text } = await app.request<Dashboard>("GET", "/api/dashboard", { token });
    assert.equal(status, 200, text);
    return body;
  };

  it("sums up one company, from the cache, and never what was before a change", async () => {
    const { token } = await app.signUp();
    const { token: other } = await app.signUp();
    await app.request("POST", "/api/orders", { token: other, json: { customerName: "X", totalCents: 999 } });
    const empty = await dashboard(token);
    assert.deepEqual(empty.totals, { users: 1, patients: 0, orders: 0, products: 0, exams: 0 });
    assert.deepEqual([empty.orders.byStatus, empty.orders.latest, empty.plan, empty.orders.complete], [[], [], "FREE", true]);

    for (const [totalCents, currency] of [
      [100, "EUR"],
      [250, "EUR"],
      [7, "USD"],
    ] as const) {
      await app.request("POST", "/api/orders", { token, json: { customerName: "A", totalCents, currency } });
      // A cached answer in between must not hide the next order.
      await dashboard(token);
    }
    const patient = await app.request<{ id: string }>("POST", "/api/patients", { token, json: newPatient() });
    for (const scheduledAt of ["2999-01-02T00:00:00Z", "2999-01-01T00:00:00Z", "2001-01-01T00:00:00Z"]) {
      await app.request("POST", "/api/exams", { token, json: { patientId: patient.body.id, kind: "fundus", scheduledAt } });
    }
    await app.request("POST", "/api/filings", { token, json: { taxpayerName: "A", taxYear: 2025, dueOn: "2026-04-15" } });
    const full = await dashboard(token);
    assert.deepEqual(full.totals, { users: 1, patients: 1, orders: 3, products: 0, exams: 3 });
    assert.deepEqual(full.orders.byStatus, [
      { status: "pending", currency: "EUR", count: 2, totalCents: 350 },
      { status: "pending", currency: "USD", count: 1, totalCents: 7 },
    ]);
    assert.deepEqual(
      full.orders.latest.map(({ totalCents }) => totalCents),
      [7, 250, 100],
    );
    assert.deepEqual(full.filings.byStatus, [{ status: "draft", count: 1 }]);
    assert.deepEqual(
      full.exams.next.map(({ scheduledAt }) => scheduledAt),
      ["2999-01-01T00:00:00.000Z", "2999-01-02T00:00:00.000Z"],
      "the next ones, not those that were",
    );
    assert.equal((await dashboard(token)).generatedAt, full.generatedAt, "nothing changed: the same answer");
  });

  it("takes the same number of queries for a company without rows and one with thousands", async () => {
    const { companyId, userId } = await app.signUp();
    const { database } = app.container;
    const counted = async (): Promise<number> => {
      let queries = 0;
      const count = <Result>(work: (sql: string, values?: readonly SqlValue[]) => Promise<Result>) => {
        return (sql: string, values?: readonly SqlValue[]): Promise<Result> => {
          queries += 1;
          return work(sql, values);
        };
      };
      const counting = {
        all: count((sql, values) => database.all(sql, values)),
        get: count((sql, values) => database.get(sql, values)),
        run: count((sql, values) => database.run(sql, values)),
      };
      await loadDashboard(new TenantScope(database, companyId, counting as typeof database));
      return queries;
    };
    const before = await counted();
    assert.ok(before >= 4 && before <= 6, `${before}`);
    await new TenantScope(database, companyId).transaction(async (scope) => {
      const now = new Date().toISOString();
      for (let batch = 0; batch < 30; batch++) {
        const rows = Array.from({ length: 100 }, (_, index) => ({
          id: createId(),
          number: batch * 100 + index + 1,
          customerName: "C",
          status: "pending" as const,
          totalCents: 1,
          currency: "EUR",
          notes: "",
          version: 1,
          createdBy: userId,
          createdAt: now,
          updatedAt: now,
        }));
        await scope.table(orders).insertAll(rows);
      }
    });
    assert.equal(await counted(), before);
  });
});
