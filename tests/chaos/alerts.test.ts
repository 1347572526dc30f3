import { eventually } from "../support/services/container";
import { AlertStack } from "./alerts/alert-stack";
import { ALERT_CASES } from "./alerts/cases";
import { OVER_MS, POLL_MS, runCase, said, told } from "./alerts/run-case";

/**
 * Alerts by real faults, on one stack of phase `database` with Kafka and monitoring. As rules wait for minutes, the stack's Prometheus and Alertmanager
 * give way to copies of themselves (same image, targets, network and rules) in which, and only this,
 * - each `for` and each range of a rule is a tenth (a range at least four looks); what is compared with is the same;
 * - targets are looked at each 2 s and rules evaluated each second, instead of each 15 s;
 * - `group_wait`, `group_interval` and `repeat_interval` of Alertmanager are a tenth;
 * - `stack:app_ready:expected` is recorded as well, which a stack has with an image of the user's own instead of `stack:app_instances:expected`.
 *
 * That every rule is in the table, or has a reason not to be, is looked at by tests/unit/local/alert-cases.test.ts.
 */
describe("B8 alerts by real faults", function () {
  this.timeout(1_200_000);
  let stack: AlertStack;

  before(async () => {
    stack = await AlertStack.up();
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
      const { fired, over } = await runCase(stack, alertCase);
      console.log(`      fired within ${seconds(fired)} s, over within ${seconds(over)} s`);
    });
  }
});

function seconds(ms: number): number {
  return Math.round(ms / 1000);
}
