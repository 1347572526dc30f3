import type { LimitPolicy } from "./policies";
import type { BucketState } from "./types";

/** Part of the wait that is added at random, so that clients that were refused together do not come back together. */
const JITTER_SHARE = 0.1;

/**
 * `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers-10: a list of the policies with quota (`q`) and window in seconds (`w`).
 * It is the same for every request under these policies, so it is made once.
 */
export function policyHeader(policies: readonly LimitPolicy[]): string {
  return policies.map(({ name, spec }) => `"${name}";q=${spec.limit};w=${seconds(spec.windowMs)}`).join(", ");
}

/** `RateLimit` of the same draft: what is left of each quota (`r`) and the seconds until it is full again (`t`). */
export function limitHeader(policies: readonly LimitPolicy[], states: readonly BucketState[]): string {
  let value = "";
  for (const [index, { name }] of policies.entries()) {
    const state = states[index];
    if (state === undefined) continue;
    value += `${value === "" ? "" : ", "}"${name}";r=${state.remaining};t=${seconds(state.resetMs)}`;
  }
  return value;
}

/** `Retry-After` in seconds: never too early, and up to a second and a tenth of the wait later. */
export function retryAfterSeconds(retryMs: number, random = Math.random()): number {
  const least = Math.max(1, seconds(retryMs));
  return least + Math.floor(random * (1 + least * JITTER_SHARE + 1));
}

function seconds(milliseconds: number): number {
  return Math.ceil(milliseconds / 1000);
}

/** What a refused client is told. */
export function refusalDetail({ name, scope, spec }: LimitPolicy, retryAfter: number): string {
  // The same words whether there is such an account.
  if (scope === "account") return `Too many wrong passwords for this account (limit "${name}"); try again in ${retryAfter} s.`;
  const who = { ip: "from this address", user: "of this user", company: "of this company" }[scope];
  const window = spec.windowMs >= 1000 ? `${spec.windowMs / 1000} s` : `${spec.windowMs} ms`;
  return `More than ${spec.limit} requests in ${window} ${who} (limit "${name}"); try again in ${retryAfter} s.`;
}
