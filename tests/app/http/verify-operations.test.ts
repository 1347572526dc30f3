import assert from "node:assert/strict";
import { operationChecks } from "../../../toolchain/verify/checks/operations";
import { limitChecks } from "../../../toolchain/verify/checks/limits";
import { type Answer, type Ask, HttpClient } from "../../../toolchain/verify/http";
import type { Check, Outcome, VerifyContext } from "../../../toolchain/verify/types";
import { fakeContainer, fakeContext } from "../../support/verify-context";
import { ADMIN_TOKEN, TestApp } from "./support";

/** An app in which one answer is not what it should be. */
class Tampered extends HttpClient {
  constructor(
    url: string,
    token: string | undefined,
    private readonly change: (method: string, path: string, answer: Answer) => Partial<Answer> | undefined,
  ) {
    super(url, token);
  }

  override async ask(path: string, ask: Ask = {}): Promise<Answer> {
    const answer = await super.ask(path, ask);
    return { ...answer, ...this.change(ask.method ?? "GET", path, answer) };
  }
}

const [LIVES, READS, ROLES] = operationChecks as readonly [Check, Check, Check];
const [TOLD, LIMITS] = limitChecks as readonly [Check, Check];

describe("C8 npm run verify asks every endpoint of a running app, as everybody who may and may not", () => {
  let app: TestApp;
  before(async () => (app = await TestApp.start()));
  after(() => app.remove());

  async function run(
    check: Check,
    change: ConstructorParameters<typeof Tampered>[2] = () => undefined,
    token: string | undefined = ADMIN_TOKEN,
  ): Promise<Outcome> {
    const http = new Tampered(app.url, token, change);
    try {
      return await check.run({ ...fakeContext({ url: app.url }), http, adminToken: token ?? "", session: () => http.signUp() });
    } finally {
      http.close();
    }
  }

  it("passes on an app that is as it should be", async () => {
    assert.deepEqual(await run(LIVES), { verdict: "pass", measured: "33 requests to 7 resources" });
    const reads = await run(READS);
    assert.match(reads.measured, /^(\d+) of \1$/);
    assert.equal(reads.verdict, "pass");
    const roles = await run(ROLES);
    assert.equal(roles.verdict, "pass", roles.measured);
    assert.match(roles.measured, /^\d{3} requests of 4 kinds of people to \d\d operations refused; another company finds nothing$/);
  });

  it("tells what cannot be changed or deleted", async () => {
    const outcome = await run(LIVES, (method, path) =>
      method === "PATCH" && path.startsWith("/api/orders") ? { status: 500, text: "broken" } : undefined,
    );
    assert.equal(outcome.verdict, "fail");
    assert.match(outcome.measured, /^PATCH \/api\/orders\/[\w-]+: 500 broken$/);
    const kept = await run(LIVES, (method, path, { status }) =>
      method === "GET" && status === 404 && path.startsWith("/api/exams") ? { status: 200 } : undefined,
    );
    assert.equal(kept.measured, "GET /api/exams/{id} after it was deleted: 200");
  });

  it("tells what cannot be read, and what it left out without the admin token", async () => {
    const outcome = await run(READS, (_method, path) => (path === "/api/admin/metrics/problems" ? { status: 503, text: "" } : undefined));
    assert.deepEqual(outcome, { verdict: "fail", measured: "GET /api/admin/metrics/problems: 503 " });
    const without = await run(READS, undefined, "");
    assert.match(without.measured, /^\d+ of \d+; \d+ for operators were left out: needs the admin token/);
    assert.equal(without.verdict, "pass");
  });

  it("tells who is let in where he may not", async () => {
    const letIn = { status: 204, text: "", headers: {} };
    const outcome = await run(ROLES, (method, path, { status }) =>
      method === "DELETE" && path === "/api/orders/nobody" && status === 403 ? letIn : undefined,
    );
    assert.equal(outcome.verdict, "fail");
    assert.match(outcome.measured, /^a user, DELETE \/api\/orders\/\{id\}: status 204 instead of 403/);
    const leaked = await run(ROLES, (method, path, { status }) =>
      method === "GET" && status === 404 && path.startsWith("/api/patients/") && !path.endsWith("nobody") ? { status: 200 } : undefined,
    );
    assert.equal(leaked.measured, "another company, /api/patients/{id}: 200");
    assert.equal((await run(ROLES, undefined, "")).verdict, "skip");
  });
});

describe("B7 npm run verify meets the limits of one user", () => {
  const run = async (
    environment: Readonly<Record<string, string>>,
    check = LIMITS,
    context: Partial<VerifyContext> = {},
    change: ConstructorParameters<typeof Tampered>[2] = () => undefined,
  ): Promise<Outcome> => {
    const app = await TestApp.start({ RATE_LIMITS: "on", ...environment });
    const http = new Tampered(app.url, ADMIN_TOKEN, change);
    try {
      return await check.run({ ...fakeContext({ url: app.url }), http, ...context });
    } finally {
      http.close();
      await app.remove();
    }
  };

  it("counts what is let through until each refuses, also when one of the address comes in between", async () => {
    const outcome = await run({ RATE_LIMIT_CHAT: "3/1m", RATE_LIMIT_API: "6/1m", RATE_LIMIT_BURST: "4/1s" });
    assert.deepEqual(outcome, { verdict: "pass", measured: "chat: 3 questions of 3, then 429; api: 6 requests of 6, then 429" });
  });

  it("reads what the answers tell", async () => {
    const outcome = await run({}, TOLD);
    assert.equal(outcome.verdict, "pass", outcome.measured);
    assert.equal(outcome.measured, '"api";q=100;w=60, "tier-free";q=500;w=900');
  });

  it("without Redis each instance may let as many through; who lets more through, or everything, is told", async () => {
    const few = { RATE_LIMIT_CHAT: "3/1m", RATE_LIMIT_API: "off", RATE_LIMIT_BURST: "off" };
    const two = fakeContext({ expected: { phase: "cluster" }, containers: { app: [fakeContainer(() => ""), fakeContainer(() => "")] } });
    assert.deepEqual(await run(few, LIMITS, { expected: two.expected, apps: two.apps }), {
      ...{ verdict: "pass", measured: "chat: 3 questions of 3 at each of 2 instances, then 429; api: switched off" },
    });
    const lenient = await run(few, LIMITS, {}, (_method, _path, { status }) => (status === 429 ? { status: 201 } : undefined));
    assert.deepEqual(lenient, {
      verdict: "fail",
      measured: "chat: 5 questions let through, the limit is 3",
    });
  });

  it("says what is switched off, and what is more than it sends", async () => {
    const outcome = await run({ RATE_LIMIT_CHAT: "off", RATE_LIMIT_API: "1000/1m" });
    assert.deepEqual(outcome, { verdict: "pass", measured: "chat: switched off; api: 1000 are more than one client here should send" });
    assert.equal((await run({ RATE_LIMITS: "off" })).verdict, "skip");
  });
});
