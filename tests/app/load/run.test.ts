import assert from "node:assert/strict";
import Docker from "dockerode";
import { profileNamed, type Profile } from "../../../toolchain/load/profiles";
import { type LoadTarget, runLoad } from "../../../toolchain/load/run";
import { HttpClient } from "../../../toolchain/verify/http";
import { ADMIN_TOKEN, TestApp } from "../http/support";

/** Everything a user does at once, to see that the app takes each request of it. */
const EVERYTHING: Profile = {
  ...profileNamed("a-500-users", "test"),
  name: "everything",
  stages: [
    { name: "warm-up", seconds: 1, measured: false, users: 20, think: [1, 2] },
    { name: "load", seconds: 3, measured: true, perSecond: 30 },
  ],
  companies: 3,
  ownConnections: true,
};

describe("a load on the app (no containers around it)", function () {
  this.timeout(60_000);
  let app: TestApp;
  let target: LoadTarget;

  before(async () => {
    // Limits as in production: the operator's load passes them.
    app = await TestApp.start({ RATE_LIMITS: "on", CHAT_LATENCY_MS: "20" });
    const none = (): Promise<never> => Promise.reject(new Error("there is no container"));
    const http = new HttpClient(app.url, ADMIN_TOKEN);
    target = { stack: "test", phase: "cluster", http, apps: () => Promise.resolve([]), seeder: none, docker: new Docker() };
  });

  after(async () => {
    target.http.close();
    await app.remove();
  });

  it("A4 every operation of a user is answered, past the limits of one client, and what was measured adds up", async () => {
    const result = await runLoad(EVERYTHING, target, { quiet: true });
    assert.deepEqual(result.failures, {});
    assert.equal(result.measured.due, 90);
    assert.equal(result.measured.ok, 90);
    assert.deepEqual(result.operations.map(({ operation }) => operation).sort(), Object.keys(EVERYTHING.mix).sort());
    assert.equal(
      result.operations.reduce((sum, { due }) => sum + due, 0),
      90,
    );
    assert.ok(result.samples.length >= 2 && result.samples.every(({ eventLoopMs }) => eventLoopMs !== undefined));
    assert.ok(result.measured.p50 > 0 && result.measured.p50 <= result.measured.p95 && result.measured.p95 <= result.measured.max);
  });

  it("A4 a load that cannot begin says why, in one sentence", async () => {
    const http = new HttpClient(app.url);
    const refused = runLoad({ ...EVERYTHING, companies: 40 }, { ...target, http }, { quiet: true });
    await assert.rejects(refused, /^UserError: the load cannot begin: POST \/api\/\S+ was answered 429 \(/);
    http.close();
  });
});
