import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { ROOT } from "../lib/paths";

/**
 * Loads and runs the Pulumi program of a stack without an engine, the way the language host does; run as a process of its own by
 * `npm run bench provision`, which measures its life from start to end.
 *
 * Environment: `BENCH_STACK`, name of the stack; `PULUMI_CONFIG`, its configuration as JSON.
 */
async function main(): Promise<void> {
  await pulumi.runtime.setMocks(
    {
      newResource: ({ name, inputs, type }) => ({
        id: `${name}-id`,
        state: { name, ...(inputs as object), ...(type.startsWith("random:") ? { result: "x".repeat(48) } : {}) },
      }),
      call: ({ inputs }) => inputs as Record<string, unknown>,
    },
    "phased-stack",
    process.env["BENCH_STACK"] ?? "dev",
    true,
  );
  pulumi.runtime.setAllConfig(JSON.parse(process.env["PULUMI_CONFIG"] ?? "{}") as Record<string, string>);
  const program: unknown = await import(path.join(ROOT, "stacks", "index"));
  await pulumi.runtime.disconnect();
  if (typeof program !== "object") throw new Error("stacks/index exports nothing");
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
