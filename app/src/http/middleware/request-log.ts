import type { RequestHandler } from "express";
import type { Logger } from "../../observability/logger";

/** One line a request, when it is over. Never a query string, a header or a body: they may hold what must not be kept. */
export function requestLog(logger: Logger): RequestHandler {
  return (request, response, next) => {
    response.once("close", () => {
      const { requestId, traceId, startedAt } = request.context;
      const line = {
        requestId,
        traceId,
        method: request.method,
        path: request.originalUrl.split("?", 1)[0],
        status: response.statusCode,
        durationMs: Math.round((performance.now() - startedAt) * 100) / 100,
        ip: request.ip,
        ...(request.session !== undefined && { companyId: request.session.companyId, userId: request.session.userId }),
      };
      if (!response.writableFinished) logger.warn(line, "client left before the answer was complete");
      else if (response.statusCode >= 500) logger.error(line, "request failed");
      else logger.info(line, "request");
    });
    next();
  };
}
