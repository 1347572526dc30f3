import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { choosePulumi } from "../../toolchain/lib/pulumi-cli";
import { quoteForShell } from "../../toolchain/lib/shell";
import { pluginCommand } from "./launch";

const ROOT = path.resolve(__dirname, "../..");

/** How a `pulumi` command ended. */
export interface Ended {
  readonly code: number | null;
  /** Both streams, in the order in which they came. */
  readonly output: string;
  /** Standard output alone: what `--json` prints, without the engine's warning that plugins come from PATH. */
  readonly stdout: string;
}

/** The part of `pulumi stack export` that cases look at. */
export interface Exported {
  readonly deployment: { readonly resources?: readonly { type: string; id?: string; outputs?: Record<string, unknown> }[] };
}

/**
 * A tiny Pulumi project in a directory of its own, run by the real engine with the language host and provider plugins under test. It has its own
 * PULUMI_HOME, file backend and stack, so that nothing of the user's is seen or changed.
 */
export class CliProject {
  readonly #directory = mkdtempSync(path.join(tmpdir(), "conformance-cli-"));
  readonly #environment: NodeJS.ProcessEnv;
  readonly #pulumi: string;

  /** @param plugins names of the provider plugins that programs use */
  constructor(plugins: readonly string[]) {
    const cli = choosePulumi();
    if (cli === undefined) throw new Error("There is no Pulumi CLI on this machine: run npm run prepare-machine.");
    this.#pulumi = cli.file;
    const [bin, home, state] = ["bin", "home", "state"].map((name) => path.join(this.#directory, name)) as [string, string, string];
    for (const folder of [bin, home, state]) mkdirSync(folder);
    writeLauncher(path.join(bin, "pulumi-language-nodejs"), pluginCommand("language-nodejs"));
    for (const name of plugins) writeLauncher(path.join(bin, `pulumi-resource-${name}`), pluginCommand(name));
    this.#environment = {
      ...process.env,
      PATH: [bin, process.env["PATH"]].join(path.delimiter),
      PULUMI_HOME: home,
      PULUMI_BACKEND_URL: `file://${state}`,
      PULUMI_CONFIG_PASSPHRASE: "conformance",
      PULUMI_CONFIG_PASSPHRASE_FILE: "",
      PULUMI_SKIP_UPDATE_CHECK: "true",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    };
    const project = path.join(this.#directory, "project");
    mkdirSync(project);
    symlinkSync(path.join(ROOT, "node_modules"), path.join(project, "node_modules"), "dir");
    writeFileSync(path.join(project, "package.json"), JSON.stringify({ name: "conformance", main: "index.js" }));
    const runtime = { name: "nodejs", options: { typescript: false, nodeargs: "--no-deprecation" } };
    writeFileSync(path.join(project, "Pulumi.yaml"), JSON.stringify({ name: "conformance", runtime }));
  }

  /** Sets the program: JavaScript with `pulumi` and `config` (of the project) at hand. */
  program(source: string): void {
    const head = 'const pulumi = require("@pulumi/pulumi");\nconst config = new pulumi.Config();\n';
    writeFileSync(path.join(this.#directory, "project", "index.js"), head + source);
  }

  /** Runs `pulumi` in the project. */
  run(...args: string[]): Promise<Ended> {
    return new Promise((resolve, reject) => {
      const child = spawn(this.#pulumi, [...args, "--non-interactive", "--color=never"], {
        cwd: path.join(this.#directory, "project"),
        env: this.#environment,
        stdio: ["ignore", "pipe", "pipe"],
      });
      let output = "";
      let stdout = "";
      for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
      child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
      child.once("error", reject);
      child.once("close", (code) => resolve({ code, output, stdout }));
    });
  }

  /** Runs `pulumi` and expects success; the output. */
  async ok(...args: string[]): Promise<string> {
    return (await this.#succeed(args)).output;
  }

  /** Runs a `pulumi` command that prints JSON, and expects success. */
  async json(...args: string[]): Promise<unknown> {
    return JSON.parse((await this.#succeed(args)).stdout);
  }

  async #succeed(args: readonly string[]): Promise<Ended> {
    const ended = await this.run(...args);
    if (ended.code !== 0) throw new Error(`pulumi ${args.join(" ")} ended with exit code ${String(ended.code)}:\n${ended.output}`);
    return ended;
  }

  /** The state, secrets encrypted. */
  async exported(): Promise<Exported> {
    return (await this.json("stack", "export")) as Exported;
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true });
  }
}

function writeLauncher(file: string, command: readonly string[]): void {
  writeFileSync(file, `#!/bin/sh\nexec ${command.map(quoteForShell).join(" ")} "$@"\n`);
  chmodSync(file, 0o755);
}
