import assert from "node:assert/strict";
import express, { type ErrorRequestHandler } from "express";
import supertest from "supertest";
import pino from "pino";
import { observe, type ObservedParts } from "../../../app/src/http/middleware/observe";
import { registry } from "../../../app/src/observability/metrics";

describe("HTTP metrics", () => {
  it("A13 the label is the route's pattern, never the URL", async () => {
    registry.resetMetrics();
    const orders = express.Router();
    orders.get("/:id", (_request, response) => void response.send("one"));
    orders.get("/", (_request, response) => void response.send("all"));
    orders.post("/:id/lines", () => Promise.reject(new Error("refused")));
    orders.post("/", () => Promise.reject(new Error("refused")));
    const app = express()
      .use(observe(pino({ level: "silent" }), { config: { trustProxy: 0 } } as ObservedParts))
      .use("/api/orders", orders);
    const refused: ErrorRequestHandler = (...[, , response]) => void response.status(400).end();
    // Express tells error handlers by their number of parameters.
    Object.defineProperty(refused, "length", { value: 4 });
    app.use(refused);
    const client = supertest(app);
    for (const id of ["17", "18", "secret-name"]) await client.get(`/api/orders/${id}?q=1`).expect(200);
    await client.get("/api/orders").expect(200);
    await client.get("/no/such/thing-4711").expect(404);
    await client.post("/api/orders/secret-name/lines").expect(400);
    await client.post("/api/orders").expect(400);
    const text = await registry.metrics();
    assert.match(text, /^http_requests_total\{method="GET",route="\/api\/orders\/:id",status="200"\} 3$/m);
    assert.match(text, /^http_requests_total\{method="GET",route="\/api\/orders",status="200"\} 1$/m);
    assert.match(text, /^http_requests_total\{method="GET",route="unmatched",status="404"\} 1$/m);
    assert.match(text, /^http_requests_total\{method="POST",route="\/api\/orders\/:id\/lines",status="400"\} 1$/m);
    assert.match(text, /^http_requests_total\{method="POST",route="\/api\/orders",status="400"\} 1$/m);
    assert.match(text, /^http_request_duration_seconds_count\{method="GET",route="\/api\/orders\/:id"\} 3$/m);
    assert.match(text, /^http_requests_in_flight 0$/m);
    assert.doesNotMatch(text, /4711|secret-name/);
  });
});
