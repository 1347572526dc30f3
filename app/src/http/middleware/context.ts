import type { RequestHandler } from "express";
import { createContext } from "../../observability/context";

/** Gives every request its id and its place in a trace; see {@link createContext}. */
export const requestContext: RequestHandler = (request, _response, next) => {
  const { "x-request-id": id, traceparent } = request.headers;
  request.context = createContext(typeof id === "string" ? id : undefined, typeof traceparent === "string" ? traceparent : undefined);
  next();
};
