import assert from "node:assert/strict";
import { createServer, type AddressInfo } from "node:net";
import { createApp } from "../../../app/src/app";
import { listenForAdmins } from "../../../app/src/http/admin-listener";
import { ADMIN_TOKEN, TestApp } from "../http/support";

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe("hardening: what only operators see", () => {
  it("/api/health/full shows no process ids to the public, all of them to the holder of the admin token", async () => {
    const app = await TestApp.start();
    try {
      const pids = (text: string): number => (text.match(/"pid":/g) ?? []).length;
      for (const path of ["/health", "/ready", "/api/health/full", "/api/health/scaling", "/api/health/queue", "/api/health/metrics"]) {
        assert.equal(pids((await app.request("GET", path)).text), 0, path);
      }
      const { token } = await app.signUp();
      assert.equal(pids((await app.request("GET", "/api/health/full", { token })).text), 0);
      assert.equal(pids((await app.request("GET", "/api/health/full", { token: ADMIN_TOKEN })).text), 3);
    } finally {
      await app.remove();
    }
  });

  it("figures are for who asks the port itself: what a proxy passed on needs the admin token", async () => {
    const app = await TestApp.start({ TRUST_PROXY: "1" });
    try {
      assert.equal((await app.request("GET", "/metrics")).status, 200, "Prometheus, within the network");
      const passedOn: Record<string, string>[] = [
        { "X-Forwarded-For": "203.0.113.7" },
        { "X-Forwarded-Proto": "https" },
        { "X-Forwarded-Host": "app.example.org" },
        { Forwarded: "for=203.0.113.7" },
      ];
      const { token } = await app.signUp();
      for (const headers of passedOn) {
        for (const path of ["/metrics", "/METRICS", "/metrics/", "/metrics?x=1"]) {
          const { text } = await app.request("GET", path, { headers });
          assert.doesNotMatch(text, /# HELP/, `${path} ${JSON.stringify(headers)}`);
        }
        await app.refusal(401, "GET", "/metrics", { headers });
        await app.refusal(401, "GET", "/metrics", { headers, token });
        assert.equal((await app.request("GET", "/metrics", { headers, token: ADMIN_TOKEN })).status, 200);
      }
    } finally {
      await app.remove();
    }
  });

  it("with ADMIN_PORT admin endpoints and metrics exist on that port only, still for the admin token only", async () => {
    const adminPort = await freePort();
    const app = await TestApp.start({ ADMIN_PORT: String(adminPort) });
    const listener = await listenForAdmins(app.container.config.protection, createApp(app.container));
    try {
      assert.equal(listener?.port, adminPort);
      const at = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
        fetch(`http://127.0.0.1:${adminPort}${path}`, { headers });
      const admin = { Authorization: `Bearer ${ADMIN_TOKEN}` };
      for (const path of ["/metrics", "/api/admin/metrics/summary"]) {
        await app.refusal(404, "GET", path, { token: ADMIN_TOKEN });
        assert.equal((await at(path, admin)).status, 200, path);
      }
      assert.equal((await at("/metrics")).status, 200);
      assert.equal((await at("/api/admin/metrics/summary")).status, 401);
      assert.match(await (await at("/api/health/full")).text(), /"pid":/, "who reaches the admin port is an operator");
      assert.doesNotMatch((await app.request("GET", "/api/health/full")).text, /"pid":/);
    } finally {
      await listener?.close();
      await app.remove();
    }
  });
});
