import express, { type Express, type RequestHandler } from "express";
import { runs } from "./config/role";
import type { Container } from "./container";
import "./http/request";
import { authenticate, authorize } from "./http/middleware/authenticate";
import { adminPortOnly, tokenFromOutside } from "./http/admin-listener";
import { bySegment, inOrder } from "./http/in-order";
import { errors, notFound } from "./http/middleware/errors";
import { observe } from "./http/middleware/observe";
import { openApiRoute } from "./http/openapi/route";
import { METRICS_TYPE, sendText } from "./http/respond";
import { adminRoutes, misdirected } from "./http/routes/admin";
import { authRoutes } from "./http/routes/auth";
import { chatRoutes } from "./http/routes/chat";
import { companyRoutes } from "./http/routes/company";
import { dashboardRoutes } from "./http/routes/dashboard";
import { examRoutes } from "./http/routes/exams";
import { filingRoutes } from "./http/routes/filings";
import { documentRoutes } from "./http/routes/documents";
import { healthRoutes } from "./http/routes/health";
import { jobRoutes, queueRoutes } from "./http/routes/jobs";
import { orderRoutes } from "./http/routes/orders";
import { platformAdminRoutes } from "./http/routes/platform-admins";
import { pages } from "./http/routes/pages";
import { patientRoutes } from "./http/routes/patients";
import { productRoutes } from "./http/routes/products";
import { quotaRoutes } from "./http/routes/quotas";
import { realtimeRoutes } from "./http/routes/realtime";
import { sessionRoutes } from "./http/routes/session";
import { taxRoutes } from "./http/routes/tax";
import { userRoutes } from "./http/routes/users";

/**
 * The Express application. This is the order of the middleware, top to bottom; what comes before it is in `server.ts`.
 * Security headers and compression are not middleware: `http/respond.ts` adds them where the answer is written, in one go.
 */
export function createApp(container: Container): Express {
  const { config, logger, sessions, instance, adminToken, limits } = container;
  const app = express();
  app.disable("x-powered-by");
  // Hashing every dynamic answer to find that it changed costs more than it saves.
  app.disable("etag");
  // A number of hops, never `true`: otherwise anyone could write their own address into X-Forwarded-For.
  app.set("trust proxy", config.trustProxy);
  app.set("query parser", "simple");

  // 1 what ties log lines and answers of one request together, 2 one line a request, 3 counts and durations by route pattern
  app.use(observe(logger, container));
  // 4 for operators and machines: no session
  const operatorsOnly = adminPortOnly(config.protection);
  const withToken = tokenFromOutside(adminToken);
  const machines = bySegment({ admin: inOrder(operatorsOnly, misdirected), health: healthRoutes(container) });
  const metrics: RequestHandler = async (request, response) => sendText(request, response, METRICS_TYPE, await instance.metricsText());
  // an instance for background work answers nothing else (A18)
  if (!runs(config.role, "web")) {
    return app
      .use(bySegment({ api: machines }))
      .get("/metrics", operatorsOnly, withToken, metrics)
      .use(notFound(app), errors(logger));
  }
  app.use(
    bySegment({
      api: inOrder(
        machines,
        // 5 limits per address of logging in and of operators' changes, before anything is read
        limits.beforeAuthentication(),
        // 6 who asks, and whether they may: session/access.ts has the table
        authorize(sessions, adminToken, (request, session) => limits.beginEarly(request, session)),
        // 7 the route's limit of the user and the tier of the company, in one call
        limits.afterAuthentication(),
        // 8 logging in; body limits are the routes' own
        bySegment({ admin: operatorRoutes(container), auth: authRoutes(container) }),
        // 9 the API of one company: authenticate → body → validate → route, tenant scope inside
        companyApi(container),
      ),
    }),
  );
  app.get("/metrics", operatorsOnly, withToken, metrics);
  app.get("/openapi.json", openApiRoute(config));
  // 10 the pages
  app.use(pages(container.jobs.storage.direct?.origin));
  // 11 whatever is left
  app.use(notFound(app));
  app.use(errors(logger));
  return app;
}

/** What operators may do, below `/api/admin`. */
function operatorRoutes(container: Container): RequestHandler {
  return inOrder(bySegment({ "platform-admins": platformAdminRoutes(container), queues: queueRoutes(container) }), adminRoutes(container));
}

/** What users of a company may do; each of these needs a session. */
function companyApi(container: Container): RequestHandler {
  const routes = {
    session: sessionRoutes(),
    company: companyRoutes(container),
    users: userRoutes(container),
    orders: orderRoutes(container),
    patients: patientRoutes(container),
    products: productRoutes(container),
    exams: examRoutes(container),
    tax: taxRoutes(container),
    filings: filingRoutes(container),
    chat: chatRoutes(container),
    dashboard: dashboardRoutes(container),
    jobs: jobRoutes(container),
    documents: documentRoutes(container),
    quotas: quotaRoutes(container),
    realtime: realtimeRoutes(container),
  };
  const authenticated = authenticate(container.sessions);
  return bySegment(Object.fromEntries(Object.entries(routes).map(([segment, route]) => [segment, inOrder(authenticated, route)])));
}
