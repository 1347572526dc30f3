import type { Request } from "express";
import { Router } from "express";
import { z } from "zod";
import type { Container } from "../../container";
import { users } from "../../db/tables";
import { loginAccount, sessionAccount } from "../../rate-limit/account-limit";
import { createUser, getUser, presentUser, updateUser, USER_LIST, type User, type UserChanges } from "../../users/users";
import { sendCached } from "../cached";
import { email, name, password, role } from "../fields";
import { requireCompanyAdmin, sessionOf, tenantOf } from "../middleware/authenticate";
import { jsonBody } from "../middleware/body";
import { listPage, parseListRequest } from "../pagination";
import { contentHeaders, expectedTag } from "../precondition";
import { sendJson } from "../respond";
import { pathId, validate } from "../validate";

export const newUserSchema = z.strictObject({ email, name, password, role: role.default("user") });
export const userChangesSchema = z.strictObject({ name: name.optional(), role: role.optional(), password: password.optional() });

/** `/api/users`: the users of a company, for its admins. Users are deactivated, never deleted: orders name their creators. */
export function userRoutes(container: Container): Router {
  const { database, accounts, sessions, limits } = container;
  const router = Router();
  const change = async (request: Request, changes: UserChanges): Promise<User> => {
    const by = { platformAdmin: sessionOf(request).platformAdmin, expected: expectedTag(request) };
    const { user, endedSessions } = await updateUser(tenantOf(request, database), pathId(request), changes, by);
    await sessions.forget(endedSessions);
    // How an admin lets in somebody whose logins are refused: with a new password, or by activating them, also who is active.
    if (changes.passwordHash !== undefined || changes.status === "active") {
      const { companyId } = sessionOf(request);
      await limits.accounts.clear(loginAccount(user.email), sessionAccount({ companyId, userId: user.id }));
    }
    return user;
  };
  router.use(requireCompanyAdmin);

  router.get("/", async (request, response) => {
    const list = parseListRequest(request.query, USER_LIST);
    await sendCached(container, request, response, { name: "users", query: list, tags: [users.table] }, (scope) =>
      listPage(scope.table(users), list, presentUser),
    );
  });

  router.post("/", jsonBody(), async (request, response) => {
    const { password: clear, ...user } = validate(newUserSchema, request.body, "The request body");
    const passwordHash = await accounts.hash(clear);
    await accounts.claimLogin(user.email, sessionOf(request).companyId);
    const created = await tenantOf(request, database).transaction((inside) => createUser(inside, { ...user, passwordHash }));
    sendJson(request, response, 201, created, { location: `/api/users/${created.id}`, ...contentHeaders(created) });
  });

  router.get("/:id", async (request, response) => {
    const id = pathId(request);
    await sendCached(container, request, response, { name: `user:${id}`, tags: [users.table] }, (scope) => getUser(scope, id));
  });

  router.patch("/:id", jsonBody(), async (request, response) => {
    const changes = validate(userChangesSchema, request.body, "The request body");
    const updated = await change(request, {
      ...(changes.name !== undefined && { name: changes.name }),
      ...(changes.role !== undefined && { role: changes.role }),
      ...(changes.password !== undefined && { passwordHash: await accounts.hash(changes.password) }),
    });
    sendJson(request, response, 200, updated, contentHeaders(updated));
  });

  router.post("/:id/deactivate", async (request, response) => {
    const user = await change(request, { status: "deactivated" });
    sendJson(request, response, 200, user, contentHeaders(user));
  });

  router.post("/:id/activate", async (request, response) => {
    const user = await change(request, { status: "active" });
    sendJson(request, response, 200, user, contentHeaders(user));
  });

  return router;
}
