import type { Request, RequestHandler, Response } from "express";
import type { Container } from "../../container";
import { rawLines, type Logger } from "../../observability/logger";
import { requestEnded, requestStarted } from "../../observability/metrics";
import { routeClass } from "../../observability/tenant-metrics";
import { givenAddress } from "../../rate-limit/client-address";
import { requestContext } from "./context";
import { logRequest } from "./request-log";

/** Longest company id that is counted by; the app's own have 36 characters. */
const MOST_ID_CHARACTERS = 64;

/** What {@link observe} reports to. */
export interface ObservedParts extends Pick<Container, "tenantMetrics" | "admission" | "config"> {
  /** Whose request it was. @default the company of the session */
  readonly companyOf?: (request: Request) => string | undefined;
}

/**
 * What every request gets whatever becomes of it: its context, its numbers and its line in the log. One middleware and one listener
 * instead of three, because each costs every request about a microsecond.
 */
export function observe(logger: Logger, parts: ObservedParts): RequestHandler {
  const { tenantMetrics, admission, companyOf } = parts;
  const { trustProxy } = parts.config;
  const write = rawLines(logger);

  /** One function for all responses: a closure for each would be made and thrown away. */
  function onClose(this: Response): void {
    const request = this.req;
    const durationMs = performance.now() - request.context.startedAt;
    requestEnded(request, this.statusCode, durationMs);
    logRequest(write, request, this, durationMs, givenAddress(request, trustProxy));
    const { session } = request;
    if (session !== undefined) admission.remember(request, session, session.plan !== "FREE");
    const companyId = companyOf === undefined ? session?.companyId : companyOf(request)?.slice(0, MOST_ID_CHARACTERS);
    if (companyId !== undefined) {
      tenantMetrics.record(companyId, routeClass(request.method, request.originalUrl), this.statusCode, durationMs);
    }
  }

  return (request, response, next) => {
    requestStarted();
    // "close" comes once for every response, also when the client went away before the end; "finish" does not.
    response.on("close", onClose);
    requestContext(request, response, next);
  };
}
