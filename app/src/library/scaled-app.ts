import express, { type Express, type Request, type RequestHandler } from "express";
import type { Registry } from "prom-client";
import type { Cache } from "../cache/cache";
import type { AppConfig } from "../config";
import type { Container } from "../container";
import { adminPortOnly, tokenFromOutside } from "../http/admin-listener";
import { bySegment, inOrder } from "../http/in-order";
import { authorize } from "../http/middleware/authenticate";
import { errors, notFound } from "../http/middleware/errors";
import { observe } from "../http/middleware/observe";
import { compress, METRICS_TYPE, sendText } from "../http/respond";
import { adminRoutes, misdirected } from "../http/routes/admin";
import { authRoutes } from "../http/routes/auth";
import { healthRoutes } from "../http/routes/health";
import { pageHeaders } from "../http/security-headers";
import { requireAdminToken } from "../http/middleware/authenticate";
import type { Logger } from "../observability/logger";
import { registry } from "../observability/metrics";
import type { RateLimits } from "../rate-limit/limiter";

/** What a wrapped app may use. */
export interface Scaling {
  /** The validated environment; see `config.ts` for every variable. */
  readonly config: AppConfig;
  /** JSON lines on stdout. */
  readonly logger: Logger;
  /** Two levels: this process, and Redis when REDIS_URL is set. */
  readonly cache: Cache;
  /**
   * Limits of its own, on top of those that hold anyway: `limits.hold(["strict"], () => key)`; where it compares passwords itself,
   * `limits.accounts.attempt(request, loginAccount(email), check)`.
   */
  readonly limits: RateLimits;
  /** Counters, gauges and histograms registered here appear in `/metrics`, added up over all workers. */
  readonly metrics: Registry;
}

/** Makes the app to be wrapped; called once in every worker. */
export type CreateApp = (scaling: Scaling) => RequestHandler | Promise<RequestHandler>;

/** What is put around an app. Everything that has a number is set by the environment instead, see `config.ts`. */
export interface ScalingOptions {
  /**
   * Companies with users who log in: `/api/auth/*` is answered, everything else under `/api` needs a session (a cookie or a bearer
   * token), `request.session` says whose it is, and each company is held to the limits of its plan.
   * @default false: who asks is the wrapped app's own business
   */
  readonly accounts?: boolean;
  /**
   * Whose request it is, for the figures of `/api/admin/metrics`: an id of at most 64 characters, taken from what the wrapped app has
   * verified, never from a header as it came.
   * @default with accounts the company of the session, without them nobody's
   */
  readonly companyOf?: (request: Request) => string | undefined;
  /** Compress answers over 1 KB with br or gzip. @default true */
  readonly compression?: boolean;
  /** helmet's headers but for Content-Security-Policy, which only the wrapped app can know. @default true */
  readonly securityHeaders?: boolean;
}

/**
 * Puts the scaling middleware around an app. Answered before the wrapped app is asked: `/health`, `/ready`, `/metrics`, `/api/health/*`,
 * `/api/admin/*`; what it does not answer is a problem document with 404, and so is every error it passes on.
 */
export async function wrapApp(container: Container, createApp: CreateApp, options: ScalingOptions = {}): Promise<Express> {
  const { config, logger, sessions, instance, adminToken, limits, cache } = container;
  const { accounts = false, compression = true, securityHeaders = true, companyOf } = options;
  const app = express();
  app.disable("x-powered-by");
  app.set("trust proxy", config.trustProxy);
  app.set("query parser", "simple");

  app.use(observe(logger, { ...container, ...(companyOf !== undefined && { companyOf }) }));
  if (securityHeaders) app.use(setSecurityHeaders);
  const operatorsOnly = adminPortOnly(config.protection);
  app.get("/metrics", operatorsOnly, tokenFromOutside(adminToken), async (request, response) =>
    sendText(request, response, METRICS_TYPE, await instance.metricsText()),
  );
  app.use("/api/admin", operatorsOnly, misdirected);
  app.use("/api/health", healthRoutes(container));
  const admin = adminRoutes(container);
  app.use(
    "/api",
    accounts
      ? inOrder(
          limits.beforeAuthentication(),
          // With Redis the session and the limits are asked for in one round trip, as in app.ts.
          authorize(sessions, adminToken, (request, session) => limits.beginEarly(request, session)),
          limits.afterAuthentication(),
          bySegment({ admin, auth: authRoutes(container) }),
        )
      : inOrder(limits.beforeAuthentication(), bySegment({ admin: inOrder(requireAdminToken(adminToken), admin) })),
  );
  if (compression) app.use(compress);
  app.use(await createApp({ config, logger, cache, limits, metrics: registry }));
  app.use(notFound(app));
  app.use(errors(logger));
  return app;
}

const HEADERS = new Map<string, string>();
const OF_PAGES = pageHeaders();
for (let index = 0; index < OF_PAGES.length; index += 2) {
  const name = OF_PAGES[index] ?? "";
  if (name !== "Content-Security-Policy") HEADERS.set(name, OF_PAGES[index + 1] ?? "");
}

const setSecurityHeaders: RequestHandler = (_request, response, next) => {
  response.setHeaders(HEADERS);
  next();
};
