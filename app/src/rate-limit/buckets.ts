import type { Session } from "../session/session-store";
import { fallbackSpec, type LimitPolicy } from "./policies";
import type { Bucket } from "./types";

/** What a store is asked for policies. @param keyOf whom each of them counts */
export function bucketsOf(policies: readonly LimitPolicy[], keyOf: (policy: LimitPolicy) => string): Bucket[] {
  return policies.map((policy) => ({
    spec: policy.spec,
    key: `${policy.name}:${keyOf(policy)}`,
    ...(policy.fallback === "strict" && { fallbackSpec: fallbackSpec(policy) }),
    ...(policy.dryRun && { force: true }),
  }));
}

/** Whom limits of a user count. */
export function userKey({ companyId, userId }: Pick<Session, "companyId" | "userId">): string {
  return `${companyId}:${userId}`;
}

/** Buckets of the sessions that stay in memory from request to request. */
const made = new WeakMap<Session, Map<readonly LimitPolicy[], readonly Bucket[]>>();

/** {@link bucketsOf} for a session. @param policies the same list for the same kind of request */
export function bucketsFor(policies: readonly LimitPolicy[], session: Session): readonly Bucket[] {
  let known = made.get(session);
  if (known === undefined) made.set(session, (known = new Map<readonly LimitPolicy[], readonly Bucket[]>()));
  let buckets = known.get(policies);
  if (buckets === undefined) {
    buckets = bucketsOf(policies, ({ scope }) => (scope === "company" ? session.companyId : userKey(session)));
    known.set(policies, buckets);
  }
  return buckets;
}
