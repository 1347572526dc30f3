import assert from "node:assert/strict";
import { createApp } from "../../../app/src/app";
import { accessOf } from "../../../app/src/session/access";
import type { OpenApiDocument } from "../../../app/src/http/openapi/document";
import { PASSWORD, TestApp } from "./support";

/** Parts of Express's router; it keeps the paths as they were written. */
interface Layer {
  readonly rawPath: unknown;
  readonly route?: { readonly path: unknown; readonly methods: Readonly<Record<string, boolean>> };
  readonly handle?: { readonly stack?: readonly Layer[] };
}

/** Answered before Express, see `server.ts`. */
const BEFORE_EXPRESS = ["GET /health", "GET /ready"];

function routesOf(stack: readonly Layer[], prefix: string, found: Set<string>): Set<string> {
  for (const { route, rawPath, handle } of stack) {
    if (route !== undefined) {
      assert.equal(typeof route.path, "string", "routes are written as one string");
      const path = `${prefix}${route.path as string}`.replace(/(.)\/$/, "$1").replace(/:(\w+)/g, "{$1}");
      for (const method of Object.keys(route.methods)) found.add(`${method.toUpperCase()} ${path}`);
    } else if (handle?.stack !== undefined) {
      routesOf(handle.stack, `${prefix}${rawPath === "/" ? "" : String(rawPath)}`, found);
    }
  }
  return found;
}

describe("OpenAPI description", () => {
  let app: TestApp;
  let document: OpenApiDocument;
  before(async () => {
    app = await TestApp.start();
    document = (await app.request<OpenApiDocument>("GET", "/openapi.json")).body;
  });
  after(() => app.remove());

  const described = (): string[] =>
    Object.entries(document.paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`));

  it("E5 names the cookie that logging in sets", async () => {
    const answer = await app.request("POST", "/api/auth/signup", {
      json: { companyName: "C", name: "A", email: "cookie@example.org", password: PASSWORD },
    });
    const { cookie } = document.components.securitySchemes as { readonly cookie: { readonly name: string } };
    assert.ok(answer.headers.get("set-cookie")?.startsWith(`${cookie.name}=`), cookie.name);
  });

  it("E5 has every route that Express has, and no other", () => {
    const { router } = createApp(app.container) as unknown as { router: { stack: readonly Layer[] } };
    const registered = [...routesOf(router.stack, "", new Set()), ...BEFORE_EXPRESS];
    assert.deepEqual(described().sort(), registered.sort());
    assert.ok(registered.length > 60);
  });

  it("names each operation once, and says of each who may use it", () => {
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
    );
    const ids = operations.map(({ operation }) => operation.operationId);
    assert.equal(new Set(ids).size, ids.length);
    for (const { path, method, operation } of operations) {
      const isPublic = accessOf(method.toUpperCase(), path) === "public";
      assert.equal(operation.security.length === 0, isPublic, `${method} ${path}`);
      assert.ok(operation.summary.length > 5 && operation.tags.length === 1);
      const parameters = operation.parameters
        .filter((parameter) => parameter["in"] === "path")
        .map((parameter) => String(parameter["name"]));
      assert.deepEqual(
        parameters,
        [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
      );
      assert.ok(Object.keys(operation.responses).some((status) => status.startsWith("2")));
    }
  });

  it("describes bodies and parameters by what they are checked with", () => {
    const order = document.paths["/api/orders"]?.["post"];
    const schema = (order?.requestBody as { content: Record<string, { schema: Record<string, unknown> }> }).content["application/json"]
      ?.schema;
    assert.deepEqual(schema?.["required"], ["customerName"]);
    assert.equal(schema["additionalProperties"], false);
    const limit = document.paths["/api/orders"]?.["get"]?.parameters.find((parameter) => parameter["name"] === "limit");
    assert.deepEqual(limit?.["schema"], { type: "integer", minimum: 1, maximum: 500, default: 100 });
    const year = document.paths["/api/filings"]?.["get"]?.parameters.find((parameter) => parameter["name"] === "taxYear");
    assert.deepEqual(year?.["schema"], { type: "integer", enum: [2024, 2025] });
  });
});
