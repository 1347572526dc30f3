import assert from "node:assert/strict";
import type { DomainEvent } from "../../../app/src/events/event";
import { newPatient } from "../domain/support";
import type { Answer, TestApp } from "./support";

interface Row {
  readonly id: string;
}

/** What an app promises about `Idempotency-Key`, on whichever database. */
export function describeIdempotency(name: string, start: () => Promise<TestApp>): void {
  describe(`E1 Idempotency-Key: ${name}`, function () {
    this.timeout(30_000);
    let app: TestApp;
    before(async () => (app = await start()));
    after(() => app.remove());

    let keys = 0;
    const newKey = (): string => `key-${(keys += 1)}`;
    const send = (token: string, path: string, json: unknown, key: string): Promise<Answer<Row>> =>
      app.request<Row>("POST", path, { token, json, headers: { "Idempotency-Key": key } });
    const count = async (token: string, path: string): Promise<number> => {
      const { body, status, text } = await app.request<{ page: { total: number } }>("GET", path, { token });
      assert.equal(status, 200, text);
      return body.page.total;
    };

    it("creating the same twice creates it once, and answers twice alike: every resource", async () => {
      const { token } = await app.signUp();
      const patient = await app.request<Row>("POST", "/api/patients", { token, json: newPatient() });
      const resources: readonly (readonly [path: string, json: object, before: number])[] = [
        ["/api/orders", { customerName: "A", totalCents: 1 }, 0],
        ["/api/patients", newPatient(), 1],
        ["/api/products", { sku: "S-1", name: "P", category: "lens", priceCents: 5 }, 0],
        ["/api/exams", { patientId: patient.body.id, kind: "fundus", scheduledAt: "2999-01-01T00:00:00Z" }, 0],
        ["/api/filings", { taxpayerName: "A", taxYear: 2025, dueOn: "2026-04-15" }, 0],
        ["/api/tax/computations", { taxYear: 2025, filingStatus: "single", grossIncomeCents: 100 }, 0],
      ];
      for (const [path, json, before] of resources) {
        const key = newKey();
        const first = await send(token, path, json, key);
        const again = await send(token, path, json, key);
        assert.deepEqual([first.status, again.status], [201, 201], `${path} ${first.text} ${again.text}`);
        assert.equal(again.text, first.text, path);
        for (const header of ["location", "etag"]) assert.equal(again.headers.get(header), first.headers.get(header), path);
        assert.deepEqual(
          [first, again].map(({ headers }) => headers.get("idempotent-replayed")),
          [null, "true"],
        );
        assert.equal(first.headers.get("location"), `${path}/${first.body.id}`);
        assert.equal(await count(token, path), before + 1, path);
      }
      const { body } = await app.request<{ resources: Record<string, { used: number }> }>("GET", "/api/quotas", { token });
      for (const resource of ["orders", "products", "exams"]) assert.equal(body.resources[resource]?.used, 1, resource);
    });

    it("a repeat publishes nothing, and what was deleted meanwhile does not come back", async () => {
      const { token, companyId } = await app.signUp();
      const events: DomainEvent[] = [];
      app.container.events.onCommitted((event) => {
        if (event.companyId === companyId) events.push(event);
      });
      const [json, key] = [{ customerName: "A", totalCents: 1 }, newKey()];
      const first = await send(token, "/api/orders", json, key);
      await app.request("DELETE", `/api/orders/${first.body.id}`, { token });
      assert.equal((await send(token, "/api/orders", json, key)).text, first.text);
      assert.equal(await count(token, "/api/orders"), 0);
      assert.deepEqual(
        events.map(({ type }) => type),
        ["order.created"],
      );
    });

    it("a key with another body, or for another resource, is refused with 422 and does nothing", async () => {
      const { token } = await app.signUp();
      const key = newKey();
      await send(token, "/api/patients", newPatient(), key);
      const headers = { "Idempotency-Key": key };
      for (const [path, json] of [
        ["/api/patients", { ...newPatient(), familyName: "Other" }],
        ["/api/orders", { customerName: "A", totalCents: 1 }],
      ] as const) {
        const problem = await app.refusal(422, "POST", path, { token, json, headers });
        assert.equal(problem.type, "urn:phased-stack:problem:idempotency-key-reused");
        assert.equal(problem.errors?.[0]?.field, "Idempotency-Key");
      }
      assert.deepEqual([await count(token, "/api/patients"), await count(token, "/api/orders")], [1, 0]);
    });

    it("keys belong to one user: colleagues and other companies may use the same", async () => {
      const [one, other] = [await app.signUp(), await app.signUp()];
      const colleague = await app.addUser(one.token);
      const key = newKey();
      const answers = [];
      for (const { token } of [one, colleague, other]) answers.push(await send(token, "/api/patients", newPatient(), key));
      assert.equal(new Set(answers.map(({ body }) => body.id)).size, 3);
      assert.ok(answers.every(({ status, headers }) => status === 201 && headers.get("idempotent-replayed") === null));
    });

    it("a repeat while the first is being answered gets 409, and the first answer afterwards", async () => {
      const { token } = await app.signUp();
      const key = newKey();
      const { database } = app.container;
      const transaction = database.transaction.bind(database);
      let release!: () => void;
      const held = new Promise<void>((resolve) => (release = resolve));
      database.transaction = async (...whatever) => {
        await held;
        return transaction(...whatever);
      };
      const both = [send(token, "/api/patients", newPatient(), key), send(token, "/api/patients", newPatient(), key)];
      const early = await Promise.race(both);
      assert.equal(early.status, 409, early.text);
      assert.ok(Number(early.headers.get("retry-after")) >= 1);
      release();
      database.transaction = transaction;
      const statuses = (await Promise.all(both)).map(({ status }) => status).sort();
      assert.deepEqual(statuses, [201, 409]);
      const again = await send(token, "/api/patients", newPatient(), key);
      assert.deepEqual([again.status, again.headers.get("idempotent-replayed")], [201, "true"]);
      assert.equal(await count(token, "/api/patients"), 1);
    });

    it("what was refused is not kept: corrected, the request may have the same key", async () => {
      const { token } = await app.signUp();
      const key = newKey();
      const product = { sku: "S", name: "P", category: "lens", priceCents: 5 };
      await app.request("POST", "/api/products", { token, json: product });
      assert.equal((await send(token, "/api/products", { ...product, priceCents: -1 }, key)).status, 400);
      assert.equal((await send(token, "/api/products", product, key)).status, 409, "the SKU is taken");
      assert.equal((await send(token, "/api/products", { ...product, sku: "T" }, key)).status, 201);
    });

    it("a key may stand in quotes, as the draft has it; what is none is refused by its name", async () => {
      const { token } = await app.signUp();
      const bare = await send(token, "/api/patients", newPatient(), "8e03978e-40d5");
      const quoted = await send(token, "/api/patients", newPatient(), '"8e03978e-40d5"');
      assert.equal(quoted.text, bare.text);
      for (const key of ["", "a b", '"open', '""', "x".repeat(201), `"${"x".repeat(201)}"`]) {
        const problem = await app.refusal(400, "POST", "/api/patients", { token, json: newPatient(), headers: { "Idempotency-Key": key } });
        assert.equal(problem.errors?.[0]?.field, "Idempotency-Key", key);
      }
      assert.equal(await count(token, "/api/patients"), 1);
    });
  });
}
