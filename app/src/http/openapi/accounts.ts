import { z } from "zod";
import { PLANS } from "../../billing/plans";
import type { Company } from "../../companies/companies";
import { USER_LIST, type User } from "../../users/users";
import { logInSchema, newPasswordSchema, signUpSchema } from "../routes/auth";
import { companyChangesSchema } from "../routes/company";
import { newPlatformAdminSchema } from "../routes/platform-admins";
import { newUserSchema, userChangesSchema } from "../routes/users";
import * as shown from "./fields";
import { resource, UNCHANGED, type Operation } from "./operation";

const role = z.enum(["user", "admin"]);

const userSchema: z.ZodType<User> = z.strictObject({
  id: shown.id,
  email: z.string(),
  name: z.string(),
  role,
  status: z.enum(["active", "deactivated"]),
  ...shown.times,
});

const companySchema: z.ZodType<Company> = z.strictObject({ id: shown.id, name: z.string(), plan: z.enum(PLANS), ...shown.times });

const signedInSchema = z.strictObject({ token: z.string(), expiresAt: shown.time, user: userSchema, company: companySchema });
const signedIn = {
  description: "Logged in: a cookie for browsers, a token for programs",
  schema: signedInSchema,
  headers: ["Set-Cookie"],
} as const;
const loggedOut = { 204: { description: "Logged out", headers: ["Set-Cookie"] as const } };
const etag = ["ETag"] as const;
const oneUser = { 200: { description: "As it is now", schema: userSchema, headers: etag } };
const oneCompany = { description: "As it is now", schema: companySchema, headers: etag };

/** Signing up and in, the company and its users. */
export const accountOperations: readonly Operation[] = [
  {
    tag: "auth",
    method: "post",
    path: "/api/auth/signup",
    summary: "Creates a company with its first admin",
    body: signUpSchema,
    answers: { 201: signedIn },
  },
  { tag: "auth", method: "post", path: "/api/auth/login", summary: "Starts a session", body: logInSchema, answers: { 200: signedIn } },
  { tag: "auth", method: "post", path: "/api/auth/logout", summary: "Ends this session", answers: loggedOut },
  { tag: "auth", method: "post", path: "/api/auth/logout-everywhere", summary: "Ends all sessions of the user", answers: loggedOut },
  {
    tag: "auth",
    method: "post",
    path: "/api/auth/password",
    summary: "Sets a new password; all other sessions end",
    body: newPasswordSchema,
    answers: { 200: signedIn },
  },
  {
    tag: "auth",
    method: "get",
    path: "/api/auth/me",
    summary: "Who asks",
    answers: {
      200: { description: "User and company", schema: z.strictObject({ user: userSchema, company: companySchema, expiresAt: shown.time }) },
    },
  },
  {
    tag: "auth",
    method: "get",
    path: "/api/session",
    summary: "Who asks, from the session alone",
    answers: {
      200: {
        description: "The session",
        schema: z.strictObject({ companyId: shown.id, userId: shown.id, role, expiresAt: shown.time }),
      },
    },
  },
  {
    tag: "company",
    method: "get",
    path: "/api/company",
    summary: "The company of whoever asks",
    answers: { 200: oneCompany, 304: UNCHANGED },
  },
  {
    tag: "company",
    method: "patch",
    path: "/api/company",
    summary: "Renames the company",
    body: companyChangesSchema,
    versioned: true,
    answers: { 200: oneCompany },
  },
  ...resource({
    tag: "users",
    path: "/api/users",
    one: "a user",
    list: USER_LIST,
    listItem: userSchema,
    create: newUserSchema,
    change: userChangesSchema,
  }),
  { tag: "users", method: "post", path: "/api/users/{id}/deactivate", summary: "Locks a user out", versioned: true, answers: oneUser },
  { tag: "users", method: "post", path: "/api/users/{id}/activate", summary: "Lets a user in again", versioned: true, answers: oneUser },
  {
    tag: "admin",
    method: "post",
    path: "/api/admin/platform-admins",
    summary: "Makes someone an operator of the platform",
    body: newPlatformAdminSchema,
    answers: { 201: { description: "Created", schema: userSchema } },
  },
];
