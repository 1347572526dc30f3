import type { Command } from "commander";
import { Option } from "commander";
import Table from "cli-table3";
import pc from "picocolors";
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
    .addHelpText("after", "\nMarks: ok, stand-in (works; the official one could not be downloaded), missing (with the fix).")
    .action(run);
}

async function run(options: { readonly phase: Phase }): Promise<void> {
  const [checked, host] = await Promise.all([checkMachine(machineSteps(options.phase)), hostChecks()]);
  const rows = [...checked.map(({ step, state }) => ({ title: step.title, state })), ...host];
  console.log(renderTable(rows));
  const missing = rows.filter(({ state }) => state.kind === "missing");
  if (missing.length === 0) {
    console.log("nothing is missing");
    return;
  }
  console.log(`${missing.length} missing: ${missing.map(({ title }) => title).join(", ")}`);
  process.exitCode = 1;
}

function renderTable(rows: readonly { readonly title: string; readonly state: State }[]): string {
  const color = process.stdout.isTTY ? pc : pc.createColors(false);
  const mark = { ok: color.green("ok"), "stand-in": color.yellow("stand-in"), missing: color.red("missing") };
  const table = new Table({ head: ["", "state", "found", "fix"], style: { head: [], border: [] }, wordWrap: true });
  for (const { title, state } of rows) table.push([title, mark[state.kind], state.detail, state.kind === "ok" ? "" : state.fix]);
  return table.toString();
}
