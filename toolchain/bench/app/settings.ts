import { randomBytes } from "node:crypto";
import { POLICY_NAMES, policyVariable } from "../../../app/src/rate-limit/policies";

/** Secrets of the measured app, made for one run. */
export const SECRETS: Readonly<Record<string, string>> = {
  SESSION_SECRET: randomBytes(32).toString("base64url"),
  ADMIN_TOKEN: randomBytes(32).toString("base64url"),
};

/** A limit that no run reaches: what is measured is counting, not refusing. */
const FAR_AWAY = "999999999/1m";
/** Where requests are spread, thousands of them may come at once as well. */
const FAR_AWAY_SPREAD = `${FAR_AWAY} burst 9999999`;

/** Every limit on, and none in the way; the guard against overload as well, because a saturated core is what is measured. */
export const FAR_LIMITS: Readonly<Record<string, string>> = {
  OVERLOAD_DELAY_MS: "60000",
  RATE_LIMIT_CONCURRENCY: "999999",
  ...Object.fromEntries(POLICY_NAMES.map((name) => [policyVariable(name), name === "steady" ? FAR_AWAY_SPREAD : FAR_AWAY])),
};

/** After the first request of an hour everything of an address is refused, before Express. */
export const REFUSED_BY_ADDRESS: Readonly<Record<string, string>> = { ...FAR_LIMITS, RATE_LIMIT_IP: "2/24h" };

/** After the first request of a day everything of a user is refused, after authentication. */
export const REFUSED_BY_USER: Readonly<Record<string, string>> = { ...FAR_LIMITS, RATE_LIMIT_API: "1/24h" };

/** The app in a single process, everything in memory or in SQLite beside it. */
export function singleProcess(environment: Readonly<Record<string, string>> = FAR_LIMITS): Readonly<Record<string, string>> {
  return { WORKERS: "1", ...SECRETS, ...environment };
}
