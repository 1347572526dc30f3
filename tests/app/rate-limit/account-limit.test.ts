import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Request } from "express";
import pino from "pino";
import { loadConfig } from "../../../app/src/config";
import { HttpProblem } from "../../../app/src/http/problem";
import { createContext } from "../../../app/src/observability/context";
import { AccountLimit, loginAccount } from "../../../app/src/rate-limit/account-limit";
import { FallbackStore } from "../../../app/src/rate-limit/fallback-store";
import { MemoryStore } from "../../../app/src/rate-limit/memory-store";
import { type LimitPolicy, resolvePolicies } from "../../../app/src/rate-limit/policies";
import { SampledLog } from "../../../app/src/rate-limit/sampled-log";
import type { Bucket, LimitStore } from "../../../app/src/rate-limit/types";

const POLICY = resolvePolicies(loadConfig({}).rateLimits, "database").get("account");
assert.ok(POLICY);
const BURST = POLICY.spec.burst ?? 0;
const EACH_MS = POLICY.spec.windowMs / POLICY.spec.limit;
const HOUR_MS = 3_600_000;

const OWNER = loginAccount("owner@example.org");
const OPERATOR = "x-operator";

function request(headers: Readonly<Record<string, string>> = {}): Request {
  return { headers, context: createContext(undefined, undefined) } as unknown as Request;
}

function limit(store: LimitStore, policy: LimitPolicy = POLICY as LimitPolicy): AccountLimit {
  return new AccountLimit(policy, store, new SampledLog(pino({ level: "silent" })), ({ headers }) => OPERATOR in headers);
}

/** What comparing a wrong password does, as slow as it has to be for others to arrive meanwhile. */
async function wrong(): Promise<never> {
  await nextTurn();
  throw new HttpProblem("invalid-credentials", "The e-mail address or the password is wrong.");
}

async function right(): Promise<"in"> {
  await nextTurn();
  return "in";
}

/** What became of an attempt: `in`, or the kind of problem it was refused with. */
async function outcome(attempt: Promise<unknown>): Promise<unknown> {
  return attempt.catch((error: unknown) => (error instanceof HttpProblem ? error.kind : (error as Error).message));
}

async function tally(attempts: readonly Promise<unknown>[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const each of await Promise.all(attempts.map(outcome))) counts[String(each)] = (counts[String(each)] ?? 0) + 1;
  return counts;
}

/** A store that all instances ask, as Redis is, and that can go away. */
class SharedStore implements LimitStore {
  readonly kind = "redis" as const;
  away = false;
  readonly #inner = new MemoryStore(undefined, undefined, "redis");

  async consume(buckets: readonly Bucket[]) {
    await nextTurn();
    if (this.away) throw new Error("away");
    return this.#inner.consume(buckets);
  }
}

