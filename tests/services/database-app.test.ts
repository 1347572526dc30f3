import assert from "node:assert/strict";
import { PASSWORD, TestApp } from "../app/http/support";
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

describe("C1 D4 the app on Postgres", function () {
  this.timeout(120_000);
  let postgres: PostgresGroup;
  let app: TestApp;
  before(async () => {
    postgres = await startPostgres();
    app = await TestApp.start({ DATABASE_URL: postgres.url });
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
    await app.run({ DATABASE_URL: postgres.url });
    const { body } = await app.request<{ phase: string; database: { kind: string; status: string } }>("GET", "/health");
    assert.deepEqual([body.phase, body.database.kind, body.database.status], ["database", "postgres", "up"]);
    assert.ok(app.log.every((line) => Number(line["level"]) < 50));
  });
});
