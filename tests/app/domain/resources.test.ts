import assert from "node:assert/strict";
import { EXAM_STATUSES } from "../../../app/src/db/domain-tables";
import { NEXT_EXAM_STATUSES } from "../../../app/src/exams/exams";
import type { OrderDetail } from "../../../app/src/orders/orders";
import { TestApp, type Answer } from "../http/support";
import { newPatient } from "./support";

interface Row {
  readonly id: string;
  readonly version: number;
  readonly status: string;
}

/** What is sent to create one of each, and to change it. */
const RESOURCES = {
  patients: { create: newPatient(), change: { notes: "changed" } },
  products: { create: { sku: "SKU-1", name: "Frame", category: "frame", priceCents: 12_900 }, change: { name: "Other frame" } },
  orders: { create: { customerName: "Bob", totalCents: 100 }, change: { notes: "changed" } },
  filings: { create: { taxpayerName: "Ada", taxYear: 2025, dueOn: "2026-04-15" }, change: { dueOn: "2026-10-15" } },
} as const;

describe("E5 E6 domain: rows of a company", function () {
  this.timeout(30_000);
  let app: TestApp;
  let token: string;
  before(async () => {
    app = await TestApp.start();
    ({ token } = await app.signUp());
  });
  after(() => app.remove());

  const post = async <Body = Row>(where: string, json: object, by = token): Promise<Body> => {
    const answer = await app.request<Body>("POST", where, { token: by, json });
    assert.ok(answer.status === 201 || answer.status === 200, `${where}: ${answer.text}`);
    return answer.body;
  };

  for (const [name, { create, change }] of Object.entries(RESOURCES)) {
    it(`${name}: If-Match lets only those change a row who have seen its latest version`, async () => {
      const { token: own } = await app.signUp();
      const created = await app.request<Row>("POST", `/api/${name}`, { token: own, json: create });
      assert.equal(created.status, 201, created.text);
      assert.deepEqual([created.headers.get("etag"), created.body.version], ['"1"', 1]);
      const where = `/api/${name}/${created.body.id}`;
      const patch = (tag: string | undefined): Promise<Answer<Row>> =>
        app.request<Row>("PATCH", where, { token: own, json: change, ...(tag !== undefined && { headers: { "If-Match": tag } }) });
      const answers = await Promise.all([patch('"1"'), patch('"1"'), patch('"1"')]);
      assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 412, 412], "of several who saw the same version one succeeds");
      assert.equal((await app.request("GET", where, { token: own })).headers.get("etag"), '"2"');
      const refused = await app.refusal(412, "PATCH", where, { token: own, json: change, headers: { "If-Match": '"1"' } });
      assert.match(refused.detail, /is at version 2, not 1; read it again/);
      assert.deepEqual([(await patch('W/"2"')).status, (await patch("*")).status, (await patch(undefined)).status], [200, 200, 200]);
      for (const tag of ["2", '"x"', '"1", "2"', '""']) {
        const problem = await app.refusal(400, "PATCH", where, { token: own, json: change, headers: { "If-Match": tag } });
        assert.equal(problem.errors?.[0]?.field, "If-Match");
      }
      assert.equal((await app.request<Row>("GET", where, { token: own })).body.version, 5);
    });

    it(`${name}: does not exist for other companies, and only admins delete`, async () => {
      const [mine, theirs] = [await app.signUp(), await app.signUp()];
      const row = await post(`/api/${name}`, create, mine.token);
      const where = `/api/${name}/${row.id}`;
      await app.refusal(404, "GET", where, { token: theirs.token });
      await app.refusal(404, "PATCH", where, { token: theirs.token, json: change });
      await app.refusal(404, "DELETE", where, { token: theirs.token });
      assert.deepEqual((await app.request<{ data: unknown[] }>("GET", `/api/${name}`, { token: theirs.token })).body.data, []);
      const user = await app.addUser(mine.token);
      assert.equal((await app.request("PATCH", where, { token: user.token, json: change })).status, 200);
      await app.refusal(403, "DELETE", where, { token: user.token });
      assert.equal((await app.request("DELETE", where, { token: mine.token })).status, 204);
      await app.refusal(404, "GET", where, { token: mine.token });
    });

    it(`${name}: refuses unknown fields, prototype pollution and wrong types, naming the field`, async () => {
      const body = JSON.stringify(create).slice(0, -1);
      for (const key of ["__proto__", "constructor", "prototype", "companyId", "id", "version", "createdBy", "toString"]) {
        const raw = `${body},${JSON.stringify(key)}:{"admin":true}}`;
        const problem = await app.refusal(400, "POST", `/api/${name}`, { token, raw, headers: { "Content-Type": "application/json" } });
        assert.equal(problem.errors?.[0]?.field, key);
        assert.match(problem.errors[0].allowed, /^only the fields /);
        assert.equal(({} as Record<string, unknown>)["admin"], undefined);
      }
      for (const field of Object.keys(create)) {
        for (const value of [null, {}, [], true, { $gt: "" }]) {
          const problem = await app.refusal(400, "POST", `/api/${name}`, { token, json: { ...create, [field]: value } });
          assert.ok(
            problem.errors?.some((error) => error.field === field),
            `${field} ${JSON.stringify(value)}: ${problem.detail}`,
          );
        }
      }
      await app.refusal(400, "POST", `/api/${name}`, { token, json: [create] });
    });
  }

  it("orders: prices come from products, are kept, and their number does not change the number of statements", async () => {
    const frame = await post("/api/products", { sku: "F", name: "Frame", category: "frame", priceCents: 10_000 });
    const lens = await post("/api/products", { sku: "L", name: "Lens", category: "lens", priceCents: 2500 });
    const items = [
      { productId: frame.id, quantity: 1 },
      { productId: lens.id, quantity: 2 },
    ];
    const order = await post<OrderDetail>("/api/orders", { customerName: "Bob", items });
    assert.equal(order.totalCents, 15_000);
    await app.request("PATCH", `/api/products/${lens.id}`, { token, json: { priceCents: 9900, name: "Dear lens" } });
    const shown = (await app.request<OrderDetail>("GET", `/api/orders/${order.id}`, { token })).body;
    assert.deepEqual(shown, order, "what was sold stays as it was");
    assert.deepEqual(shown.items[1], { position: 2, productId: lens.id, name: "Lens", unitPriceCents: 2500, quantity: 2 });
    const refused = await app.refusal(409, "DELETE", `/api/products/${lens.id}`, { token });
    assert.match(refused.detail, /orders with this product/);
    assert.equal((await app.request("DELETE", `/api/orders/${order.id}`, { token })).status, 204);
    assert.equal((await app.request("DELETE", `/api/products/${lens.id}`, { token })).status, 204);

    const { database } = app.container;
    const transaction = database.transaction.bind(database);
    const statements: string[] = [];
    database.transaction = (work, options) =>
      transaction(
        (inside) =>
          work({
            all: (sql, parameters) => (statements.push(sql), inside.all(sql, parameters)),
            get: (sql, parameters) => (statements.push(sql), inside.get(sql, parameters)),
            run: (sql, parameters) => (statements.push(sql), inside.run(sql, parameters)),
            script: (sql) => inside.script(sql),
          }),
        options,
      );
    const counts: number[] = [];
    for (const count of [1, 7, 100]) {
      statements.length = 0;
      await post("/api/orders", { customerName: "D9", items: Array.from({ length: count }, () => ({ productId: frame.id, quantity: 1 })) });
      counts.push(statements.length);
    }
    database.transaction = transaction;
    assert.ok(counts[0]! > 3);
    assert.deepEqual(counts, [counts[0], counts[0], counts[0]]);
  });

  it("orders: refuses items that cannot be sold, naming each by its place", async () => {
    const { token: other } = await app.signUp();
    const foreign = await post("/api/products", { sku: "F2", name: "F", category: "frame", priceCents: 1 }, other);
    const dollars = await post("/api/products", { sku: "USD", name: "F", category: "frame", priceCents: 1, currency: "USD" });
    const dear = await post("/api/products", { sku: "DEAR", name: "F", category: "frame", priceCents: 1_000_000_000_000 });
    const cases: [object, string, RegExp][] = [
      [{ items: [{ productId: foreign.id, quantity: 1 }] }, "items[0].productId", /a product of the company/],
      [{ items: [{ productId: dollars.id, quantity: 1 }] }, "items[0].productId", /priced in EUR/],
      [{ items: [{ productId: dear.id, quantity: 2 }] }, "items", /at most 1000000000000 cents/],
      [{ items: [{ productId: dear.id, quantity: 0 }] }, "items[0].quantity", /from 1 to 1000/],
      [{ items: [{ productId: "x", quantity: 1 }] }, "items[0].productId", /an id/],
      [{ items: [{ productId: dear.id, quantity: 1, price: 1 }] }, "items[0].price", /only the fields productId, quantity/],
      [{ items: [] }, "items", /1 to 100 items/],
      [{}, "totalCents", /given when there are no items/],
      [{ totalCents: 1, items: [{ productId: dear.id, quantity: 1 }] }, "totalCents", /and only then/],
    ];
    for (const [json, field, allowed] of cases) {
      const problem = await app.refusal(400, "POST", "/api/orders", { token, json: { customerName: "Bob", ...json } });
      assert.equal(problem.errors?.[0]?.field, field, problem.detail);
      assert.match(problem.errors[0].allowed, allowed);
    }
  });

  it("products: a SKU belongs to one product of a company", async () => {
    const json = { sku: "UNIQUE", name: "A", category: "lens", priceCents: 1 };
    await post("/api/products", json);
    const second = await post("/api/products", { ...json, sku: "SECOND" });
    assert.equal((await app.refusal(409, "POST", "/api/products", { token, json })).errors?.[0]?.field, "sku");
    await app.refusal(409, "PATCH", `/api/products/${second.id}`, { token, json: { sku: "UNIQUE" } });
    const { token: other } = await app.signUp();
    await post("/api/products", json, other);
  });

  it("exams: belong to a patient of the company, are listed by patient and status, and end once", async () => {
    const patient = await post("/api/patients", newPatient());
    const { token: other } = await app.signUp();
    const exam = { patientId: patient.id, kind: "tonometry", scheduledAt: "2026-12-24T09:30:00+02:00" };
    assert.equal((await app.refusal(400, "POST", "/api/exams", { token: other, json: exam })).errors?.[0]?.field, "patientId");
    const created = await post<Row & { scheduledAt: string }>("/api/exams", exam);
    assert.equal(created.scheduledAt, "2026-12-24T07:30:00.000Z", "kept as UTC");
    for (const from of EXAM_STATUSES) {
      for (const to of EXAM_STATUSES) {
        await app.container.database.run("UPDATE exams SET status = ? WHERE id = ?", [from, created.id]);
        const { status } = await app.request("PATCH", `/api/exams/${created.id}`, { token, json: { status: to } });
        assert.equal(status, from === to || NEXT_EXAM_STATUSES[from].includes(to) ? 200 : 409, `${from} → ${to}`);
      }
    }
    const second = await post("/api/exams", { ...exam, scheduledAt: "2026-12-25T09:30:00Z" });
    const list = await app.request<{ data: Row[] }>("GET", `/api/exams?patientId=${patient.id}&status=scheduled`, { token });
    assert.deepEqual(
      list.body.data.map(({ id }) => id),
      [second.id],
    );
    assert.match((await app.refusal(409, "DELETE", `/api/patients/${patient.id}`, { token })).detail, /archive the patient/);
    await app.refusal(400, "GET", "/api/exams?patientId=x", { token });
  });

  it("dates are days that exist, and births are in the past", async () => {
    for (const birthDate of ["1984-02-30", "1984-13-01", "84-05-17", "2999-01-01", "1700-01-01", "1984-05-17T00:00:00Z"]) {
      const problem = await app.refusal(400, "POST", "/api/patients", { token, json: { ...newPatient(), birthDate } });
      assert.equal(problem.errors?.[0]?.field, "birthDate", birthDate);
    }
  });
});
