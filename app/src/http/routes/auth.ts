import type { Request, Response } from "express";
import { Router } from "express";
import { z } from "zod";
import { getCompany } from "../../companies/companies";
import type { Container } from "../../container";
import { TenantScope } from "../../db/tenant";
import { loginAccount, sessionAccount } from "../../rate-limit/account-limit";
import type { SignedIn } from "../../session/accounts";
import { COOKIE_LIFETIME_SECONDS, sessionCookie } from "../../session/cookie";
import { getUser } from "../../users/users";
import { email, givenPassword, name, password } from "../fields";
import { authenticate, requestToken, sessionOf } from "../middleware/authenticate";
import { jsonBody } from "../middleware/body";
import { refuseForeignOrigin } from "../middleware/csrf";
import { tellWriteMark } from "../read-your-writes";
import { sendJson, sendNothing } from "../respond";
import { validate } from "../validate";

export const signUpSchema = z.strictObject({ companyName: name, name, email, password });
export const newPasswordSchema = z.strictObject({ currentPassword: givenPassword, newPassword: password });
export const logInSchema = z.strictObject({ email, password: givenPassword });

/** `/api/auth`: sign up, log in, log out, and who one is. A session is a cookie for browsers and a bearer token for programs. */
export function authRoutes({ accounts, sessions, database, limits }: Container): Router {
  const router = Router();
  const sendSession = (request: Request, response: Response, status: number, signedIn: SignedIn): void => {
    tellWriteMark(request, database);
    const setCookie = sessionCookie(signedIn.token, COOKIE_LIFETIME_SECONDS, request.secure);
    sendJson(request, response, status, signedIn, { setCookie });
  };

  router.post("/signup", jsonBody(), async (request, response) => {
    const signedIn = await accounts.signUp(validate(signUpSchema, request.body, "The request body"));
    sendSession(request, response, 201, signedIn);
  });

  router.post("/login", jsonBody(), async (request, response) => {
    const credentials = validate(logInSchema, request.body, "The request body");
    const logIn = (): Promise<SignedIn> => accounts.logIn(credentials.email, credentials.password);
    sendSession(request, response, 200, await limits.accounts.attempt(request, loginAccount(credentials.email), logIn));
  });

  router.post("/logout", async (request, response) => {
    // Everyone may, so the table of access does not look where it comes from.
    if (request.headers.authorization === undefined) refuseForeignOrigin(request);
    const token = requestToken(request);
    if (token !== undefined) await sessions.end(token);
    sendNothing(request, response, { setCookie: sessionCookie("", 0, request.secure) });
  });

  router.post("/logout-everywhere", authenticate(sessions), async (request, response) => {
    const { companyId, userId } = sessionOf(request);
    await sessions.endAll(companyId, userId);
    sendNothing(request, response, { setCookie: sessionCookie("", 0, request.secure) });
  });

  router.post("/password", authenticate(sessions), jsonBody(), async (request, response) => {
    const { currentPassword, newPassword } = validate(newPasswordSchema, request.body, "The request body");
    const session = sessionOf(request);
    const change = (): Promise<SignedIn> => accounts.changePassword(session, currentPassword, newPassword);
    const signedIn = await limits.accounts.attempt(request, sessionAccount(session), change);
    // Whatever was tried before was tried at another password.
    await limits.accounts.clear(loginAccount(signedIn.user.email));
    sendSession(request, response, 200, signedIn);
  });

  router.get("/me", authenticate(sessions), async (request, response) => {
    const session = sessionOf(request);
    // Of the primary, as everything about who asks: who has just signed up is known there first.
    const scope = new TenantScope(database, session.companyId);
    sendJson(request, response, 200, {
      user: await getUser(scope, session.userId),
      company: await getCompany(scope),
      expiresAt: session.expiresAt,
    });
  });

  return router;
}
