import assert from "node:assert/strict";
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from "express";
import fc from "fast-check";
import supertest from "supertest";
import { bySegment, inOrder } from "../../../app/src/http/in-order";

/** Answers with what a handler sees of the path. */
const echo =
  (name: string): RequestHandler =>
  (request, response) =>
    void response.json({ name, baseUrl: request.baseUrl, url: request.url, path: request.path, query: request.query });

const report: ErrorRequestHandler = (error: unknown, request, response, next) => {
  if (response.headersSent) next(error);
  else response.status(418).json({ error: String(error), baseUrl: request.baseUrl, url: request.url });
};

function twoOrders(): express.Router {
  const router = express.Router();
  router.get("/:id", echo("one order"));
  router.get("/", echo("all orders"));
  return router;
}

describe("composed handlers", () => {
  it("a handler found by segment sees the request as under app.use (property)", async () => {
    const composed = express()
      .use(bySegment({ api: bySegment({ orders: twoOrders(), users: echo("users") }) }))
      .use(echo("rest"));
    const plain = express().use("/api/orders", twoOrders()).use("/api/users", echo("users")).use(echo("rest"));
    const segment = fc.constantFrom("api", "API", "orders", "Orders", "users", "other", "17", "%6frders", "");
    const query = fc.constantFrom("", "?", "?a=1", "?a=/api/orders");
    const answer = async (app: Express, path: string): Promise<unknown> => (await supertest(app).get(path)).body;
    await fc.assert(
      fc.asyncProperty(fc.array(segment, { maxLength: 4 }), query, async (segments, search) => {
        const path = `/${segments.join("/")}${search}`;
        // A path with an empty first segment is a host to a URL parser.
        fc.pre(!path.startsWith("//"));
        assert.deepEqual(await answer(composed, path), await answer(plain, path), path);
      }),
      { numRuns: 150 },
    );
  });

  it("runs in order, passes on what is thrown, rejected or given to next, and puts the path back", async () => {
    const seen: string[] = [];
    const note =
      (name: string): RequestHandler =>
      (_request, _response, next) => {
        seen.push(name);
        next();
      };
    const failures: Record<string, RequestHandler> = {
      thrown: () => {
        throw new Error("thrown");
      },
      rejected: () => Promise.reject(new Error("rejected")),
      given: (_request, _response, next) => next(new Error("given")),
    };
    const app = express()
      .use(bySegment({ api: inOrder(note("first"), note("second"), bySegment(failures), note("third")) }))
      .use(echo("rest"))
      .use(report);
    for (const kind of Object.keys(failures)) {
      seen.length = 0;
      const { status, body } = (await supertest(app).get(`/api/${kind}?x=1`)) as { status: number; body: unknown };
      assert.deepEqual(
        { status, body, seen },
        { status: 418, body: { error: `Error: ${kind}`, baseUrl: "", url: `/api/${kind}?x=1` }, seen: ["first", "second"] },
      );
    }
    seen.length = 0;
    const { body } = (await supertest(app).get("/api/nothing")) as { body: unknown };
    assert.deepEqual(body, { name: "rest", baseUrl: "", url: "/api/nothing", path: "/api/nothing", query: {} });
    assert.deepEqual(seen, ["first", "second", "third"]);
  });
});
