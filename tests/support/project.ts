import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { LocalWorkspace, type Stack } from "@pulumi/pulumi/automation";

export { freePort } from "../../toolchain/lib/free-port";

const ROOT = path.resolve(__dirname, "../..");

/** A copy of the working tree in which a test may edit the app and run `pulumi` without touching the developer's files. */
export interface ProjectCopy {
  readonly directory: string;
  /** Environment of every `pulumi` run: an own file backend and passphrase, so that runs never see the developer's stacks. */
  readonly environment: Readonly<Record<string, string>>;
  /** A stack with a random name; `config` keys without a namespace belong to the project. */
  createStack(config: Readonly<Record<string, string>>): Promise<Stack>;
  /** The stack's state file as it lies in the backend, secrets encrypted (the Automation API's export shows them). */
  rawState(stackName: string): string;
  remove(): void;
}

export function copyProject(): ProjectCopy {
  const directory = mkdtempSync(path.join(tmpdir(), "phased-project-"));
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: ROOT, encoding: "utf8" });
  for (const file of listed.split("\0").filter((name) => name !== "")) {
    const target = path.join(directory, "project", file);
    mkdirSync(path.dirname(target), { recursive: true });
    cpSync(path.join(ROOT, file), target, { force: true });
  }
  const project = path.join(directory, "project");
  symlinkSync(path.join(ROOT, "node_modules"), path.join(project, "node_modules"), "dir");
  const state = path.join(directory, "state");
  mkdirSync(state);
  const environment = {
    PULUMI_BACKEND_URL: `file://${state}`,
    PULUMI_CONFIG_PASSPHRASE: randomBytes(16).toString("hex"),
    PULUMI_CONFIG_PASSPHRASE_FILE: "",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    PULUMI_SKIP_UPDATE_CHECK: "1",
  };
  return {
    directory: project,
    environment,
    async createStack(config) {
      const name = `${process.env["PHASED_TEST_PREFIX"] ?? "test-local"}-${randomBytes(3).toString("hex")}`;
      const stack = await LocalWorkspace.createStack({ stackName: name, workDir: project }, { envVars: environment });
      // Stacks of tests are thrown away: their data needs no protection.
      const entries = Object.entries({ protect: "false", ...config }).map(([key, value]) => [
        key.includes(":") ? key : `phased-stack:${key}`,
        { value },
      ]);
      await stack.setAllConfig(Object.fromEntries(entries) as Record<string, { value: string }>);
      return stack;
    },
    rawState: (stackName) => readFileSync(path.join(state, ".pulumi", "stacks", "phased-stack", `${stackName}.json`), "utf8"),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
