import type { Request, RequestHandler } from "express";
import type { Database } from "../../db/database";
import { TenantScope } from "../../db/tenant";
import { readCookie, SESSION_COOKIE } from "../../session/cookie";
import type { Session, SessionStore } from "../../session/session-store";
import { secretsEqual } from "../../session/token";
import { HttpProblem } from "../problem";

const BEARER = /^Bearer +([\x21-\x7e]{1,4096})$/i;

/** The token of `Authorization: Bearer …`, which goes before the session cookie's. */
export function requestToken(request: Request): string | undefined {
  return bearerToken(request) ?? readCookie(request.headers.cookie, SESSION_COOKIE);
}

function bearerToken(request: Request): string | undefined {
  return BEARER.exec(request.headers.authorization ?? "")?.[1];
}

/** Finds out who asks and refuses everyone else; afterwards {@link sessionOf} and {@link tenantOf} work. */
export function authenticate(sessions: SessionStore): RequestHandler {
  return async (request, _response, next) => {
    const token = requestToken(request);
    const session = token === undefined ? undefined : await sessions.find(token);
    if (session === undefined) {
      const detail = token === undefined ? "Log in first." : "The session has ended; log in again.";
      throw new HttpProblem("authentication-required", detail, { headers: { "WWW-Authenticate": "Bearer" } });
    }
    request.session = session;
    next();
  };
}

/** Lets only admins of their company pass; after {@link authenticate}. */
export const requireCompanyAdmin: RequestHandler = (request, _response, next) => {
  if (sessionOf(request).role !== "admin") throw new HttpProblem("forbidden", "Only an admin of the company may do this.");
  next();
};

/** Lets only holders of the instance's admin token pass: operators, not users. */
export function requireAdminToken(adminToken: string): RequestHandler {
  return (request, _response, next) => {
    const token = bearerToken(request);
    if (token === undefined || !secretsEqual(token, adminToken)) {
      throw new HttpProblem("authentication-required", "This needs the admin token as Authorization: Bearer.", {
        headers: { "WWW-Authenticate": "Bearer" },
      });
    }
    next();
  };
}

export function sessionOf(request: Request): Session {
  if (request.session === undefined) throw new Error("This route is missing the authenticate middleware.");
  return request.session;
}

/** What the request's company may see. */
export function tenantOf(request: Request, database: Database): TenantScope {
  return new TenantScope(database, sessionOf(request).companyId);
}
