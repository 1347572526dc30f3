import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import path from "node:path";
import { UserError } from "../lib/errors";
import { freePort } from "../lib/free-port";
import { openStack, type OpenStack } from "../lib/outputs";
import { ROOT } from "../lib/paths";
import { prepareMachine } from "../machine";

/** Brings a stack of phase `database` with a random name up, to be broken. @throws UserError when it does not come up. */
export async function ownStack(): Promise<OpenStack> {
  await prepareMachine({ phase: "database" });
  const port = await freePort();
  const stack = await openStack(`chaos-${randomBytes(3).toString("hex")}`, {
    create: true,
    config: { phase: "database", port: String(port), protect: "false" },
  });
  const result = await stack.update(["up", "--yes", "--skip-preview", "--suppress-outputs"]);
  if (result.code === 0) return stack;
  await removeStack(stack.name);
  throw new UserError(`stack ${stack.name} did not come up; Pulumi's own words are above`);
}

/**
 * Removes the stack and its data, by `npm run down` in a process of its own: this one may have been interrupted, and lets no other program
 * start any more. Images stay, the next run needs the same.
 */
export function removeStack(name: string): Promise<void> {
  const args = [path.join(ROOT, "toolchain/run.mjs"), "down", "--stack", name, "--yes", "--remove-stack", "--keep-images"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"], detached: process.platform !== "win32" });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => {
      if (code === 0) resolve();
      else reject(new UserError(`stack ${name} was not removed`, `npm run down -- --stack ${name} --yes --remove-stack`));
    });
  });
}
