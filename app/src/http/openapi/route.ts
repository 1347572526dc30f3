import type { RequestHandler } from "express";
import type { AppConfig } from "../../config";
import { sendText } from "../respond";
import { buildDocument } from "./document";
import { OPERATIONS } from "./operations";

/** `GET /openapi.json`. Built when it is first asked for, once a worker: most workers are never asked. */
export function openApiRoute({ appName, appVersion }: AppConfig): RequestHandler {
  let text: string | undefined;
  return (request, response) => {
    text ??= JSON.stringify(buildDocument(OPERATIONS, appName, appVersion));
    sendText(request, response, "application/json; charset=utf-8", text);
  };
}
