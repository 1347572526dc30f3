import { z } from "zod";
import { PROMETHEUS_PORT, SCRAPE_INTERVAL_SECONDS } from "../../../components/local/prometheus/config";
import { SERVICES } from "../../lib/docker-app";
import { getInside } from "../inside";
import { fail, skip, verdict, type Check, type Outcome, type VerifyContext } from "../types";
import { until } from "../until";

/** Until Prometheus has looked at a target, and evaluated a rule, that it has just learned of: two rounds and an answer that takes its time. */
const FIRST_LOOK_SECONDS = 2 * SCRAPE_INTERVAL_SECONDS + 10;

const WITHOUT = "the stack is not watched: monitoring is false";

/** Alerts that fire to show that alerts are sent, or that only inform. */
const ALWAYS_FIRING = /^(watchdog|deadmans?switch|infoinhibitor)$/i;
const SEVERITIES_OF_NONE: readonly string[] = ["none", "info"];

const targetsSchema = z.object({
  data: z.object({
    activeTargets: z.array(
      z.object({
        labels: z.object({ job: z.string().default("?"), instance: z.string().default("?") }),
        health: z.string(),
        lastError: z.string().default(""),
      }),
    ),
  }),
});

const alertSchema = z.object({ state: z.string(), annotations: z.object({ summary: z.string().optional() }).default({}) });

const rulesSchema = z.object({
  data: z.object({
    groups: z.array(
      z.object({
        rules: z.array(
          z.object({
            name: z.string(),
            health: z.string(),
            lastError: z.string().default(""),
            labels: z.record(z.string(), z.string()).default({}),
            alerts: z.array(alertSchema).default([]),
          }),
        ),
      }),
    ),
  }),
});

/** What Prometheus looks at: `/api/v1/targets`. */
export type Targets = readonly z.infer<typeof targetsSchema>["data"]["activeTargets"][number][];

/** Its alert rules with what they found: `/api/v1/rules?type=alert`. */
export type Rules = readonly z.infer<typeof rulesSchema>["data"]["groups"][number]["rules"][number][];

/** @throws Error when it is something else */
export function parseTargets(text: string): Targets {
  return targetsSchema.parse(JSON.parse(text)).data.activeTargets;
}

/** @throws Error when it is something else */
export function parseRules(text: string): Rules {
  return rulesSchema.parse(JSON.parse(text)).data.groups.flatMap(({ rules }) => rules);
}

/** A13, B8: what watches the stack. Before anything is broken on purpose: that is what alerts are for. */
export const monitoringChecks: readonly Check[] = [
  {
    id: "A13",
    title: "Prometheus reaches everything it watches",
    target: "every target up",
    phases: ["cluster", "database"],
    run: async (context) => await asked(context, "/api/v1/targets?state=active", parseTargets, targetsOutcome),
  },
  {
    id: "B8",
    title: "alerts",
    target: "every rule evaluated, none fires",
    phases: ["cluster", "database"],
    run: async (context) => await asked(context, "/api/v1/rules?type=alert", parseRules, alertsOutcome),
  },
];

/** Asks until Prometheus has looked at everything once; it says `unknown` of what it has not. */
async function asked<Part extends { readonly health: string }>(
  { containers, expected }: Pick<VerifyContext, "containers" | "expected">,
  path: string,
  parse: (text: string) => readonly Part[],
  judge: (parts: readonly Part[]) => Outcome,
): Promise<Outcome> {
  if (!expected.monitoring) return skip(WITHOUT);
  const [prometheus] = await containers(SERVICES.prometheus);
  if (prometheus === undefined) return fail("no container of prometheus runs");
  let parts: readonly Part[] = [];
  await until(FIRST_LOOK_SECONDS, async () => {
    parts = parse(await getInside(prometheus, PROMETHEUS_PORT, path));
    return parts.some(({ health }) => health === "unknown") ? undefined : true;
  });
  return judge(parts);
}

export function targetsOutcome(targets: Targets): Outcome {
  if (targets.length === 0) return fail("Prometheus has no target");
  const jobs = new Set(targets.map(({ labels }) => labels.job));
  const away = targets.filter(({ health }) => health !== "up");
  return verdict(
    away.map(
      ({ labels, health, lastError }) =>
        `${labels.job} ${labels.instance} is ${health}${lastError === "" ? "" : ` (${lastError.slice(0, 100)})`}`,
    ),
    `${targets.length} of ${targets.length} targets, ${jobs.size} jobs`,
  );
}

export function alertsOutcome(rules: Rules): Outcome {
  if (rules.length === 0) return fail("Prometheus has no alert rule");
  const broken = rules.filter(({ health }) => health !== "ok");
  const meant = rules.filter(({ name, labels }) => !ALWAYS_FIRING.test(name) && !SEVERITIES_OF_NONE.includes(labels["severity"] ?? ""));
  const inState = (state: string): { readonly name: string; readonly summary: string | undefined }[] =>
    meant.flatMap(({ name, alerts }) =>
      alerts.filter((alert) => alert.state === state).map(({ annotations }) => ({ name, summary: annotations.summary })),
    );
  const pending = inState("pending").map(({ name }) => name);
  return verdict(
    [
      ...broken.map(({ name, health, lastError }) => `rule ${name} is ${lastError === "" ? health : lastError.slice(0, 100)}`),
      ...inState("firing").map(({ name, summary }) => (summary === undefined ? name : `${name}: ${summary}`)),
    ],
    `${rules.length} rules, none fires${pending.length === 0 ? "" : `; ${[...new Set(pending)].join(", ")} would if it lasts`}`,
  );
}
