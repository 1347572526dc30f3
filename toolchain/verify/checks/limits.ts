import { setTimeout as delay } from "node:timers/promises";
import { asker, type Asker, make } from "../api";
import type { Answer, Ask } from "../http";
import { type Check, type Outcome, skip, verdict, type VerifyContext } from "../types";

const defaults = {
  /** Requests a second: below the app's limit for one address (B7: 10 a second), so that the user's own is met first. */
  perSecond: 8,
  /** A limit that is larger than this is not tried: the check would take minutes. */
  most: 150,
  /** Longest wait that a limit of the address may ask for, s: other checks came from the same one. */
  waitSeconds: 20,
} as const;

interface UserLimit {
  readonly policy: string;
  /** What is counted. */
  readonly what: string;
  /** What is asked again and again. @param ask as the user, passing by all limits, which count it all the same: `counted` is how often this one has */
  readonly request: (ask: Asker) => Promise<Ask & { readonly path: string; readonly counted: number }>;
}

/** Limits for one user that a minute is enough for (B7); the tiers of E3 take a quarter of an hour. */
const LIMITS: readonly UserLimit[] = [
  {
    policy: "chat",
    what: "questions",
    async request(ask) {
      const conversation = await make(ask, "/api/chat/conversations", {});
      return {
        method: "POST",
        path: `/api/chat/conversations/${conversation}/messages`,
        body: { content: "What is my plan?" },
        counted: 1,
      };
    },
  },
  { policy: "api", what: "requests", request: () => Promise.resolve({ method: "GET", path: "/api/auth/me", counted: 0 }) },
];

/** B7: what the app tells of its limits, and that it lets one user do as much and not one request more. */
export const limitChecks: readonly Check[] = [
  {
    id: "B7",
    title: "an answer tells the limits it was counted under",
    target: "RateLimit-Policy and RateLimit; none is used up",
    byUrl: true,
    async run({ http }) {
      const off = await whyOff({ http });
      if (off !== undefined) return off;
      // Of a user whom nobody else is: what other checks sent past the limits was counted for theirs.
      const { cookie } = await http.signUp();
      return limitsTold(await unlessOfTheAddress(undefined, () => http.ask("/api/session", { headers: { cookie }, limited: true })));
    },
  },
  {
    id: "B7",
    title: "limits of one user: chat, and the API as a whole",
    target: "as many as the answers tell (50 and 100 a minute), then 429 with Retry-After",
    greedy: true,
    run: userLimits,
  },
];

/** Why limits cannot be met; `undefined` where they are on. */
export async function whyOff({ http }: Pick<VerifyContext, "http">): Promise<Outcome | undefined> {
  const { components } = (await http.ask("/api/health/full")).json() as { components?: { rateLimiting?: { mode?: string } } };
  const mode = components?.rateLimiting?.mode ?? "unknown";
  return mode === "on" ? undefined : skip(`RATE_LIMITS is ${mode} for this stack`);
}

/** What is wrong with what an answer tells of its limits, and the policies it was counted under. */
export function limitsTold({ status, headers }: Pick<Answer, "status" | "headers">): Outcome {
  const policy = headers["ratelimit-policy"];
  return verdict(
    [
      ...(status === 200 ? [] : [`status ${status}`]),
      ...(policy === undefined ? ["no RateLimit-Policy"] : []),
      ...(headers["ratelimit"] === undefined ? ["no RateLimit"] : []),
    ],
    String(policy),
  );
}

async function userLimits(context: VerifyContext): Promise<Outcome> {
  const off = await whyOff(context);
  if (off !== undefined) return off;
  const { http, expected, apps } = context;
  // Without Redis, which is what phase cluster is, each instance counts for itself.
  const copies = expected.phase === "cluster" ? (await apps()).length : 1;
  const violations: string[] = [];
  const measured: string[] = [];
  for (const { policy, what, request } of LIMITS) {
    // A user whom nobody else is, who is shut out for a minute afterwards.
    const headers = { cookie: (await http.signUp()).cookie };
    const { method, path, body, counted } = await request(asker(http, headers));
    const found = await untilRefused({ policy, counted, copies }, () =>
      http.ask(path, { ...(method !== undefined && { method }), headers, body, limited: true }),
    );
    violations.push(...found.violations);
    if (found.limit === undefined) measured.push(`${policy}: ${found.why}`);
    else {
      const [least, most] = [found.limit, found.limit * copies];
      const limit = copies === 1 ? String(least) : `${least} at each of ${copies} instances`;
      if (found.accepted < least || found.accepted > most)
        violations.push(`${policy}: ${found.accepted} ${what} let through, the limit is ${limit}`);
      measured.push(`${policy}: ${found.accepted} ${what} of ${limit}, then 429`);
    }
  }
  return verdict(violations, measured.join("; "));
}

interface Counting {
  readonly policy: string;
  /** Requests that the limit has counted before. */
  readonly counted: number;
  /** How often it is counted side by side. */
  readonly copies: number;
}

interface Found {
  readonly accepted: number;
  /** What the answers say it is; `undefined` where it was not tried. */
  readonly limit?: number;
  /** Why it was not. */
  readonly why?: string;
  readonly violations: readonly string[];
}

/** Asks at a steady rate until this limit refuses. What a limit of the address refuses is asked again when that says so. */
async function untilRefused({ policy, counted, copies }: Counting, ask: () => Promise<Answer>): Promise<Found> {
  let accepted = counted;
  for (;;) {
    const started = performance.now();
    const answer = await unlessOfTheAddress(policy, ask);
    const limit = limitTold(answer, policy);
    if (answer.status === 429) {
      const { policy: by } = answer.json();
      const retryAfter = Number(answer.headers["retry-after"]);
      if (by !== policy) return { accepted, why: "not tried", violations: [`${policy}: ${String(by)} refuses first, for ${retryAfter} s`] };
      return { accepted, ...(limit !== undefined && { limit }), violations: retryAfter >= 1 ? [] : [`${policy}: no Retry-After`] };
    }
    if (answer.status >= 300) return { accepted, why: "not tried", violations: [`${policy}: status ${answer.status}`] };
    if (limit === undefined) return { accepted, why: "switched off", violations: [] };
    const most = limit * copies;
    if (most > defaults.most) return { accepted, why: `${most} are more than one client here should send`, violations: [] };
    accepted += 1;
    if (accepted > most + 1) return { accepted, limit, violations: [] };
    await delay(Math.max(0, started + 1000 / defaults.perSecond - performance.now()));
  }
}

/** Asks, and once more as often as another limit than this one refuses, each time when that says so: other checks came from the same address. */
async function unlessOfTheAddress(policy: string | undefined, ask: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    const answer = await ask();
    const retryAfter = Number(answer.headers["retry-after"]);
    if (answer.status !== 429 || answer.json()["policy"] === policy || !(retryAfter <= defaults.waitSeconds)) return answer;
    await delay(retryAfter * 1000);
  }
}

/** The quota of a policy in `RateLimit-Policy`; `undefined` where it has none. */
function limitTold({ headers }: Pick<Answer, "headers">, policy: string): number | undefined {
  const told = /;q=(\d+)/.exec(
    String(headers["ratelimit-policy"] ?? "")
      .split(", ")
      .find((one) => one.startsWith(`"${policy}"`)) ?? "",
  );
  return told === null ? undefined : Number(told[1]);
}
