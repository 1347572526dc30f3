import { writeFileSync } from "node:fs";
import Mocha from "mocha";

/** Characters of a failure's message that the summary repeats: what was expected and seen stands at its beginning. */
const MOST_OF_MESSAGE = 400;

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
    runner.on(Mocha.Runner.constants.EVENT_TEST_FAIL, (test, error) => failed.push(`${test.fullTitle()}: ${beginning(error)}`));
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      const { passes, pending, duration } = this.stats;
      writeFileSync(file, JSON.stringify({ passed: passes, failed, skipped: pending, duration }));
    });
  }
}

/** The first characters of a message, on one line. */
function beginning(error) {
  const message = String(error?.message ?? error).replace(/\s+/g, " ");
  return message.length > MOST_OF_MESSAGE ? `${message.slice(0, MOST_OF_MESSAGE)}…` : message;
}
