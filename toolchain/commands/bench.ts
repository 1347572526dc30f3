import { randomBytes } from "node:crypto";
import { createServer, type AddressInfo } from "node:net";
import { cpus, release, totalmem } from "node:os";
import type { Command } from "commander";
import type Docker from "dockerode";
import { registerApp } from "../bench/app/command";
import { registerPhaseChange } from "../bench/phase-change/command";
import { registerStack } from "../bench/stack/command";
import { findCompose, type ComposeCommand } from "../bench/compose-side";
import { FIGURE_HEAD, benchmarkSection, figureRow, figures, type Surroundings } from "../bench/figures";
import { count, narrator, writeSection } from "../bench/options";
import { measureProvisioning } from "../bench/provision";
import { belongings, removeImages, removeLeftovers } from "../lib/docker-belongings";
import { reachableDocker } from "../lib/docker";
import { openStack, type OpenStack } from "../lib/outputs";
import { formatBytes, renderTable } from "../lib/table";
import { prepareMachine } from "../machine";
import { pluginSteps } from "../machine/plugins";

interface ProvisionCommandOptions {
  readonly rounds: string;
  readonly compose?: string;
  readonly write: boolean;
}

/** Heading of BENCHMARKS.md under which the dated sections go. */
const HEADING = "## Provisioning (`npm run bench provision`)";

/** `npm run bench …`: figures, not tests; they go into BENCHMARKS.md with date and machine. */
export function register(program: Command): void {
  const bench = program.command("bench").description("measure; figures go into BENCHMARKS.md");
  bench
    .command("provision")
    .description("pulumi up from nothing, without a change, preview, destroy ÷ docker compose with the same images")
    .option("--rounds <n>", "counted rounds; each takes about a minute", "5")
    .option("--compose <path>", "Docker Compose to compare with (default: docker compose, then docker-compose on PATH)")
    .option("--no-write", "print only, leave BENCHMARKS.md as it is")
    .addHelpText(
      "after",
      `
It makes a stack of its own beside yours and removes it at the end. Run it on a machine with nothing else to do.

Examples:
  npm run bench provision
  npm run bench provision -- --rounds 3 --no-write`,
    )
    .action(provision);
  registerApp(bench);
  registerStack(bench);
  registerPhaseChange(bench);
}

async function provision(options: ProvisionCommandOptions): Promise<void> {
  const rounds = count("--rounds", options.rounds, 99);
  await prepareMachine({ phase: "cluster" });
  const compose = await findCompose(options.compose);
  const docker = await reachableDocker();
  const [port, composePort] = await freePorts();
  const stack = await openStack(`bench-${randomBytes(3).toString("hex")}`, {
    create: true,
    config: { phase: "cluster", port: String(port), protect: "false" },
  });
  const say = narrator();
  try {
    const samples = await measureProvisioning({ stack, docker, compose, rounds, composePort, onStep: say });
    const results = figures(samples);
    const where = await surroundings(docker, compose, rounds, stack);
    console.log(`\n${renderTable(FIGURE_HEAD, results.map(figureRow))}`);
    console.log(`\n${where.machine}; ${where.plugins} plugins; Docker ${where.docker}; ${rounds} rounds, medians.`);
    if (options.write) writeSection(HEADING, benchmarkSection(results, samples, where));
  } finally {
    say("removing the stack");
    await removeStack(stack, docker);
  }
}

async function removeStack(stack: OpenStack, docker: Docker): Promise<void> {
  const onDocker = await stack.onDocker();
  const owned = await belongings(docker, onDocker);
  await stack.pulumi(["destroy", "--yes", "--skip-preview", "--non-interactive"], 300_000);
  await removeLeftovers(docker, await belongings(docker, onDocker), false);
  await removeImages(docker, owned.images);
  await stack.remove();
}

async function surroundings(docker: Docker, compose: ComposeCommand, rounds: number, stack: OpenStack): Promise<Surroundings> {
  const { Version: engine } = await docker.version();
  const [processor] = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} cores (${processor?.model.trim() ?? "unknown"}), ${formatBytes(totalmem())}, ${process.platform} ${release()}`,
    docker: engine,
    compose: compose.version,
    node: process.versions.node,
    pulumi: (await stack.pulumi(["version"])).replace(/^v/, "").trim(),
    plugins: await pluginKind(),
    rounds,
  };
}

/** Official plugins are compiled programs, stand-ins run on Node: figures of the two do not compare. */
async function pluginKind(): Promise<string> {
  const states = await Promise.all(pluginSteps("cluster").map((step) => step.check()));
  return states.some((state) => state.kind === "stand-in") ? "stand-in" : "official";
}

/** Two ports of 127.0.0.1 that are free now, held at the same time so that they differ. */
async function freePorts(): Promise<[number, number]> {
  const servers = await Promise.all(
    [0, 0].map(
      (port) =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const server = createServer();
          server.once("error", reject);
          server.listen(port, "127.0.0.1", () => resolve(server));
        }),
    ),
  );
  const [first = 0, second = 0] = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return [first, second];
}
