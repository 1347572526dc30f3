import express, { type Express } from "express";
import { runs } from "./config/role";
import type { Container } from "./container";
import "./http/request";
import { authenticate, authorize } from "./http/middleware/authenticate";
import { adminPortOnly } from "./http/admin-listener";
import { errors, notFound } from "./http/middleware/errors";
import { observe } from "./http/middleware/observe";
import { openApiRoute } from "./http/openapi/route";
import { METRICS_TYPE, sendText } from "./http/respond";
import { adminRoutes } from "./http/routes/admin";
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
  app.get("/metrics", operatorsOnly, async (request, response) => sendText(request, response, METRICS_TYPE, await instance.metricsText()));
  app.use("/api/admin", operatorsOnly);
  app.use("/api/health", healthRoutes(container));
  // an instance for background work answers nothing else (A18)
  if (!runs(config.role, "web")) return app.use(notFound(app), errors(logger));
  // limits per address of logging in and of operators' changes, before anything is read
  app.use("/api", limits.beforeAuthentication());
  // who asks, and whether they may: session/access.ts has the table
  app.use("/api", authorize(sessions, adminToken));
  // the route's limit of the user and the tier of the company, in one call
  app.use("/api", limits.afterAuthentication());
  app.use("/api/admin/platform-admins", platformAdminRoutes(container));
  app.use("/api/admin/queues", queueRoutes(container));
  app.use("/api/admin", adminRoutes(container));
  // 5 logging in; body limits are the routes' own
  app.use("/api/auth", authRoutes(container));
  // 6 the API of one company: authenticate → body → validate → route, tenant scope inside
  const authenticated = authenticate(sessions);
  app.use("/api/session", authenticated, sessionRoutes());
  app.use("/api/company", authenticated, companyRoutes(container));
  app.use("/api/users", authenticated, userRoutes(container));
  app.use("/api/orders", authenticated, orderRoutes(container));
  app.use("/api/patients", authenticated, patientRoutes(container));
  app.use("/api/products", authenticated, productRoutes(container));
  app.use("/api/exams", authenticated, examRoutes(container));
  app.use("/api/tax", authenticated, taxRoutes(container));
  app.use("/api/filings", authenticated, filingRoutes(container));
  app.use("/api/chat", authenticated, chatRoutes(container));
  app.use("/api/dashboard", authenticated, dashboardRoutes(container));
  app.use("/api/jobs", authenticated, jobRoutes(container));
  app.use("/api/documents", authenticated, documentRoutes(container));
  app.use("/api/quotas", authenticated, quotaRoutes(container));
  app.get("/openapi.json", openApiRoute(config));
  // 7 the pages
  app.use(pages());
  // 8 whatever is left
  app.use(notFound(app));
  app.use(errors(logger));
  return app;
}
