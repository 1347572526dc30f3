import assert from "node:assert/strict";
import fc from "fast-check";
import type { Database } from "../../../app/src/db/database";
import { createId } from "../../../app/src/db/id";
import { companies, ORDER_STATUSES, orders, sessions, users, type OrderRow } from "../../../app/src/db/tables";
import { TenantScope } from "../../../app/src/db/tenant";
import { ORDER_LIST } from "../../../app/src/orders/orders";
import { USER_LIST } from "../../../app/src/users/users";
import { withDatabase } from "./support";

const NOW = "2026-11-21T00:00:00.000Z";
const times = { createdAt: NOW, updatedAt: NOW };

interface Tenant {
  readonly scope: TenantScope;
  readonly userId: string;
}

async function createTenant(database: Database): Promise<Tenant> {
  const scope = new TenantScope(database, createId());
  const userId = createId();
  await scope.transaction(async (inside) => {
    await inside.table(companies).insert({ id: scope.companyId, name: "C", plan: "FREE", lastOrderNumber: 0, ...times });
    const user = {
      id: userId,
      email: `${userId}@example.org`,
      name: "U",
      role: "admin",
      status: "active",
      passwordHash: "x",
      ...times,
    } as const;
    await inside.table(users).insert(user);
  });
  return { scope, userId };
}

let number = 0;
function order(tenant: Tenant, changes: Partial<OrderRow> = {}): OrderRow {
  const row = {
    id: createId(),
    number: ++number,
    customerName: "B",
    status: "pending",
    totalCents: 1,
    currency: "EUR",
    notes: "",
    version: 1,
  } as const;
  return { ...row, createdBy: tenant.userId, ...times, ...changes };
}

describe("tenant isolation", () => {
  it("whatever company A does with any id, company B's rows are neither shown nor changed (property)", function () {
    this.timeout(20_000);
    return withDatabase(async (database) => {
      const [a, b] = [await createTenant(database), await createTenant(database)];
      const theirs = order(b);
      await b.scope.table(orders).insert(theirs);
      await b.scope.table(sessions).insert({ id: "theirs", userId: b.userId, createdAt: NOW, expiresAt: NOW });
      const everythingOfB = async (): Promise<string> => {
        const rows = await Promise.all(
          ["companies WHERE id", "users WHERE company_id", "orders WHERE company_id", "sessions WHERE company_id"].map((part) =>
            database.all(`SELECT * FROM ${part} = ? ORDER BY 1`, [b.scope.companyId]),
          ),
        );
        return JSON.stringify(rows);
      };
      const before = await everythingOfB();

      const id = fc.constantFrom(theirs.id, b.userId, b.scope.companyId, "theirs", a.userId, "' OR 1=1 --");
      const table = fc.constantFrom(orders, users, companies, sessions);
      const text = fc.oneof(fc.string(), fc.constant("' OR company_id <> '"));
      const action = fc.oneof(
        fc.record({ kind: fc.constant("find" as const), table, id }),
        fc.record({ kind: fc.constant("update" as const), table, id }),
        fc.record({ kind: fc.constant("delete" as const), table, id }),
        fc.record({ kind: fc.constant("increment" as const), id }),
        fc.record({ kind: fc.constant("list" as const), value: text, after: id }),
        fc.record({ kind: fc.constant("insert" as const), value: text }),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 8 }), async (actions) => {
          for (const step of actions) {
            if (step.kind === "find") {
              const found = await a.scope.table<{ id: string }>(step.table).find(step.id);
              assert.ok(found === undefined || found.id === a.userId);
            } else if (step.kind === "update") {
              const changes = step.table === sessions ? { createdAt: "stolen" } : { createdAt: NOW };
              const changed = await a.scope.table<{ id: string; createdAt: string }>(step.table).update(step.id, changes);
              assert.ok(!changed || step.id === a.userId);
            } else if (step.kind === "delete") {
              if (step.table !== users && step.table !== companies) {
                assert.equal(await a.scope.table<{ id: string }>(step.table).delete({ id: step.id }), 0);
              }
            } else if (step.kind === "increment") {
              assert.equal(await a.scope.table(companies).increment(step.id, "lastOrderNumber"), undefined);
            } else if (step.kind === "list") {
              const rows = await a.scope.table(orders).page({
                where: { customerName: step.value },
                sort: "createdAt",
                descending: false,
                limit: 50,
                after: { value: "", id: step.after },
              });
              assert.ok(rows.every(({ createdBy }) => createdBy === a.userId));
              assert.equal(
                (await a.scope.table(orders).page({ sort: "createdAt", descending: true, limit: 500 })).some((row) => row.id === theirs.id),
                false,
              );
            } else {
              await assert.rejects(a.scope.table(orders).insert(order(a, { createdBy: b.userId, notes: step.value })), /foreign-key/);
              await assert.rejects(a.scope.table(orders).insert(order(a, { id: theirs.id })), /unique/);
            }
          }
          assert.equal(await everythingOfB(), before);
        }),
        { numRuns: 200 },
      );
    });
  });

  it("refuses rows for another company, changes of ownership, unknown properties and unlimited deletes", () =>
    withDatabase(async (database) => {
      const [a, b] = [await createTenant(database), await createTenant(database)];
      assert.throws(() => new TenantScope(database, ""), /needs a company id/);
      await assert.rejects(a.scope.table(companies).insert({ id: b.scope.companyId, name: "X" }), /only be inserted by its own company/);
      await assert.rejects(a.scope.table(companies).update(a.scope.companyId, { id: b.scope.companyId }), /never change/);
      await assert.rejects(a.scope.table(users).update(a.userId, { companyId: b.scope.companyId } as object), /no property "companyId"/);
      await assert.rejects(a.scope.table(orders).update("x", { "notes = 1; --": 1 } as object), /no property/);
      assert.throws(
        () => a.scope.table(orders).page({ sort: "constructor" as "id", descending: false, limit: 1 }),
        /no property "constructor"/,
      );
      assert.throws(() => a.scope.table(orders).delete({}), /not offered/);
    }));

  it("changes a row only as long as it is what the caller saw", () =>
    withDatabase(async (database) => {
      const a = await createTenant(database);
      const row = order(a);
      await a.scope.table(orders).insert(row);
      assert.equal(await a.scope.table(orders).update(row.id, { status: "confirmed" }, { status: "pending" }), true);
      assert.equal(await a.scope.table(orders).update(row.id, { status: "cancelled" }, { status: "pending" }), false);
      assert.equal((await a.scope.table(orders).find(row.id))?.status, "confirmed");
    }));
});

