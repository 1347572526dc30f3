import assert from "node:assert/strict";
import { ConformingClient } from "./conformance";
import { useEveryOperation } from "./every-operation";
import { TestApp } from "./support";

describe("OpenAPI description and real answers", function () {
  this.timeout(30_000);
  let app: TestApp;
  let client: ConformingClient;
  before(async () => {
    app = await TestApp.start({ CHAT_LATENCY_MS: "0" });
    // Documents are read by a job.
    app.container.jobs.start();
    client = await ConformingClient.of(app);
  });
  after(() => app.remove());

  it("E5 every operation answers as it is described, when it succeeds and when it refuses", () => useEveryOperation(client));

  it("notices an answer that differs from its description", async () => {
    const { token } = await app.signUp();
    const answer = await app.request("GET", "/api/quotas", { token });
    assert.throws(
      () => client.check("GET", "/api/quotas", {}, { ...answer, body: { ...answer.body, plan: "GOLD" } }),
      /plan must be equal to one of/,
    );
    assert.throws(
      () => client.check("GET", "/api/quotas", {}, { ...answer, body: { ...answer.body, more: 1 } }),
      /must NOT have additional properties/,
    );
    assert.throws(() => client.check("GET", "/api/quotas", {}, { ...answer, status: 207 }), /does not describe 207/);
    assert.throws(() => client.check("GET", "/api/nothing", {}, answer), /is not described/);
  });
});
