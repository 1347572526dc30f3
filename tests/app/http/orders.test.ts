import assert from "node:assert/strict";
import fc from "fast-check";
import { NEXT_STATUSES } from "../../../app/src/orders/orders";
import { ORDER_STATUSES } from "../../../app/src/db/tables";
import { TestApp } from "./support";

interface Order {
  readonly id: string;
  readonly number: number;
  readonly status: string;
  readonly totalCents: number;
  readonly updatedAt: string;
}

describe("API: orders", () => {
  let app: TestApp;
  let token: string;
  before(async () => {
    app = await TestApp.start();
    ({ token } = await app.signUp());
  });
  after(() => app.remove());

  const create = async (json: object = {}): Promise<Order> => {
    const answer = await app.request<Order>("POST", "/api/orders", { token, json: { customerName: "Bob", totalCents: 4990, ...json } });
    assert.equal(answer.status, 201, answer.text);
    return answer.body;
  };

  it("creates, shows, lists, moves and deletes an order", async () => {
    const created = await app.request<Order>("POST", "/api/orders", {
      token,
      json: { customerName: "  Łukasz ' OR 1=1 --  ", totalCents: 4990, currency: "PLN", notes: "two\nlines" },
    });
    assert.equal(created.status, 201);
    const path = created.headers.get("location") ?? "";
    assert.equal(path, `/api/orders/${created.body.id}`);
    const shown = await app.request<Order & { customerName: string; currency: string }>("GET", path, { token });
    assert.deepEqual(shown.body, created.body);
    assert.equal(shown.body.customerName, "Łukasz ' OR 1=1 --");
    assert.equal(shown.body.currency, "PLN");
    assert.equal(shown.body.status, "pending");

    const moved = await app.request<Order>("PATCH", path, { token, json: { status: "confirmed" } });
    assert.equal(moved.body.status, "confirmed");
    assert.ok(moved.body.updatedAt >= created.body.updatedAt);
    const listed = await app.request<{ data: Order[] }>("GET", "/api/orders?status=confirmed", { token });
    assert.deepEqual(
      listed.body.data.map(({ id }) => id),
      [created.body.id],
    );
    assert.equal((await app.request("DELETE", path, { token })).status, 204);
    await app.refusal(404, "GET", path, { token });
    await app.refusal(404, "DELETE", path, { token });
    await app.refusal(404, "PATCH", path, { token, json: { status: "shipped" } });
  });

  it("numbers the orders of a company without gaps, also when they come at the same time", async () => {
    const other = await app.signUp();
    const bodies = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        app.request<Order>("POST", "/api/orders", { token: other.token, json: { customerName: `C${index}`, totalCents: index } }),
      ),
    );
    const numbers = bodies.map(({ body }) => body.number).sort((one, two) => one - two);
    assert.deepEqual(
      numbers,
      Array.from({ length: 40 }, (_, index) => index + 1),
    );
  });

  it("allows exactly the documented changes of status", async () => {
    for (const from of ORDER_STATUSES) {
      for (const to of ORDER_STATUSES) {
        const order = await create();
        await app.container.database.run("UPDATE orders SET status = ? WHERE id = ?", [from, order.id]);
        const answer = await app.request("PATCH", `/api/orders/${order.id}`, { token, json: { status: to } });
        const allowed = from === to || NEXT_STATUSES[from].includes(to);
        assert.equal(answer.status, allowed ? 200 : 409, `${from} → ${to}`);
      }
    }
  });

  it("lets only admins delete", async () => {
    const order = await create();
    const user = await app.addUser(token);
    assert.equal((await app.request("GET", `/api/orders/${order.id}`, { token: user.token })).status, 200);
    await app.refusal(403, "DELETE", `/api/orders/${order.id}`, { token: user.token });
  });

  it("does not exist for other companies", async () => {
    const order = await create();
    const other = await app.signUp();
    const path = `/api/orders/${order.id}`;
    await app.refusal(404, "GET", path, { token: other.token });
    await app.refusal(404, "PATCH", path, { token: other.token, json: { status: "cancelled" } });
    await app.refusal(404, "DELETE", path, { token: other.token });
    const list = await app.request<{ data: unknown[] }>("GET", "/api/orders", { token: other.token });
    assert.deepEqual(list.body.data, []);
    assert.deepEqual((await app.request<Order>("GET", path, { token })).body, order);
  });

  it("refuses whatever is not an order, and never answers 500 (property)", async () => {
    const weird = fc.oneof(fc.jsonValue(), fc.string({ unit: "binary" }), fc.double());
    await fc.assert(
      fc.asyncProperty(
        fc.record({ customerName: weird, totalCents: weird, currency: weird, notes: weird }, { requiredKeys: [] }),
        async (json) => {
          const answer = await app.request("POST", "/api/orders", { token, json });
          assert.ok(answer.status === 201 || answer.status === 400, `${answer.status} for ${JSON.stringify(json)}`);
        },
      ),
      { numRuns: 100 },
    );
  });

  it("names the field, the value and what is allowed", async () => {
    const problem = await app.refusal(400, "POST", "/api/orders", {
      token,
      json: { customerName: "Bob", totalCents: 1.5, currency: "euro" },
    });
    assert.deepEqual(problem.errors, [
      { field: "totalCents", value: "1.5", allowed: "a whole number from 0 to 1000000000000" },
      { field: "currency", value: "euro", allowed: "three capital letters (ISO 4217), such as EUR" },
    ]);
    const status = await app.refusal(400, "PATCH", `/api/orders/${(await create()).id}`, { token, json: { status: "lost" } });
    assert.match(status.detail, /status "lost" must be one of pending, confirmed, shipped, delivered, cancelled/);
    for (const json of [[], null, 7, "text"]) await app.refusal(400, "POST", "/api/orders", { token, json });
    for (const id of ["nope", "%00", "1;DROP TABLE orders", "../users"]) {
      await app.refusal(404, "GET", `/api/orders/${encodeURIComponent(id)}`, { token });
    }
  });
});
