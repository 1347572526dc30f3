import { z } from "zod";
import {
  OVERRIDE_SYNTAX,
  parseOverride,
  POLICY_NAMES,
  type PolicyOverride,
  type PolicyVariable,
  policyVariable,
  type RateLimitConfig,
} from "./policies";

const override = z
  .string()
  .transform((text, context) => {
    const parsed = parseOverride(text);
    if (parsed === undefined) context.addIssue({ code: "custom" });
    return parsed;
  })
  .optional()
  .describe(OVERRIDE_SYNTAX);

/** RATE_LIMIT_<POLICY>, one a policy. */
const policyVariables = Object.fromEntries(POLICY_NAMES.map((name) => [policyVariable(name), override])) as Readonly<
  Record<PolicyVariable, typeof override>
>;

/** The variables of this directory, for the schema of the whole environment. */
export const rateLimitVariables = {
  RATE_LIMITS: z.enum(["on", "off", "dry-run"]).default("on").describe("on, off or dry-run"),
  RATE_LIMIT_CONCURRENCY: z
    .string()
    .regex(/^(0|[1-9][0-9]{0,5})$/)
    .transform(Number)
    .default(200)
    .describe("a whole number from 0 to 999999"),
  ...policyVariables,
};

/** Puts the parsed variables together. */
export function rateLimitConfig(
  env: Readonly<Partial<Record<PolicyVariable, PolicyOverride | undefined>>> & {
    readonly RATE_LIMITS: RateLimitConfig["mode"];
    readonly RATE_LIMIT_CONCURRENCY: number;
  },
): RateLimitConfig {
  const set = POLICY_NAMES.flatMap((name) => {
    const value = env[policyVariable(name)];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { mode: env.RATE_LIMITS, concurrency: env.RATE_LIMIT_CONCURRENCY, overrides: Object.fromEntries(set) };
}
