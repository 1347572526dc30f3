import type { AlertRule } from "../../support/prometheus";
import { ruleKey } from "../../support/rule-key";
import { eventually } from "../../support/services/container";
import type { AlertCase, Expected } from "./alert-case";
import type { AlertStack } from "./alert-stack";

/** A tenth of the longest rule's wait and range, and what a busy machine needs to notice; milliseconds. */
const FIRING_MS = 240_000;

/** The same with a failover, or a start of Postgres or Kafka, before it. */
export const OVER_MS = 300_000;

export const POLL_MS = 500;

/** How long it took until all alerts of a case fired, and until all were over once the fault was taken back; milliseconds. */
export interface CaseTimes {
  readonly fired: number;
  readonly over: number;
}

/** Makes the fault, waits for its alerts, takes it back, and waits for their end. What a case that fails on its way left is taken back as well. */
export async function runCase(stack: AlertStack, alertCase: AlertCase): Promise<CaseTimes> {
  const from = performance.now();
  const undo = await alertCase.fault(stack);
  try {
    await allFire(stack, alertCase);
  } catch (error) {
    await undo().catch((second: unknown) => console.error(`      and it was not taken back: ${String(second)}`));
    throw error;
  }
  const fired = performance.now();
  await undo();
  await eventually(
    "all are over",
    async () => {
      const rules = await stack.prometheus.alertRules();
      const left = alertCase.fires.filter((expected) => fires(rules, expected)).map(told);
      if (left.length > 0) throw new Error(`${left.join(", ")} still fire`);
      return true;
    },
    OVER_MS,
    POLL_MS,
  );
  return { fired: fired - from, over: performance.now() - fired };
}

/** Each fires at some time: one may hide another, or be over when the last one begins. */
async function allFire(stack: AlertStack, { fires: expected, without = [], meanwhile }: AlertCase): Promise<void> {
  const waiting = new Set(expected);
  await eventually(
    "all fire",
    async () => {
      await meanwhile?.(stack);
      const rules = await stack.prometheus.alertRules();
      for (const one of waiting) if (fires(rules, one)) waiting.delete(one);
      if (waiting.size > 0) throw new Error(`not ${[...waiting].map(told).join(", ")}, but ${said(rules).join(", ")}`);
      const wrong = without.filter((one) => fires(rules, one)).map(told);
      if (wrong.length > 0) throw new Error(`${wrong.join(", ")} as well`);
      return true;
    },
    FIRING_MS,
    POLL_MS,
  );
}

function fires(rules: readonly AlertRule[], { rule, labels = {} }: Expected): boolean {
  return rules
    .filter((found) => ruleKey(found) === rule)
    .flatMap(({ alerts }) => alerts)
    .some(
      (alert) =>
        alert.state === "firing" &&
        Object.entries(labels).every(([name, value]) =>
          value instanceof RegExp ? value.test(alert.labels[name] ?? "") : alert.labels[name] === value,
        ),
    );
}

/** What others do to the machine is not a fault of the stack. */
const OF_THE_MACHINE = /^Host(Cpu|Memory)High /;

/** Rules that fire now, without those of the machine. */
export function said(rules: readonly AlertRule[]): string[] {
  const firing = rules.filter(({ state }) => state === "firing").map(ruleKey);
  return firing.filter((key) => !OF_THE_MACHINE.test(key));
}

export function told({ rule, labels = {} }: Expected): string {
  return [rule, ...Object.values(labels).map(String)].join(" ");
}
