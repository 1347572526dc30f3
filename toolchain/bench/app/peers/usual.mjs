import { createServer } from "node:http";
import compression from "compression";
import { RedisStore as SessionStore } from "connect-redis";
import express from "express";
import { rateLimit } from "express-rate-limit";
import session from "express-session";
import helmet from "helmet";
import pinoHttp from "pino-http";
import { collectDefaultMetrics, Counter, Histogram, register } from "prom-client";
import { RedisStore as LimitStore } from "rate-limit-redis";
import { createClient } from "redis";
import { body, serve } from "./serve";

// Peer "usual": the middleware as most people assemble it, each with its defaults; with REDIS_URL also sessions and limits in Redis.
// Plain JavaScript, because the types of express-session and those of the app both say what `request.session` is.

/** Never reached: what is measured is counting, not refusing. */
const LIMIT_PER_MINUTE = 1_000_000_000;

async function main() {
  const content = body();
  const app = express();
  collectDefaultMetrics();
  const requests = new Counter({ name: "http_requests_total", help: "Requests.", labelNames: ["method", "route", "status"] });
  const seconds = new Histogram({ name: "http_request_duration_seconds", help: "Duration.", labelNames: ["method", "route", "status"] });

  app.use((request, response, next) => {
    const stop = seconds.startTimer();
    response.on("finish", () => {
      const labels = { method: request.method, route: request.path, status: response.statusCode };
      requests.inc(labels);
      stop(labels);
    });
    next();
  });
  app.use(pinoHttp());
  app.use(helmet());
  app.use(compression());

  const redisUrl = process.env["REDIS_URL"];
  if (redisUrl === undefined) {
    app.use(rateLimit({ windowMs: 60_000, limit: LIMIT_PER_MINUTE }));
  } else {
    const client = createClient({ url: redisUrl });
    await client.connect();
    app.use(session({ store: new SessionStore({ client }), secret: "bench", resave: false, saveUninitialized: false }));
    const store = new LimitStore({ sendCommand: (...command) => client.sendCommand(command) });
    app.use(rateLimit({ windowMs: 60_000, limit: LIMIT_PER_MINUTE, store }));
    app.get("/login", (request, response) => {
      request.session.user = "bench";
      response.json(content);
    });
  }
  app.get("/metrics", async (_request, response) => {
    response.type(register.contentType).send(await register.metrics());
  });
  app.get("/api/bench", (_request, response) => {
    response.json(content);
  });
  serve(createServer(app));
}

void main();
