import type { Command } from "commander";
import { Option } from "commander";
import { colours, renderTable } from "../lib/table";
import { hostChecks } from "../machine/host-checks";
import { checkMachine, machineSteps } from "../machine";
import type { Phase, State } from "../machine/types";
import { PHASES } from "../machine/types";

/** `npm run doctor`: what `prepare-machine` would find, without changing anything. Exit code 1 if something is missing. */
export function register(program: Command): void {
  program
    .command("doctor")
    .description("check the machine without changing anything; exit code 1 if something is missing")
    .addOption(new Option("--phase <phase>", "check for this phase").choices(PHASES).default("cluster"))
    .option("--kafka", "with phase database: check for Kafka's image too", false)
    .addHelpText("after", "\nMarks: ok, stand-in (works; the official one could not be downloaded), missing (with the fix).")
    .action(run);
}

async function run(options: { readonly phase: Phase; readonly kafka: boolean }): Promise<void> {
  const [checked, host] = await Promise.all([checkMachine(machineSteps(options)), hostChecks()]);
  const rows = [...checked.map(({ step, state }) => ({ title: step.title, state })), ...host];
  console.log(
    renderTable(
      ["step", "state", "found"],
      rows.map(({ title, state }) => toRow(title, state)),
    ),
  );
  const missing = rows.filter(({ state }) => state.kind === "missing");
  if (missing.length === 0) {
    console.log("nothing is missing");
    return;
  }
  console.log(`${missing.length} missing: ${missing.map(({ title }) => title).join(", ")}`);
  process.exitCode = 1;
}

function toRow(title: string, state: State): string[] {
  const mark = { ok: colours.green("ok"), "stand-in": colours.yellow("stand-in"), missing: colours.red("missing") };
  return [title, mark[state.kind], state.kind === "ok" ? state.detail : `${state.detail}\nfix: ${state.fix}`];
}
