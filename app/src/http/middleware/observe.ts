import type { RequestHandler, Response } from "express";
import type { Container } from "../../container";
import { rawLines, type Logger } from "../../observability/logger";
import { requestEnded, requestStarted } from "../../observability/metrics";
import { routeClass } from "../../observability/tenant-metrics";
import { requestContext } from "./context";
import { logRequest } from "./request-log";

/**
 * What every request gets whatever becomes of it: its context, its numbers and its line in the log. One middleware and one listener
 * instead of three, because each costs every request about a microsecond.
 */
export function observe(logger: Logger, { tenantMetrics, admission }: Pick<Container, "tenantMetrics" | "admission">): RequestHandler {
  const write = rawLines(logger);

  /** One function for all responses: a closure for each would be made and thrown away. */
  function onClose(this: Response): void {
    const request = this.req;
    const durationMs = performance.now() - request.context.startedAt;
    requestEnded(request, this.statusCode, durationMs);
    logRequest(write, request, this, durationMs);
    const { session } = request;
    if (session !== undefined) {
      admission.remember(request, session.plan !== "FREE");
      tenantMetrics.record(session.companyId, routeClass(request.method, request.originalUrl), this.statusCode, durationMs);
    }
  }

  return (request, response, next) => {
    requestStarted();
    // "close" comes once for every response, also when the client went away before the end; "finish" does not.
    response.on("close", onClose);
    requestContext(request, response, next);
  };
}