describe("wrong passwords of one account", () => {
  const times = <Result>(count: number, make: (number: number) => Result): Result[] => Array.from({ length: count }, (_, n) => make(n));

  it("D2 of any number at the same time exactly as many are compared as the limit says, the others refused without", async () => {
    const accounts = limit(new MemoryStore());
    let compared = 0;
    const check = (): Promise<never> => {
      compared += 1;
      return wrong();
    };
    assert.deepEqual(await tally(times(500, () => accounts.attempt(request(), OWNER, check))), {
      "invalid-credentials": BURST,
      "rate-limited": 500 - BURST,
    });
    assert.equal(compared, BURST);
    assert.equal(await outcome(accounts.attempt(request(), loginAccount("other@example.org"), right)), "in", "of this account alone");
  });

  it("D2 only wrong ones count: a right one takes all back, an error of ours its own", async () => {
    const accounts = limit(new MemoryStore());
    const away = (): Promise<never> => Promise.reject(new Error("the database is away"));
    const expect = async (count: number, check: () => Promise<unknown>, expected: string): Promise<void> => {
      for (let attempt = 0; attempt < count; attempt += 1) {
        assert.equal(await outcome(accounts.attempt(request(), OWNER, check)), expected);
      }
    };
    for (let round = 0; round < 3; round += 1) {
      await expect(BURST - 1, wrong, "invalid-credentials");
      await expect(BURST * 2, away, "the database is away");
      await expect(1, right, "in");
    }
    await expect(BURST * 3, right, "in");
  });

  it("D2 a program that logs in many times at once is let in each time: attempts that may still turn out well are waited for", async () => {
    for (const store of [new MemoryStore(), new SharedStore()]) {
      const accounts = limit(store);
      assert.deepEqual(await tally(times(BURST * 5, () => accounts.attempt(request(), OWNER, right))), { in: BURST * 5 });
    }
  });

  it("D2 what is refused says when to come back, behind what the address has left; other answers tell nothing of the account", async () => {
    const accounts = limit(new MemoryStore());
    const first = request();
    await outcome(accounts.attempt(first, OWNER, wrong));
    assert.equal(first.context.rateLimitHeaders, undefined);
    await tally(times(BURST, () => accounts.attempt(request(), OWNER, wrong)));
    for (const before of [undefined, ["RateLimit-Policy", '"auth";q=10;w=300', "RateLimit", '"auth";r=3;t=200']]) {
      const refused = request();
      if (before !== undefined) refused.context.rateLimitHeaders = before;
      const problem = await accounts.attempt(refused, OWNER, wrong).catch((error: unknown) => error);
      assert.ok(problem instanceof HttpProblem && problem.status === 429);
      const wait = Number(problem.headers["Retry-After"]) * 1000;
      assert.ok(wait >= EACH_MS - 1000 && wait <= EACH_MS * 1.1 + 3000, String(wait));
      const [, policies = "", , left = ""] = refused.context.rateLimitHeaders ?? [];
      assert.equal(policies, `${before === undefined ? "" : '"auth";q=10;w=300, '}"account";q=${POLICY.spec.limit};w=3600`);
      assert.match(left, before === undefined ? /^"account";r=0;t=\d+$/ : /^"auth";r=3;t=200, "account";r=0;t=\d+$/);
    }
  });

  it("D2 nobody is out for long: one attempt comes free after the other, all of them half an hour later, and the machine's clock changes nothing", async () => {
    let now = 5_000;
    const accounts = limit(new MemoryStore(() => now));
    const tried = (count: number) => tally(times(count, () => accounts.attempt(request(), OWNER, wrong)));
    const real = Date.now;
    try {
      assert.deepEqual(await tried(BURST + 1), { "invalid-credentials": BURST, "rate-limited": 1 });
      for (const shift of [HOUR_MS, -HOUR_MS, 0]) {
        Date.now = () => real() + shift;
        assert.deepEqual(await tried(5), { "rate-limited": 5 });
        now += EACH_MS;
        assert.deepEqual(await tried(5), { "invalid-credentials": 1, "rate-limited": 4 }, "refusals made it no longer");
      }
      now += EACH_MS;
      assert.equal(await outcome(accounts.attempt(request(), OWNER, right)), "in", "its owner, too");
      assert.deepEqual(await tried(BURST + 1), { "invalid-credentials": BURST, "rate-limited": 1 });
      now += BURST * EACH_MS;
      assert.deepEqual(await tried(BURST + 1), { "invalid-credentials": BURST, "rate-limited": 1 });
    } finally {
      Date.now = real;
    }
  });

  it("D2 a dry run refuses nobody; operators pass, and what they try over the limit is not counted", async () => {
    const dry = limit(new MemoryStore(), { ...POLICY, dryRun: true });
    assert.deepEqual(await tally(times(50, () => dry.attempt(request(), OWNER, wrong))), { "invalid-credentials": 50 });
    let now = 0;
    const accounts = limit(new MemoryStore(() => now));
    await tally(times(BURST, () => accounts.attempt(request(), OWNER, wrong)));
    const operator = () => outcome(accounts.attempt(request({ [OPERATOR]: "" }), OWNER, wrong));
    for (let attempt = 0; attempt < 20; attempt += 1) assert.equal(await operator(), "invalid-credentials");
    now += EACH_MS;
    assert.equal(await outcome(accounts.attempt(request(), OWNER, wrong)), "invalid-credentials");
  });

  describe("at several instances", () => {
    const failures: string[] = [];
    const instances = (shared: SharedStore): AccountLimit[] =>
      times(3, () => limit(new FallbackStore(shared, new MemoryStore(), { failed: ({ message }) => failures.push(message) })));
    const flood = (all: readonly AccountLimit[], count: number) =>
      tally(times(count, (number) => (all[number % all.length] as AccountLimit).attempt(request(), OWNER, wrong)));

    it("D2 F4 they share one limit, exactly, and a right password at one of them takes back what all counted", async () => {
      const all = instances(new SharedStore());
      const [one] = all;
      assert.ok(one);
      assert.deepEqual(await flood(all, 300), { "invalid-credentials": BURST, "rate-limited": 300 - BURST });
      await one.clear(OWNER);
      assert.deepEqual(await flood(all, BURST - 1), { "invalid-credentials": BURST - 1 });
      assert.equal(await outcome(one.attempt(request(), OWNER, right)), "in");
      assert.deepEqual(await flood(all, 300), { "invalid-credentials": BURST, "rate-limited": 300 - BURST });
    });

    it("D2 D12 without the shared store each goes on by half of it from what it last heard, and lets in who has the password", async () => {
      const shared = new SharedStore();
      const all = instances(shared);
      const [one, two] = all;
      assert.ok(one && two);
      assert.deepEqual(await flood([one], 3), { "invalid-credentials": 3 });
      failures.length = 0;
      shared.away = true;
      const half = BURST / 2;
      assert.deepEqual(await flood([one], 50), { "invalid-credentials": half - 3, "rate-limited": 50 - half + 3 });
      assert.deepEqual(await flood([two], 50), { "invalid-credentials": half, "rate-limited": 50 - half });
      assert.ok(failures.length > 0);
      await one.clear(OWNER);
      assert.equal(await outcome(one.attempt(request(), OWNER, right)), "in");
      assert.deepEqual(await flood([one], half), { "invalid-credentials": half }, "what was remembered is taken back, too");
      shared.away = false;
      assert.deepEqual(await flood(all, 50), { "invalid-credentials": BURST - 3, "rate-limited": 50 - BURST + 3 });
    });
  });
});
