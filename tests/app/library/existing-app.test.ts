import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { loadConfig } from "../../../app/src/config";
import { wrapApp, type ScalingOptions } from "../../../app/src";
import { createShop } from "../../../app/examples/existing-app/shop";
import { closeContainer, createContainer, prepare } from "../../../app/src/container";
import { registry } from "../../../app/src/observability/metrics";
import { listen } from "../../../app/src/server";
import { inDirectory } from "../db/support";
import { silent } from "../metrics/support";

const ADMIN_TOKEN = "an-admin-token-for-tests";
const EXAMPLE = path.resolve(__dirname, "../../../app/examples/existing-app/main.ts");

/** The example's shop with everything around it, in this process. */
async function withShop(
  work: (url: string) => Promise<void>,
  options: ScalingOptions = {},
  environment: Readonly<Record<string, string>> = {},
): Promise<void> {
  await inDirectory(async (directory) => {
    const config = loadConfig({
      NODE_ENV: "test",
      HOST: "127.0.0.1",
      PORT: "0",
      ADMIN_TOKEN,
      SQLITE_PATH: path.join(directory, "app.db"),
      OVERLOAD_DELAY_MS: "0",
      RATE_LIMITS: "off",
      ...environment,
    });
    await prepare(config, silent);
    const instance = {
      status: () => Promise.reject(new Error("not asked here")),
      reload: () => Promise.reject(new Error("not asked here")),
      drain: () => Promise.reject(new Error("not asked here")),
      metricsText: () => registry.metrics(),
    };
    const container = await createContainer(config, { workerId: 1, clustered: false }, instance, { logger: silent });
    const server = await listen(container, await wrapApp(container, () => createShop(), options));
    container.state.ready = true;
    try {
      await work(`http://127.0.0.1:${server.port}`);
    } finally {
      await server.close(0);
      await closeContainer(container);
    }
  });
}

describe("library: an existing Express app, wrapped", () => {
  it("takes no more than ten lines", () => {
    assert.ok(readFileSync(EXAMPLE, "utf8").trim().split("\n").length <= 10);
  });

  it("answers as before, with health, metrics, security headers, compression and request ids around it", () =>
    withShop(async (url) => {
      const page = await fetch(url);
      assert.equal(await page.text(), "<h1>Shop</h1>");
      assert.equal(page.headers.get("x-content-type-options"), "nosniff");
      const products = await fetch(`${url}/products`, { headers: { "Accept-Encoding": "gzip" } });
      assert.equal(products.headers.get("content-encoding"), "gzip");
      assert.equal(((await products.json()) as unknown[]).length, 50);
      const added = await fetch(`${url}/basket/7`, { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" });
      assert.deepEqual([added.status, await added.json()], [201, { product: "7", count: 1 }]);
      assert.equal((await fetch(`${url}/ready`)).status, 200);
      assert.equal(((await (await fetch(`${url}/health`)).json()) as { status: string }).status, "ok");
      assert.match(await (await fetch(`${url}/metrics`)).text(), /route="\/basket\/:product",status="201"/);
    }));

  it("its errors and unknown paths become problem documents without a word about the inside", () =>
    withShop(async (url) => {
      for (const [where, status] of [
        ["/broken", 500],
        ["/nowhere", 404],
      ] as const) {
        const answer = await fetch(`${url}${where}`);
        assert.equal(answer.status, status);
        assert.equal(answer.headers.get("content-type"), "application/problem+json");
        assert.doesNotMatch(await answer.text(), /own mistake|\.ts/);
      }
    }));

  it("is limited by address like everything else", () =>
    withShop(
      async (url) => {
        const answers = await Promise.all(Array.from({ length: 200 }, () => fetch(`${url}/products`)));
        const statuses = answers.map(({ status }) => status);
        await Promise.all(answers.map((answer) => answer.arrayBuffer()));
        assert.ok(statuses.includes(200) && statuses.includes(429), [...new Set(statuses)].join());
      },
      {},
      { RATE_LIMITS: "on" },
    ));

  it("E7 figures are kept for whoever the wrapped app says it is, and operators need their token", () =>
    withShop(
      async (url) => {
        for (let request = 0; request < 7; request++) await fetch(`${url}/products`, { headers: { "X-Verified-Shop": "shop-1" } });
        await fetch(`${url}/products`);
        assert.equal((await fetch(`${url}/api/admin/metrics/summary`)).status, 401);
        const summary = await fetch(`${url}/api/admin/metrics/summary`, { headers: { Authorization: `Bearer ${ADMIN_TOKEN}` } });
        const { busiest } = (await summary.json()) as { busiest: { companyId: string; requests: number }[] };
        assert.deepEqual(
          busiest.map(({ companyId, requests }) => [companyId, requests]),
          [["shop-1", 7]],
        );
      },
      { companyOf: (request) => request.get("X-Verified-Shop") },
    ));

  it("with accounts everything below /api needs a session, which logging in gives", () =>
    withShop(
      async (url) => {
        assert.equal((await fetch(`${url}/api/anything`)).status, 401);
        const signUp = await fetch(`${url}/api/auth/signup`, {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ companyName: "C", name: "A", email: "a@example.org", password: "correct horse battery" }),
        });
        assert.equal(signUp.status, 201);
        const { token } = (await signUp.json()) as { token: string };
        assert.equal((await fetch(`${url}/api/anything`, { headers: { Authorization: `Bearer ${token}` } })).status, 404);
        assert.equal((await fetch(`${url}/products`)).status, 200);
      },
      { accounts: true },
    ));
});
