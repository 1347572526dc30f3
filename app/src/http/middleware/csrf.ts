import type { Request } from "express";
import { HttpProblem } from "../problem";

/** Methods that change nothing. */
const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Refuses a change that another site made a visitor's browser send along with its cookie. `SameSite=Lax` keeps the cookie off such
 * requests, and bodies have to be JSON, which a form of another site cannot send; this is for browsers and subdomains that the first does
 * not cover. Programs send neither header and pass.
 * @throws HttpProblem
 */
export function refuseForeignOrigin(request: Request): void {
  if (SAFE_METHODS.has(request.method)) return;
  // A browser says itself where a request comes from, and no script can change it; https://www.w3.org/TR/fetch-metadata/
  const site = request.headers["sec-fetch-site"];
  const foreign = site === undefined ? !isOwnOrigin(request) : site !== "same-origin" && site !== "none";
  if (foreign) throw new HttpProblem("forbidden", "Another site may not change anything here with a visitor's session.");
}

function isOwnOrigin(request: Request): boolean {
  const { origin } = request.headers;
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === request.headers.host;
}
