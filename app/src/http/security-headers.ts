import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import helmet, { type HelmetOptions } from "helmet";

/** Header names and values alternating, as `writeHead` takes them. */
export type FlatHeaders = readonly string[];

/**
 * What helmet would set on every response, captured once at boot. Answers then carry the same headers in one write, where a dozen
 * `setHeader` calls a request cost about 10 µs (app.md).
 */
function capture(options: HelmetOptions): FlatHeaders {
  const response = new ServerResponse(new IncomingMessage(new Socket()));
  helmet(options)(response.req, response, (error?: unknown) => {
    if (error !== undefined) throw error instanceof Error ? error : new Error("helmet refused its options.");
  });
  // helmet only removes this one, which the app never sets.
  return Object.entries(response.getHeaders()).flatMap(([name, value]) => [canonical(name), String(value)]);
}

function canonical(name: string): string {
  return name.replace(/(^|-)([a-z])/g, (_, dash: string, letter: string) => dash + letter.toUpperCase());
}

/**
 * For JSON: nothing in it may be rendered, framed or run. Only the headers that mean something on an answer that is no page, as OWASP's
 * REST security cheat sheet lists them; each header costs every answer about 0.2 µs of checking its name and value.
 */
export const API_HEADERS: FlatHeaders = capture({
  crossOriginOpenerPolicy: false,
  originAgentCluster: false,
  xDnsPrefetchControl: false,
  xDownloadOptions: false,
  xPermittedCrossDomainPolicies: false,
  xXssProtection: false,
  contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
});

/**
 * For the pages: own files only. No `upgrade-insecure-requests`, because phase `cluster` is reached over plain HTTP.
 * @param uploadsTo origin that pages may send uploads to. @default their own only
 */
export function pageHeaders(uploadsTo?: string): FlatHeaders {
  return capture({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        ...(uploadsTo !== undefined && { connectSrc: ["'self'", uploadsTo] }),
        imgSrc: ["'self'", "data:"],
        objectSrc: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
    },
  });
}
