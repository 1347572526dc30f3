import type { AlertRule } from "../support/prometheus";
import { eventually } from "../support/services/container";
import { ruleKey } from "../support/rule-key";
import type { AlertCase, Expected, Undo } from "./alerts/alert-case";
import { AlertStack } from "./alerts/alert-stack";
import { ALERT_CASES, NOT_TRIED_LIVE } from "./alerts/cases";

/** A tenth of the longest rule's wait and range, and what a busy machine needs to notice; milliseconds. */
const FIRING_MS = 180_000;

/** The same with a failover, or a start of Postgres, before it. */
const OVER_MS = 240_000;

const POLL_MS = 500;

/**
 * Alerts by real faults, on one stack of phase `database` with Kafka and monitoring. As rules wait for minutes, the stack's Prometheus and Alertmanager
 * give way to copies of themselves (same image, targets, network and rules) in which, and only this,
 * - each `for` and each range of a rule is a tenth (a range at least four looks); what is compared with is the same;
 * - targets are looked at each 2 s and rules evaluated each second, instead of each 15 s;
 * - `group_wait`, `group_interval` and `repeat_interval` of Alertmanager are a tenth;
 * - `stack:app_ready:expected` is recorded as well, which a stack has with an image of the user's own instead of `stack:app_instances:expected`.
 */
describe("B8 alerts by real faults", function () {
  this.timeout(1_200_000);
  let stack: AlertStack;
  let undo: Undo | undefined;

  before(async () => {
    stack = await AlertStack.up();
  });

  afterEach(async () => {
    // Of a case that failed on its way: the next one begins with a stack that is well.
    await undo?.();
    undo = undefined;
  });

  after(async () => {
    await stack?.remove();
  });

  it("B8 on a stack that is well the watchdog fires, and nothing else", async () => {
    await eventually(
      "nothing else fires",
      async () => said(await stack.prometheus.alertRules()).join() === "Watchdog none prometheus",
      OVER_MS,
      POLL_MS,
    );
  });

  for (const alertCase of ALERT_CASES) {
    it(`B8 ${alertCase.title}: ${alertCase.fires.map(told).join(", ")}`, async () => {
      const from = performance.now();
      undo = await alertCase.fault(stack);
      await allFire(stack, alertCase);
      const fired = performance.now();
      const takeBack = undo;
      undo = undefined;
      await takeBack();
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
      console.log(`      fired within ${seconds(fired - from)} s, over within ${seconds(performance.now() - fired)} s`);
    });
  }
});

/** Each fires at some time: one may hide another, or be over when the last one begins. */
async function allFire(stack: AlertStack, { fires: expected, meanwhile }: AlertCase): Promise<void> {
  const waiting = new Set(expected);
  await eventually(
    "all fire",
    async () => {
      await meanwhile?.(stack);
      const rules = await stack.prometheus.alertRules();
      for (const one of waiting) if (fires(rules, one)) waiting.delete(one);
      if (waiting.size > 0) throw new Error(`not ${[...waiting].map(told).join(", ")}, but ${said(rules).join(", ")}`);
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

/** Rules that fire now, without those of the machine, which others use. */
function said(rules: readonly AlertRule[]): string[] {
  const firing = rules.filter(({ state }) => state === "firing").map(ruleKey);
  return firing.filter((key) => !key.endsWith(" host") || NOT_TRIED_LIVE[key] === undefined);
}

function told({ rule, labels = {} }: Expected): string {
  return [rule, ...Object.values(labels).map(String)].join(" ");
}

function seconds(ms: number): number {
  return Math.round(ms / 1000);
}
