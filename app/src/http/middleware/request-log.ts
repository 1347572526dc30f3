import type { Request, Response } from "express";
import type { RawLine } from "../../observability/logger";

/** Writes the line of a request that is over. Never a query string, a header or a body: they may hold what must not be kept. */
export function logRequest(write: RawLine, request: Request, response: Response, durationMs: number, address: string): void {
  const { requestId, traceId } = request.context;
  const { statusCode } = response;
  // Checked where they are made (ids, method, status) or numbers; only path and address could hold what JSON escapes.
  let fields = `,"requestId":"${requestId}","traceId":"${traceId}","method":"${request.method}","path":${JSON.stringify(pathOf(request))}`;
  fields += `,"status":${statusCode},"durationMs":${Math.round(durationMs * 100) / 100}`;
  fields += `,"ip":${JSON.stringify(address)}`;
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