describe("D10 query plans", () => {
  interface PlanRow {
    readonly detail: string;
  }

  it("every list, with every sort and filter, reads one range of an index: no scan, no sort", () =>
    withDatabase(async (database) => {
      const { scope } = await createTenant(database);
      const plan = async ({ sql, values }: { sql: string; values: (string | number | null)[] }): Promise<string> =>
        (await database.all<PlanRow>(`EXPLAIN QUERY PLAN ${sql}`, values)).map(({ detail }) => detail).join("; ");
      let plans = 0;
      const check = async (statement: { sql: string; values: (string | number | null)[] }): Promise<void> => {
        const text = await plan(statement);
        const range = statement.sql.includes(" status = ?") ? /INDEX \w+ \(company_id=\? AND status=\?/ : /INDEX \w+ \(company_id=\?/;
        assert.match(text, range, statement.sql);
        assert.doesNotMatch(text, /SCAN (users|orders)|TEMP B-TREE/, statement.sql);
        plans += 1;
      };
      const after = { value: NOW, id: "x" };
      for (const descending of [false, true]) {
        for (const sort of ORDER_LIST.sorts) {
          for (const where of [{}, ...ORDER_STATUSES.map((status) => ({ status }))]) {
            await check(scope.table(orders).pageStatement({ where, sort, descending, limit: 10 }));
            await check(scope.table(orders).pageStatement({ where, sort, descending, limit: 10, after }));
            await check(scope.table(orders).countStatement(where, 10));
          }
        }
        for (const sort of USER_LIST.sorts) {
          for (const where of [{}, { status: "active" } as const]) {
            await check(scope.table(users).pageStatement({ where, sort, descending, limit: 10, after }));
            await check(scope.table(users).countStatement(where, 10));
          }
        }
      }
      assert.ok(plans > 100);
      const cursor = await plan(scope.table(orders).pageStatement({ sort: "createdAt", descending: true, limit: 10, after }));
      assert.match(
        cursor,
        /company_id=\? AND \(created_at,id\)<\(\?,\?\)|company_id=\? AND created_at<\?/,
        "the cursor is part of the range",
      );
    }));

  it("logging in and looking up a session use an index too", () =>
    withDatabase(async (database) => {
      for (const sql of [
        "SELECT id FROM users WHERE email = ?",
        "SELECT u.role FROM sessions s JOIN users u ON u.company_id = s.company_id AND u.id = s.user_id WHERE s.id_hash = ? AND s.expires_at > '2026'",
        "SELECT id_hash FROM sessions WHERE expires_at <= ? ORDER BY expires_at LIMIT 20",
      ]) {
        const details = (await database.all<PlanRow>(`EXPLAIN QUERY PLAN ${sql}`, ["x"])).map(({ detail }) => detail);
        assert.ok(
          details.every((detail) => detail.startsWith("SEARCH")),
          details.join("; "),
        );
      }
    }));
});

describe("ids", () => {
  it("are UUIDs of version 7 that grow with time", () => {
    const ids = [createId(1_000), createId(2_000), createId(3_000_000_000_000)];
    for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.deepEqual([...ids].sort(), ids);
    assert.equal(new Set(Array.from({ length: 1000 }, () => createId(1))).size, 1000);
  });
});
