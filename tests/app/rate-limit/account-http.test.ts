import assert from "node:assert/strict";
import { loginAccount } from "../../../app/src/rate-limit/account-limit";
import { BYPASS_HEADER } from "../../../app/src/rate-limit/limiter";
import { ADMIN_TOKEN, type Answer, assertProblem, PASSWORD, type Problem, TestApp } from "../http/support";

/** Wrong passwords that may come at once; every attempt of these tests comes from another address, as those of a botnet do. */
const BURST = 4;
const LIMITS = { RATE_LIMITS: "on", RATE_LIMIT_ACCOUNT: `8/1h burst ${BURST}`, TRUST_PROXY: "1" };

interface Refusal extends Problem {
  readonly policy: string;
  readonly retryAfterSeconds: number;
}

let addresses = 0;
const fromElsewhere = (): Record<string, string> => {
  addresses += 1;
  return { "x-forwarded-for": `10.${(addresses >> 16) & 255}.${(addresses >> 8) & 255}.${addresses & 255}` };
};

describe("wrong passwords of one account over HTTP", () => {
  let app: TestApp;
  beforeEach(async () => (app = await TestApp.start(LIMITS)));
  afterEach(() => app.remove());

  const post = (where: string, json: object, headers: Readonly<Record<string, string>> = {}, token?: string): Promise<Answer<Refusal>> =>
    app.request<Refusal>("POST", where, { json, headers: { ...fromElsewhere(), ...headers }, ...(token !== undefined && { token }) });
  const logIn = (email: string, password: string, headers?: Readonly<Record<string, string>>): Promise<Answer<Refusal>> =>
    post("/api/auth/login", { email, password }, headers);
  const guess = async (email: string, count: number): Promise<number[]> => {
    const statuses: number[] = [];
    for (let attempt = 0; attempt < count; attempt += 1) statuses.push((await logIn(email, `wrong password ${attempt}`)).status);
    return statuses;
  };
  const change = (token: string, currentPassword: string): Promise<Answer<Refusal>> =>
    post("/api/auth/password", { currentPassword, newPassword: PASSWORD }, {}, token);
  const refused = [...Array.from({ length: BURST }, () => 401), 429, 429];

  /** What an answer tells: everything but what is of this request alone. */
  const told = ({ status, headers, body }: Answer<Refusal>): unknown => {
    const { requestId, retryAfterSeconds, detail, ...rest } = body;
    assert.ok(requestId);
    const names = [...headers.keys()].sort();
    return [status, names, rest, detail.replace(/\d+ s/, "… s"), headers.get("ratelimit-policy"), retryAfterSeconds === undefined];
  };

  it("D2 are refused from whatever address after so many, in the usual form, and the right one with them", async () => {
    await app.signUp("owner@example.org");
    assert.deepEqual(await guess("owner@example.org", BURST + 2), refused);
    const answer = await logIn(" Owner@Example.org ", PASSWORD);
    assertProblem(answer, 429);
    assert.equal(answer.body.type, "urn:phased-stack:problem:rate-limited");
    assert.equal(answer.body.policy, "account");
    const wait = Number(answer.headers.get("retry-after"));
    assert.ok(wait === answer.body.retryAfterSeconds && wait > 440 && wait <= 450 * 1.1 + 3, `one in 450 s: ${wait}`);
    assert.equal(answer.headers.get("ratelimit-policy"), '"auth";q=10;w=300, "progressive";q=30;w=3600, "account";q=8;w=3600');
    assert.match(answer.headers.get("ratelimit") ?? "", /, "account";r=0;t=\d+$/);
    assert.equal((await logIn("owner@example.org", PASSWORD, { [BYPASS_HEADER]: ADMIN_TOKEN })).status, 200, "operators pass");
    assert.equal((await logIn("owner@example.org", PASSWORD)).status, 200, "and have taken all back with it");
  });

  it("D2 an address that nobody has is answered the same, attempt for attempt", async () => {
    await app.signUp("owner@example.org");
    for (let attempt = 0; attempt < BURST + 2; attempt += 1) {
      const answers = [await logIn("owner@example.org", "wrong password"), await logIn("nobody@example.org", "wrong password")];
      assert.deepEqual(told(answers[0] as Answer<Refusal>), told(answers[1] as Answer<Refusal>), `attempt ${attempt}`);
    }
  });

  it("D2 who logs in is never held up by it, and a right password takes the wrong ones back", async () => {
    await app.signUp("owner@example.org");
    for (let round = 0; round < 4; round += 1) {
      assert.deepEqual(await guess("owner@example.org", BURST - 1), refused.slice(0, BURST - 1));
      assert.equal((await logIn("owner@example.org", PASSWORD)).status, 200);
    }
    const many = await Promise.all(Array.from({ length: BURST * 5 }, () => logIn("owner@example.org", PASSWORD)));
    assert.deepEqual(new Set(many.map(({ status }) => status)), new Set([200]));
    const malformed = await Promise.all(Array.from({ length: BURST * 2 }, () => logIn("owner@example.org", "")));
    assert.deepEqual(new Set(malformed.map(({ status }) => status)), new Set([400]), "what is no attempt does not count");
    assert.equal((await logIn("owner@example.org", PASSWORD)).status, 200);
  });

  it("D2 who is logged in goes on, may change the password, and lets themselves in with it", async () => {
    const { token } = await app.signUp("owner@example.org");
    assert.deepEqual(await guess("owner@example.org", BURST + 2), refused);
    assert.equal((await app.request("GET", "/api/orders", { token })).status, 200);
    assert.equal((await change(token, PASSWORD)).status, 200);
    assert.equal((await logIn("owner@example.org", PASSWORD)).status, 200);
  });

  it("D2 a stolen session is no way to try passwords without end, and does not keep its owner from logging in", async () => {
    const { token } = await app.signUp("owner@example.org");
    const statuses: number[] = [];
    for (let attempt = 0; attempt < BURST + 2; attempt += 1) statuses.push((await change(token, "wrong password")).status);
    assert.deepEqual(statuses, refused);
    const answer = await change(token, PASSWORD);
    assertProblem(answer, 429);
    assert.equal(answer.body.policy, "account");
    assert.equal((await logIn("owner@example.org", PASSWORD)).status, 200);
  });

  it("D2 an admin lets a user in again: with a new password, or by activating them", async () => {
    const admin = await app.signUp("owner@example.org");
    const user = await app.addUser(admin.token);
    const where = `/api/users/${user.userId}`;
    const lifts: [string, string, object | undefined][] = [
      ["PATCH", where, { password: PASSWORD }],
      ["POST", `${where}/activate`, undefined],
    ];
    for (const [method, path, json] of lifts) {
      assert.deepEqual(await guess(user.email, BURST + 2), refused);
      assert.equal((await app.request("PATCH", where, { token: admin.token, json: { name: "Other" } })).status, 200);
      assert.equal((await logIn(user.email, PASSWORD)).status, 429, "a new name lets nobody in");
      assert.equal((await app.request(method, path, { token: admin.token, ...(json !== undefined && { json }) })).status, 200);
      assert.equal((await logIn(user.email, PASSWORD)).status, 200, method);
    }
  });

  it("D2 refusals are counted and logged, and the log has no address of anybody", async () => {
    assert.deepEqual(await guess("somebody@example.org", BURST + 2), refused);
    const line = app.log.find(({ policy }) => policy === "account");
    assert.equal(line?.["account"], loginAccount("somebody@example.org"));
    assert.equal(line?.["msg"], "too many wrong passwords: logins of an account are refused");
    assert.doesNotMatch(JSON.stringify(app.log), /somebody/);
    const { text } = await app.request("GET", "/metrics");
    assert.match(text, /rate_limit_requests_total\{policy="account",store="memory",outcome="limited"\} \d+/);
  });
});

describe("the limit of wrong passwords, switched off or tried out", () => {
  it("D2 refuses nobody", async () => {
    for (const value of ["off", "dry-run"]) {
      const app = await TestApp.start({ ...LIMITS, RATE_LIMIT_ACCOUNT: value });
      try {
        for (let attempt = 0; attempt < 12; attempt += 1) {
          const json = { email: "owner@example.org", password: "wrong password" };
          const { status } = await app.request("POST", "/api/auth/login", { json, headers: fromElsewhere() });
          assert.equal(status, 401, value);
        }
      } finally {
        await app.remove();
      }
    }
  });
});
