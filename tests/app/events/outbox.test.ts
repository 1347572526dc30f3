import assert from "node:assert/strict";
import { publish } from "../../../app/src/events/outbox";
import { TestApp } from "../http/support";
import { withAnyDatabase } from "../db/support";
import { collectEvents, createCompany, orderCreated, outboxSize, publishOrders } from "./support";

describe("B5 outbox", () => {
  it("B5 an event is kept, and told of, if and only if its transaction committed", () =>
    withAnyDatabase(async (database) => {
      const committed = collectEvents(database);
      const scope = await createCompany(database);
      await assert.rejects(
        scope.transaction(async (inside) => {
          await publish(inside, orderCreated(1));
          assert.equal(committed.length, 0, "told before the commit");
          throw new Error("rolled back");
        }),
        /rolled back/,
      );
      assert.equal(await outboxSize(database), 0);
      assert.equal(committed.length, 0);
      await publishOrders(scope, 1);
      assert.equal(await outboxSize(database), 1);
      assert.deepEqual(
        committed.map(({ type, companyId }) => [type, companyId]),
        [["order.created", scope.companyId]],
      );
    }));

  it("B5 numbers the events of each company without gaps, also when they come at the same time", () =>
    withAnyDatabase(async (database) => {
      collectEvents(database);
      const scopes = await Promise.all([createCompany(database), createCompany(database)]);
      await Promise.all(scopes.flatMap((scope) => [publishOrders(scope, 10), publishOrders(scope, 10)]));
      for (const { companyId } of scopes) {
        const rows = await database.all<{ number: number }>("SELECT number FROM event_outbox WHERE company_id = ? ORDER BY position", [
          companyId,
        ]);
        assert.deepEqual(
          rows.map(({ number }) => number),
          Array.from({ length: 20 }, (_, index) => index + 1),
        );
      }
    }));

  it("B5 without brokers nothing is kept, so that the outbox cannot grow", () =>
    withAnyDatabase(async (database) => {
      const committed = collectEvents(database, false);
      await publishOrders(await createCompany(database), 3);
      assert.equal(await outboxSize(database), 0);
      assert.equal(committed.length, 3);
    }));

  it("B5 refuses to publish outside of a transaction", () =>
    withAnyDatabase(async (database) => {
      collectEvents(database);
      const scope = await createCompany(database);
      await assert.rejects(publish(scope, orderCreated(1)), /inside the transaction/);
    }));

  it("B5 orders, users and companies tell of their changes", async () => {
    // Nobody listens there: events stay in the outbox.
    const app = await TestApp.start({ KAFKA_BROKERS: "127.0.0.1:1" });
    try {
      const { token } = await app.signUp();
      const created = await app.request<{ id: string }>("POST", "/api/orders", { token, json: { customerName: "A", totalCents: 5 } });
      await app.request("PATCH", `/api/orders/${created.body.id}`, { token, json: { status: "confirmed" } });
      await app.addUser(token);
      await app.request("PATCH", "/api/company", { token, json: { name: "New name" } });
      const rows = await app.container.database.all<{ type: string; payload: string }>(
        "SELECT type, payload FROM event_outbox ORDER BY position",
      );
      assert.deepEqual(
        rows.map(({ type }) => type),
        ["user.created", "order.created", "order.updated", "user.created", "company.updated"],
      );
      assert.doesNotMatch(rows.map(({ payload }) => payload).join(), /@example\.org|scrypt/, "no addresses and no secrets in events");
    } finally {
      await app.remove();
    }
  });
});
