import assert from "node:assert/strict";
import express from "express";
import supertest from "supertest";
import { httpMetrics, registry } from "../../../app/src/observability/metrics";

describe("HTTP metrics", () => {
  it("A13 the label is the route's pattern, never the URL", async () => {
    registry.resetMetrics();
    const orders = express.Router();
    orders.get("/:id", (_request, response) => void response.send("one"));
    orders.get("/", (_request, response) => void response.send("all"));
    const app = express().use(httpMetrics()).use("/api/orders", orders);
    const client = supertest(app);
    for (const id of ["17", "18", "secret-name"]) await client.get(`/api/orders/${id}?q=1`).expect(200);
    await client.get("/api/orders").expect(200);
    await client.get("/no/such/thing-4711").expect(404);
    const text = await registry.metrics();
    assert.match(text, /^http_requests_total\{method="GET",route="\/api\/orders\/:id",status="200"\} 3$/m);
    assert.match(text, /^http_requests_total\{method="GET",route="\/api\/orders",status="200"\} 1$/m);
    assert.match(text, /^http_requests_total\{method="GET",route="unmatched",status="404"\} 1$/m);
    assert.match(text, /^http_request_duration_seconds_count\{method="GET",route="\/api\/orders\/:id"\} 3$/m);
    assert.match(text, /^http_requests_in_flight 0$/m);
    assert.doesNotMatch(text, /4711|secret-name/);
  });
});
