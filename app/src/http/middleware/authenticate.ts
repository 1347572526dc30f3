import type { NextFunction, Request, RequestHandler } from "express";
import type { Database } from "../../db/database";
import type { TenantScope } from "../../db/tenant";
import { accessOf, type Access } from "../../session/access";
import { COOKIE_LIFETIME_SECONDS, readCookie, SESSION_COOKIE, sessionCookie } from "../../session/cookie";
import type { Session, SessionStore } from "../../session/session-store";
import { secretsEqual } from "../../session/token";
import { HttpProblem } from "../problem";
import { scopeOf } from "../read-your-writes";
import { refuseForeignOrigin } from "./csrf";

const BEARER = /^Bearer +([\x21-\x7e]{1,4096})$/i;

/** The token of `Authorization: Bearer …`, which goes before the session cookie's. */
export function requestToken(request: Request): string | undefined {
  return bearerToken(request) ?? readCookie(request.headers.cookie, SESSION_COOKIE);
}

function bearerToken(request: Request): string | undefined {
  const header = request.headers.authorization;
  return header === undefined ? undefined : BEARER.exec(header)?.[1];
}

/** Finds out who asks and refuses everyone else; afterwards {@link sessionOf} and {@link tenantOf} work. */
export function authenticate(sessions: SessionStore): RequestHandler {
  return (request, _response, next) => {
    if (request.session !== undefined) next();
    else afterwards(requireSession(request, sessions), next);
  };
}

/**
 * Lets a request pass that has what {@link accessOf} asks for. The one place where access is decided; what comes after it is narrowed to
 * the company of the session by `TenantScope`.
 */
export function authorize(sessions: SessionStore, adminToken: string, begin: BeginEarly = () => undefined): RequestHandler {
  return (request, _response, next) => {
    afterwards(check(accessOf(request.method, `${request.baseUrl}${request.path}`), request, sessions, adminToken, begin), next);
  };
}

/**
 * Called where a session has to be looked up elsewhere, with the one that the token led to the last time: what needs another answer from
 * there can be asked in the same round trip. The session may turn out to have ended.
 */
export type BeginEarly = (request: Request, expected: Session) => void;

/** Goes on at once where nothing had to be waited for: most sessions are remembered, and every promise costs a request about a microsecond. */
function afterwards(pending: unknown, next: NextFunction): void {
  if (pending instanceof Promise) pending.then(() => next()).catch(next);
  else next();
}

/** @throws HttpProblem, or rejects with it. */
function check(access: Access, request: Request, sessions: SessionStore, adminToken: string, begin: BeginEarly): void | Promise<void> {
  if (access === "public") return;
  if (access === "admin-token" || access === "platform-admin") {
    const bearer = bearerToken(request);
    if (bearer !== undefined && secretsEqual(bearer, adminToken)) return;
    if (access === "admin-token") throw needsAdminToken();
  }
  const session = requireSession(request, sessions, begin);
  if (session instanceof Promise) return session.then((found) => checkRole(access, found));
  checkRole(access, session);
}

function checkRole(access: Access, session: Session): void {
  if (access === "platform-admin" && !session.platformAdmin) {
    throw new HttpProblem("forbidden", "Only an operator of the platform may do this.");
  }
  if (access === "company-admin" && session.role !== "admin") throw new HttpProblem("forbidden", ONLY_COMPANY_ADMINS);
}

function requireSession(request: Request, sessions: SessionStore, begin?: BeginEarly): Session | Promise<Session> {
  const bearer = bearerToken(request);
  const token = bearer ?? readCookie(request.headers.cookie, SESSION_COOKIE);
  // Browsers send cookies along with requests that other sites make them send; a bearer token nobody sends by accident.
  if (bearer === undefined && token !== undefined) refuseForeignOrigin(request);
  const remembered = token === undefined ? undefined : sessions.remembered(token);
  if (remembered !== undefined) return (request.session = remembered);
  const expected = token === undefined || begin === undefined ? undefined : sessions.recent(token);
  if (expected !== undefined) begin?.(request, expected);
  const found = token === undefined ? Promise.resolve(undefined) : sessions.find(token);
  return found.then((session) => useSession(request, token, bearer, session));
}

/** What was found for the token of a request becomes its session. */
function useSession(request: Request, token: string | undefined, bearer: string | undefined, session: Session | undefined): Session {
  if (session === undefined) {
    const detail = token === undefined ? "Log in first." : "The session has ended; log in again.";
    throw new HttpProblem("authentication-required", detail, { headers: { "WWW-Authenticate": "Bearer" } });
  }
  request.session = session;
  if (session.prolonged === true && bearer === undefined && token !== undefined) {
    request.context.sessionCookie = sessionCookie(token, COOKIE_LIFETIME_SECONDS, request.secure);
  }
  return session;
}

const ONLY_COMPANY_ADMINS = "Only an admin of the company may do this.";

/** Lets only admins of their company pass; after {@link authenticate}. */
export const requireCompanyAdmin: RequestHandler = (request, _response, next) => {
  if (sessionOf(request).role !== "admin") throw new HttpProblem("forbidden", ONLY_COMPANY_ADMINS);
  next();
};

/** Lets only holders of the instance's admin token pass: operators, not users. */
export function requireAdminToken(adminToken: string): RequestHandler {
  return (request, _response, next) => {
    const token = bearerToken(request);
    if (token === undefined || !secretsEqual(token, adminToken)) throw needsAdminToken();
    next();
  };
}

function needsAdminToken(): HttpProblem {
  return new HttpProblem("authentication-required", "This needs the admin token as Authorization: Bearer.", {
    headers: { "WWW-Authenticate": "Bearer" },
  });
}

export function sessionOf(request: Request): Session {
  if (request.session === undefined) throw new Error("This route is missing the authenticate middleware.");
  return request.session;
}

/** What the request's company may see; reads may go to a replica, see `read-your-writes.ts`. */
export function tenantOf(request: Request, database: Database): TenantScope {
  return scopeOf(request, database, sessionOf(request).companyId);
}
