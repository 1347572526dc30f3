import assert from "node:assert/strict";
import { createId } from "../../../app/src/db/id";
import { ActivityLog } from "../../../app/src/events/activity";
import { applyEvent } from "../../../app/src/events/effects";
import { withDatabase } from "../db/support";
import { ADMIN_TOKEN, PASSWORD, TestApp } from "../http/support";
import { orderCreated } from "./support";

interface ActivityPage {
  readonly data: { readonly companyId: string; readonly number: number; readonly type: string; readonly summary: string }[];
  readonly page: { readonly nextCursor: string | null; readonly hasMore: boolean; readonly total?: number };
}

describe("B5 E9 /api/admin/activity", () => {
  let app: TestApp;
  const [companyA, companyB] = [createId(), createId()];

  before(async () => {
    app = await TestApp.start();
    const start = Date.parse("2026-11-21T08:00:00Z");
    for (let number = 1; number <= 5; number++) {
      for (const companyId of [companyA, companyB]) {
        // Both companies' events of a number happen in the same millisecond: their ids tell which comes first.
        const occurredAt = new Date(start + number * 1000).toISOString();
        const event = { id: createId(), companyId, number, occurredAt, ...orderCreated(number) };
        assert.ok(await app.container.database.transaction((transaction) => applyEvent(transaction, event)));
      }
    }
  });
  after(() => app.remove());

  const ask = async (query = ""): Promise<ActivityPage> => {
    const answer = await app.request<ActivityPage>("GET", `/api/admin/activity${query}`, { token: ADMIN_TOKEN });
    assert.equal(answer.status, 200, answer.text);
    return answer.body;
  };

  async function walk(query: string): Promise<string[]> {
    const seen: string[] = [];
    let page = await ask(`?${query}`);
    for (;;) {
      seen.push(...page.data.map(({ companyId, number }) => `${companyId} ${number}`));
      if (page.page.nextCursor === null) return seen;
      assert.ok(page.page.hasMore && seen.length <= 10);
      page = await ask(`?${query}&cursor=${page.page.nextCursor}`);
    }
  }

  it("B5 E9 shows what the events of all companies told, the newest first, or of one company", async () => {
    const all = await ask();
    assert.deepEqual([all.data.length, all.page.total, all.page.nextCursor], [10, 10, null]);
    assert.deepEqual(
      all.data.map(({ number }) => number),
      [5, 5, 4, 4, 3, 3, 2, 2, 1, 1],
    );
    assert.deepEqual([all.data[0]?.type, all.data[0]?.summary], ["order.created", "Order 5 of Customer was created."]);
    const one = await ask(`?companyId=${companyA}&sort=occurredAt`);
    assert.deepEqual(
      one.data.map(({ companyId, number }) => [companyId, number]),
      [1, 2, 3, 4, 5].map((number) => [companyA, number]),
    );
    assert.equal(one.page.total, 5);
    assert.deepEqual((await ask(`?companyId=${createId()}`)).data, []);
  });

  it("E5 by cursor every line comes once, also where times are equal, in both directions and of one company", async () => {
    for (const [query, count] of [
      ["limit=3", 10],
      ["limit=3&sort=occurredAt", 10],
      [`limit=2&companyId=${companyB}`, 5],
    ] as const) {
      const seen = await walk(query);
      assert.deepEqual([seen.length, new Set(seen).size], [count, count], query);
    }
  });

  it("E9 is for operators: by the admin token or as one of the platform's admins, and for nobody else", async () => {
    const { token } = await app.signUp();
    await app.refusal(403, "GET", "/api/admin/activity", { token });
    await app.refusal(401, "GET", "/api/admin/activity");
    for (const query of ["?limit=0", "?cursor=x", "?sort=summary", "?companyId=x", "?type=y"]) {
      await app.refusal(400, "GET", `/api/admin/activity${query}`, { token: ADMIN_TOKEN });
    }
    const operator = { email: "operator@example.org", name: "Operator", password: PASSWORD };
    await app.request("POST", "/api/admin/platform-admins", { token: ADMIN_TOKEN, json: operator });
    const { email, password } = operator;
    const login = await app.request<{ token: string }>("POST", "/api/auth/login", { json: { email, password } });
    assert.equal((await app.request("GET", "/api/admin/activity", { token: login.body.token })).status, 200);
  });

  it("D10 is read by an index, in order, whatever it is asked", () =>
    withDatabase(async (database) => {
      const log = new ActivityLog(database);
      for (const where of [{}, { companyId: "x" }]) {
        for (const after of [undefined, { value: "2026", id: "y" }]) {
          for (const descending of [false, true]) {
            const query = { where, sort: "occurredAt", descending, limit: 10, ...(after !== undefined && { after }) } as const;
            const { sql, values } = log.pageStatement(query);
            const plan = await database.all<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`, values);
            const text = plan.map(({ detail }) => detail).join("; ");
            assert.match(text, /USING INDEX company_activity_(age|occurred)/);
            assert.doesNotMatch(text, /TEMP B-TREE/);
          }
        }
      }
    }));
});
