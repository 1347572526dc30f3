import express, { type RequestHandler } from "express";
import { HttpProblem } from "../problem";

/** Largest body of a route that does not say otherwise; bytes. The largest valid order is under 10 KB. */
export const DEFAULT_BODY_BYTES = 16 * 1024;

/**
 * Parses a JSON body into `request.body`. Anything but JSON is refused, which also keeps HTML forms of other sites from
 * reaching the API with a visitor's cookie.
 */
export function jsonBody(limitBytes = DEFAULT_BODY_BYTES): RequestHandler {
  const parse: RequestHandler = express.json({ limit: limitBytes, strict: true, type: () => true });
  return (request, response, next) => {
    if (request.is("application/json") === false) {
      const sent = request.headers["content-type"] ?? "no Content-Type";
      throw new HttpProblem("unsupported-media-type", `The body has to be application/json, not ${sent.slice(0, 80)}.`);
    }
    parse(request, response, next);
  };
}
