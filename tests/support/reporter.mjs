import { writeFileSync } from "node:fs";
import { setTimeout } from "node:timers";
import Mocha from "mocha";

/** Characters of a failure's message that the summary repeats: what was expected and seen stands at its beginning. */
const MOST_OF_MESSAGE = 400;
/** From the last test to the end of the process, in milliseconds: what a connection or a process needs to end by itself. */
const MOST_TO_END = 20_000;

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
      const totals = { passed: passes, failed, skipped: pending, duration };
      writeFileSync(file, JSON.stringify(totals));
      // Mocha waits for whatever its tests left open, without a word and for ever.
      setTimeout(() => {
        const open = stillOpen().join(", ");
        writeFileSync(file, JSON.stringify({ ...totals, failed: [...failed, `the tests are over, but something is still open: ${open}`] }));
        process.stderr.write(`the tests are over for ${MOST_TO_END / 1000} s, but something is still open: ${open}\n`);
        process.exit(1);
      }, MOST_TO_END).unref();
    });
  }
}

/** The first characters of a message, on one line. */
function beginning(error) {
  const message = String(error?.message ?? error).replace(/\s+/g, " ");
  return message.length > MOST_OF_MESSAGE ? `${message.slice(0, MOST_OF_MESSAGE)}…` : message;
}

/** What keeps this process from ending, as far as Node.js tells: connections with their ports, processes with their commands. */
function stillOpen() {
  const handles = process._getActiveHandles().filter((handle) => handle.fd === undefined || handle.fd > 2);
  // Beside the handles: timers and requests.
  const others = process.getActiveResourcesInfo().filter((kind) => !/(?<!Req)Wrap$/.test(kind));
  return [...handles.map(described), ...others];
}

function described(handle) {
  const kind = handle?.constructor?.name ?? typeof handle;
  if (kind === "ChildProcess") return `process ${handle.pid} (${handle.spawnargs.join(" ").slice(0, MOST_OF_MESSAGE)})`;
  if (kind === "Server") return `server on ${JSON.stringify(handle.address())}`;
  if (handle?.remotePort !== undefined) return `connection from port ${handle.localPort} to ${handle.remoteAddress}:${handle.remotePort}`;
  return kind;
}
