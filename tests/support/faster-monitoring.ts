import { parse, stringify } from "yaml";

/** What the waiting times of rules and of Alertmanager are divided by. */
export const FACTOR = 10;

/** Seconds between two looks at a target: the shortest range, 5 minutes divided by {@link FACTOR}, has fifteen of them. */
export const FASTER_SCRAPE_SECONDS = 2;

/** Seconds between two evaluations of the rules. */
export const FASTER_EVALUATION_SECONDS = 1;

/** Looks that a range has at least: a rate over fewer is missing whenever one of them fails. */
const LEAST_LOOKS = 4;

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

interface Rule {
  readonly expr: string;
  readonly for?: string;
}

/**
 * A file of rules in which every `for` and every range is divided by {@link FACTOR}; what is compared with stays. A range keeps at least four looks.
 * @throws RangeError for a duration that is not one number with one unit.
 */
export function fasterRules(text: string): string {
  const { groups } = parse(text) as { groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[] };
  const least = LEAST_LOOKS * FASTER_SCRAPE_SECONDS * 1000;
  const faster = (rule: Rule): Rule => ({
    ...rule,
    expr: rule.expr.replace(/\[([^\]]*)\]/g, (_, range: string) => `[${divided(range, least)}]`),
    ...(rule.for === undefined ? {} : { for: divided(rule.for) }),
  });
  return stringify({ groups: groups.map((group) => ({ ...group, rules: group.rules.map(faster) })) }, { lineWidth: 0 });
}

/** `prometheus.yml` that looks each {@link FASTER_SCRAPE_SECONDS} and evaluates each {@link FASTER_EVALUATION_SECONDS}; targets stay. */
export function fasterPrometheus(text: string): string {
  const { global, ...rest } = parse(text) as { global: object };
  const [scrape, evaluation] = [`${FASTER_SCRAPE_SECONDS}s`, `${FASTER_EVALUATION_SECONDS}s`];
  return stringify(
    { global: { ...global, scrape_interval: scrape, scrape_timeout: scrape, evaluation_interval: evaluation }, ...rest },
    { lineWidth: 0 },
  );
}

/** `alertmanager.yml` whose groups wait a {@link FACTOR}th; a call may take as long as before. */
export function fasterAlertmanager(text: string): string {
  return text.replace(/\b((?:group_wait|group_interval|repeat_interval): )"?([0-9a-z]+)"?$/gm, (_, key: string, time: string) =>
    // 0 is not allowed for the intervals, and means "at once" for the first wait.
    time === "0s" ? `${key}${time}` : `${key}${divided(time)}`,
  );
}

/** A duration divided by {@link FACTOR}, in milliseconds as Prometheus writes them. @param least milliseconds */
function divided(duration: string, least = 1): string {
  const [, count, unit = ""] = /^(\d+)(ms|s|m|h|d)$/.exec(duration) ?? [];
  const factor = UNITS[unit];
  if (count === undefined || factor === undefined) {
    throw new RangeError(`${JSON.stringify(duration)} is not allowed; use a whole number with one of ${Object.keys(UNITS).join(", ")}.`);
  }
  return `${Math.max(least, Math.round((Number(count) * factor) / FACTOR))}ms`;
}
