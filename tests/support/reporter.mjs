import { writeFileSync } from "node:fs";
import Mocha from "mocha";

/**
 * Mocha's `spec` output, and at the end the totals and failures as JSON in the file named by PHASED_TEST_TOTALS, so that
 * `npm test` can add up its suites without reading text meant for people.
 */
export default class SpecWithTotals extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const file = process.env.PHASED_TEST_TOTALS;
    if (!file) return;
    // Hooks that fail ("before each" and the like) are reported as failures as well, never counted as tests.
    const failed = [];
    runner.on(Mocha.Runner.constants.EVENT_TEST_FAIL, (test) => failed.push(test.fullTitle()));
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      const { passes, pending, duration } = this.stats;
      writeFileSync(file, JSON.stringify({ passed: passes, failed, skipped: pending, duration }));
    });
  }
}
