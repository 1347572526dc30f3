import type { ProfileName } from "./profile";

/** What the pack is told by the stack's configuration. */
export interface Settings {
  readonly profile: ProfileName;
  /** Most US dollars a month; undefined: no ceiling. */
  readonly monthlyCostCeiling: number | undefined;
}

/**
 * Reads the settings from the stack's configuration, below the project's name: `profile` (dev or prod) and `monthlyCostCeiling` (US dollars).
 * @default profile dev for the stack dev, prod for all others; no ceiling
 * @throws Error with one sentence for a value that is not allowed
 */
export function settingsOf(get: (key: string) => string | undefined, stack: string): Settings {
  const profile = get("profile") ?? (stack === "dev" ? "dev" : "prod");
  if (profile !== "dev" && profile !== "prod")
    throw new Error(`profile is ${profile}; allowed: dev, prod. Fix: pulumi config set profile prod`);
  const ceiling = get("monthlyCostCeiling");
  const monthlyCostCeiling = ceiling === undefined ? undefined : Number(ceiling);
  if (monthlyCostCeiling !== undefined && !(monthlyCostCeiling > 0)) {
    throw new Error(
      `monthlyCostCeiling is ${String(ceiling)}; allowed: US dollars above 0. Fix: pulumi config set monthlyCostCeiling 2000`,
    );
  }
  return { profile, monthlyCostCeiling };
}
