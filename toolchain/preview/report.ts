import { formatDuration } from "../lib/exec";
import { colours, renderTable } from "../lib/table";
import type { Previewed, Remark } from "./events";
import type { PreviewRun } from "./run";

/** The program's own estimate: its output `monthlyCostEstimate`, see stacks/cloud/costs.ts. */
export interface CostEstimate {
  readonly region: string;
  readonly pricesAsOf: string;
  readonly monthlyUsd: number;
  readonly unconfirmedUsd: number;
  readonly byType: Readonly<Record<string, number>>;
  readonly notPriced: Readonly<Record<string, string>>;
  readonly assumptions: readonly string[];
}

/** A plugin that the preview ran with. */
export interface PluginUsed {
  readonly name: string;
  readonly version: string;
  readonly kind: "official" | "stand-in";
}

/** Everything `npm run preview:prod` tells; what `--json` prints. */
export interface PreviewReport {
  readonly stack: string;
  readonly ok: boolean;
  readonly plugins: readonly PluginUsed[];
  /** Resources that would be created, by type; components are not among them. */
  readonly create: Readonly<Record<string, number>>;
  readonly violations: readonly Remark[];
  /** What the rules could not judge before the update; one sentence. */
  readonly notJudged: readonly string[];
  readonly cost: CostEstimate | undefined;
  readonly errors: readonly string[];
  readonly notes: readonly string[];
  readonly durationMs: number;
}

/** Name of the policy that tells what could not be judged (policy/pack.ts). */
const NOT_JUDGED = "not-judged";

/** Types of components, which are names for groups of resources and exist nowhere. */
const COMPONENT = /^phased-stack:/;

/** What a run means. Well is: Pulumi ended well, the rules were looked at, and no mandatory one is broken. */
export function reportOf(stack: string, run: PreviewRun, plugins: readonly PluginUsed[]): PreviewReport {
  const violations = run.remarks.filter(({ policy }) => policy !== NOT_JUDGED);
  const ok = run.code === 0 && run.policiesRan && !violations.some(({ mandatory }) => mandatory);
  return {
    stack,
    ok,
    plugins,
    create: countByType(run.resources),
    violations: [...violations].sort((a, b) => Number(b.mandatory) - Number(a.mandatory) || a.policy.localeCompare(b.policy)),
    notJudged: run.remarks.filter(({ policy }) => policy === NOT_JUDGED).map(({ message }) => message),
    cost: costOf(run.outputs),
    errors: errorsOf(run),
    notes: run.notes,
    durationMs: Math.round(run.durationMs),
  };
}

/** How many of each type, most first. */
export function countByType(resources: readonly Previewed[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { type } of resources) if (!COMPONENT.test(type)) counts.set(type, (counts.get(type) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a, m], [b, n]) => n - m || a.localeCompare(b)));
}

function costOf(outputs: PreviewRun["outputs"]): CostEstimate | undefined {
  const text = outputs["monthlyCostEstimate"];
  return typeof text === "string" && text.startsWith("{") ? (JSON.parse(text) as CostEstimate) : undefined;
}

/** What the engine says at the end of a preview that a mandatory rule stopped; the violation itself tells more. */
const FAILED = "preview failed";

/** Errors by themselves; the end of the output where a failure left none, and where the rules were not looked at. */
function errorsOf({ code, errors, tail, policiesRan, remarks }: PreviewRun): string[] {
  const broken = remarks.some(({ mandatory }) => mandatory);
  const told = errors.filter((error) => !(broken && error === FAILED));
  if (code === 0 && !policiesRan) return [...told, "the policy pack did not run"];
  if (told.length > 0 || code === 0 || broken) return told;
  return [tail === "" ? `pulumi ended with exit code ${code}` : tail];
}

/** The report for people. */
export function reportText(report: PreviewReport): string {
  const { stack, ok, plugins, create, violations, notJudged, cost, errors, notes, durationMs } = report;
  const total = Object.values(create).reduce((sum, count) => sum + count, 0);
  const mandatory = violations.filter((violation) => violation.mandatory).length;
  const used = plugins.map(({ name, version, kind }) => `${name} ${version} (${kind})`).join(", ");
  const sections = [
    `Preview of stack ${colours.bold(stack)} as if it were new, without credentials. Plugins: ${used}.`,
    ...notes.map((note) => colours.yellow(note)),
    ...(total === 0 ? [] : [createTable(create, total)]),
    ...(violations.length === 0 ? [] : [violationsText(violations)]),
    ...notJudged.map((sentence) => `Not judged: ${sentence}`),
    ...(cost === undefined ? [] : [costText(cost)]),
    ...errors.map((error) => colours.red(error)),
    `${ok ? colours.green("✔") : colours.red("✘")} ${total} resources, ${mandatory} mandatory and ${violations.length - mandatory} advisory violations` +
      `${cost === undefined ? "" : `, about ${dollars(cost.monthlyUsd)} US dollars a month`} (${formatDuration(durationMs)})`,
  ];
  return sections.join("\n\n");
}

function createTable(create: PreviewReport["create"], total: number): string {
  const rows = Object.entries(create).map(([type, count]) => [String(count), type]);
  return renderTable(["create", "type"], [...rows, [String(total), "in total"]]);
}

function violationsText(violations: readonly Remark[]): string {
  return violations
    .map(
      ({ mandatory, policy, message }) =>
        `${mandatory ? colours.red("mandatory") : colours.yellow("advisory")} ${policy}\n  ${message.replaceAll("\n", "\n  ")}`,
    )
    .join("\n");
}

function costText({ region, pricesAsOf, monthlyUsd, unconfirmedUsd, byType, notPriced, assumptions }: CostEstimate): string {
  const rows = Object.entries(byType).filter(([, usd]) => usd > 0);
  return [
    renderTable(
      ["USD a month", `in ${region}, list prices as of ${pricesAsOf}`],
      [...rows.map(([type, usd]) => [dollars(usd), type]), [dollars(monthlyUsd), "in total"]],
    ),
    ...(unconfirmedUsd > 0
      ? [`${dollars(unconfirmedUsd)} of it at prices that could not be confirmed (components/aws/pricing/sources.ts)`]
      : []),
    ...Object.entries(notPriced).map(([type, reason]) => `not priced: ${type}: ${reason}`),
    "assumed:",
    ...assumptions.map((assumption) => `  - ${assumption}`),
  ].join("\n");
}

function dollars(usd: number): string {
  return usd.toLocaleString("en-US", { maximumFractionDigits: 0 });
}
