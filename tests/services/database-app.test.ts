import assert from "node:assert/strict";
import { createId } from "../../app/src/db/id";
import { applyEvent } from "../../app/src/events/effects";
import { orderCreated } from "../app/events/support";
import { ADMIN_TOKEN, PASSWORD, TestApp } from "../app/http/support";
import { startPostgres, type PostgresGroup } from "../support/services/postgres";

interface Order {
  readonly id: string;
  readonly number: number;
  readonly status: string;
}

interface List {
  readonly data: Order[];
  readonly page: { readonly hasMore: boolean; readonly nextCursor: string | null; readonly total?: number };
}

interface ActivityPage {
  readonly data: { readonly number: number }[];
  readonly page: { readonly nextCursor: string | null };
}

describe("C1 D4 the app on Postgres", function () {
  this.timeout(120_000);
  let postgres: PostgresGroup;
  let app: TestApp;
  before(async () => {
    postgres = await startPostgres();
    app = await TestApp.start(postgres.environment);
  });
  after(async () => {
    await app.remove();
    await postgres.remove();
  });

  it("signs up, logs in, orders, pages, and logs out as on SQLite", async () => {
    const email = "owner@example.org";
    const { token, userId } = await app.signUp(email);
    const login = await app.request<{ token: string; user: { id: string } }>("POST", "/api/auth/login", {
      json: { email, password: PASSWORD },
    });
    assert.deepEqual([login.status, login.body.user.id], [200, userId]);
    const again = await app.refusal(409, "POST", "/api/auth/signup", {
      json: { companyName: "Other", name: "Other", email, password: PASSWORD },
    });
    assert.equal(again.errors?.[0]?.field, "email", "the column of a unique index is known here too");

    const created = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        app.request<Order>("POST", "/api/orders", { token, json: { customerName: `Ł ${index}`, totalCents: index % 7 } }),
      ),
    );
    assert.deepEqual([...new Set(created.map(({ status }) => status))], [201], created.find(({ status }) => status !== 201)?.text);
    const numbers = created.map(({ body }) => body.number).sort((one, two) => one - two);
    assert.deepEqual(
      numbers,
      Array.from({ length: 40 }, (_, index) => index + 1),
      "concurrent orders get numbers without gaps and without doubles",
    );

    for (const sort of ["createdAt", "-createdAt", "totalCents", "-totalCents"]) {
      const seen = new Set<string>();
      let cursor = "";
      do {
        const { status, body, text } = await app.request<List>("GET", `/api/orders?limit=7&sort=${sort}${cursor}`, { token });
        assert.equal(status, 200, text);
        for (const { id } of body.data) seen.add(id);
        cursor = body.page.nextCursor === null ? "" : `&cursor=${encodeURIComponent(body.page.nextCursor)}`;
      } while (cursor !== "");
      assert.equal(seen.size, 40, sort);
    }
    const page = await app.request<List>("GET", "/api/orders?limit=5&offset=37&status=pending", { token });
    assert.deepEqual([page.body.data.length, page.body.page.total, page.body.page.hasMore], [3, 40, false]);

    assert.equal((await app.request("POST", "/api/auth/logout", { token })).status, 204);
    assert.equal((await app.request("GET", "/api/orders", { token })).status, 401);
  });

  it("keeps companies apart, and refuses text where a number belongs without an error of its own", async () => {
    const [one, two] = [await app.signUp(), await app.signUp()];
    const order = await app.request<Order>("POST", "/api/orders", { token: one.token, json: { customerName: "A", totalCents: 1 } });
    await app.refusal(404, "GET", `/api/orders/${order.body.id}`, { token: two.token });
    const cursor = Buffer.from(JSON.stringify({ sort: "totalCents", value: "many", id: "x" })).toString("base64url");
    await app.refusal(400, "GET", `/api/orders?sort=totalCents&cursor=${cursor}`, { token: one.token });
  });

  it("starts again on a schema that is there, and tells what it runs on", async () => {
    await app.stop();
    await app.run(postgres.environment);
    const { body } = await app.request<{ phase: string; database: { kind: string; status: string } }>("GET", "/health");
    assert.deepEqual([body.phase, body.database.kind, body.database.status], ["database", "postgres", "up"]);
    assert.ok(app.log.every((line) => Number(line["level"]) < 50));
  });

  it("If-Match: of several who have seen the same company or user, on connections of their own, one changes it", async () => {
    const { token } = await app.signUp();
    const { userId } = await app.addUser(token);
    for (const where of ["/api/company", `/api/users/${userId}`]) {
      const seen = (await app.request("GET", where, { token })).headers.get("etag") ?? "";
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, n) =>
          app.request("PATCH", where, { token, json: { name: `Name ${n}` }, headers: { "If-Match": seen } }),
        ),
      );
      assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 412, 412, 412, 412, 412, 412, 412], where);
      const changed = answers.find(({ status }) => status === 200);
      const shown = await app.request("GET", where, { token });
      assert.deepEqual([shown.body, shown.headers.get("etag")], [changed?.body, changed?.headers.get("etag")]);
    }
  });

  it("E9 the activity log of operators, in pages by cursor", async () => {
    const companyId = createId();
    for (let number = 1; number <= 5; number++) {
      const event = { id: createId(), companyId, number, occurredAt: new Date().toISOString(), ...orderCreated(number) };
      assert.ok(await app.container.database.transaction((transaction) => applyEvent(transaction, event)));
    }
    const numbers: number[] = [];
    for (let cursor = ""; ;) {
      const where = `/api/admin/activity?companyId=${companyId}&limit=2&sort=occurredAt${cursor}`;
      const { status, body, text } = await app.request<ActivityPage>("GET", where, { token: ADMIN_TOKEN });
      assert.equal(status, 200, text);
      numbers.push(...body.data.map(({ number }) => number));
      if (body.page.nextCursor === null) break;
      cursor = `&cursor=${body.page.nextCursor}`;
    }
    assert.deepEqual(
      numbers.sort((one, two) => one - two),
      [1, 2, 3, 4, 5],
    );
  });
});
