import { check, cleanUp, prepare, writeForever } from "./database";
import type { CheckRequest, ProbeLine, ProbeReport } from "./lines";
import { watchForever } from "./watch";

/**
 * Program of the probe, a container on the stack's network: `run NODE…` writes and watches until it is killed; `prepare`, `check JSON` and
 * `clean-up` do one thing and end.
 */
async function main([command = "", ...args]: readonly string[]): Promise<void> {
  switch (command) {
    case "run":
      await run(args);
      return;
    case "prepare":
      await prepare();
      return;
    case "clean-up":
      await cleanUp();
      return;
    case "check":
      process.stdout.write(JSON.stringify(await check(JSON.parse(args[0] ?? "") as CheckRequest)));
      return;
    default:
      throw new Error(`unknown command ${JSON.stringify(command)}`);
  }
}

async function run(nodes: readonly string[]): Promise<void> {
  const boot = Date.now();
  let n = 0;
  const report = (line: ProbeReport): void => {
    n += 1;
    process.stdout.write(`${JSON.stringify({ boot, n, ...line } satisfies ProbeLine)}\n`);
  };
  await Promise.all([writeForever(report), watchForever(nodes, report)]);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
