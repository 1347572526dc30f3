import type { ErrorRequestHandler, Express, RequestHandler } from "express";
import { CommitUnknownError, DatabaseBusyError, DatabaseHeldError, DatabaseUnavailableError, InvalidValueError } from "../../db/database";
import { StorageUnavailableError } from "../../documents/storage";
import type { Logger } from "../../observability/logger";
import { allowedMethods } from "../allowed-methods";
import { HttpProblem } from "../problem";
import { sendProblem } from "../respond";

/** 404 for every path that no route took; 405 when there are routes for it, but none with this method. */
export function notFound(app: Express): RequestHandler {
  const allowed = allowedMethods(app);
  return (request) => {
    const methods = allowed(request.path);
    if (methods.length === 0 || methods.includes(request.method)) {
      throw new HttpProblem("not-found", `There is no ${request.method} ${request.path.slice(0, 200)}.`);
    }
    const list = methods.join(", ");
    const detail = `${request.path.slice(0, 200)} does not take ${request.method}, only ${list}.`;
    throw new HttpProblem("method-not-allowed", detail, { headers: { Allow: list } });
  };
}

/** The last middleware: every error becomes a problem document. What the client did not cause is logged with its stack, and told without. */
export function errors(logger: Logger): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    const problem = toProblem(error);
    if (problem.status >= 500) {
      const { requestId, traceId } = request.context;
      logger.error({ err: error, requestId, traceId, method: request.method, path: request.path }, "error while answering");
    }
    // Nothing can be taken back; ending the connection tells the client that the answer is incomplete.
    if (response.headersSent) next(error);
    else sendProblem(request, response, problem);
  };
}

/** At random, so that those who were refused together do not come back together. */
function someSeconds(): string {
  return String(1 + Math.floor(Math.random() * 5));
}

function toProblem(error: unknown): HttpProblem {
  if (error instanceof HttpProblem) return error;
  if (error instanceof DatabaseHeldError) {
    const detail =
      "The data is being moved to another database, and nothing is written meanwhile; nothing was changed, try again in a moment.";
    return new HttpProblem("unavailable", detail, { headers: { "Retry-After": someSeconds() } });
  }
  if (error instanceof DatabaseBusyError) {
    return new HttpProblem("unavailable", "The database is busy; try again in a moment.", { headers: { "Retry-After": "1" } });
  }
  if (error instanceof DatabaseUnavailableError) {
    return new HttpProblem("unavailable", "The database is not available; nothing was changed.", {
      headers: { "Retry-After": someSeconds() },
    });
  }
  if (error instanceof CommitUnknownError) {
    const detail =
      "The database was lost while it saved; look whether the change is there before you send it again, unless it has an Idempotency-Key.";
    return new HttpProblem("unavailable", detail, { headers: { "Retry-After": "5" } });
  }
  if (error instanceof StorageUnavailableError) {
    return new HttpProblem("unavailable", "The storage of documents is not available; try again in a moment.", {
      headers: { "Retry-After": "5" },
    });
  }
  if (error instanceof InvalidValueError) return new HttpProblem("bad-request", "A value of the request does not have the form it needs.");
  return fromLibrary(error) ?? new HttpProblem("internal", "Something went wrong on our side; the requestId helps us to find it.");
}

/** Errors that express and body-parser raise about a request; they carry `type` or `status`. */
function fromLibrary(error: unknown): HttpProblem | undefined {
  if (!(error instanceof Error) || !("status" in error) || typeof error.status !== "number") return undefined;
  const type = "type" in error ? error.type : undefined;
  if (type === "entity.parse.failed") return new HttpProblem("malformed-json", "The body is not valid JSON.");
  if (type === "entity.too.large") {
    const limit = "limit" in error && typeof error.limit === "number" ? ` of ${error.limit} bytes` : "";
    return new HttpProblem("body-too-large", `The body is larger than the limit${limit}.`);
  }
  if (error.status === 415)
    return new HttpProblem("unsupported-media-type", "The body's encoding or character set is not supported; send UTF-8.");
  if (error.status >= 400 && error.status < 500) return new HttpProblem("bad-request", "The request is malformed.");
  return undefined;
}
