import type { Request, RequestHandler, Response } from "express";
import { rawLines, type Logger, type RawLine } from "../../observability/logger";

/** One line a request, when it is over. Never a query string, a header or a body: they may hold what must not be kept. */
export function requestLog(logger: Logger): RequestHandler {
  const write = rawLines(logger);
  return (request, response, next) => {
    response.once("close", () => logRequest(write, request, response, performance.now() - request.context.startedAt));
    next();
  };
}

/** Writes the line of a request that is over. */
export function logRequest(write: RawLine, request: Request, response: Response, durationMs: number): void {
  const { requestId, traceId } = request.context;
  const { statusCode } = response;
  // Checked where they are made (ids, method, status) or numbers; only path and address could hold what JSON escapes.
  let fields = `,"requestId":"${requestId}","traceId":"${traceId}","method":"${request.method}","path":${JSON.stringify(pathOf(request))}`;
  fields += `,"status":${statusCode},"durationMs":${Math.round(durationMs * 100) / 100}`;
  const { ip } = request;
  if (ip !== undefined) fields += `,"ip":${JSON.stringify(ip)}`;
  const { session } = request;
  if (session !== undefined) fields += `,"companyId":"${session.companyId}","userId":"${session.userId}"`;
  if (!response.writableFinished) write("warn", fields, "client left before the answer was complete");
  else if (statusCode >= 500) write("error", fields, "request failed");
  else write("info", fields, "request");
}

function pathOf({ originalUrl }: Request): string {
  const query = originalUrl.indexOf("?");
  return query < 0 ? originalUrl : originalUrl.slice(0, query);
}
