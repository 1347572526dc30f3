import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { writeContext } from "../../components/local/image/write-context";
import { loadBalancerContext } from "../../components/local/load-balancer";
import { freePort } from "./project";

/** Runs the docker command; returns what it printed. */
export function docker(args: readonly string[], input?: string): string {
  return execFileSync("docker", args, { encoding: "utf8", input, stdio: ["pipe", "pipe", "pipe"] });
}

/** The load balancer's image in front of containers that a test starts itself, without Pulumi. */
export interface LoadBalancerRig {
  readonly name: string;
  readonly url: string;
  /** Starts Node containers, all at once, under the alias the load balancer looks for; returns their names. */
  startUpstreams(count: number, script: string): Promise<string[]>;
  healthStatus(): string;
  remove(): void;
}

export type RigLimits = Pick<Parameters<typeof loadBalancerContext>[0], "apiLimit" | "chatLimit">;

/** Builds and starts the load balancer with one upstream; ready when it is healthy. */
export async function loadBalancerRig(limits: RigLimits, firstUpstream: string): Promise<LoadBalancerRig> {
  const name = `${process.env["PHASED_TEST_PREFIX"] ?? "test-local"}-lb-${randomBytes(3).toString("hex")}`;
  const image = `localhost/${name}:1`;
  // The sweep of an interrupted run finds containers and networks by this label.
  const common = ["create", "--label", `phased-stack.stack=${name}`, "--network", name];
  const upstreams: string[] = [];
  const context = mkdtempSync(path.join(tmpdir(), "phased-lb-"));
  const port = await freePort();
  const rig: LoadBalancerRig = {
    name,
    url: `http://127.0.0.1:${port}`,
    async startUpstreams(count, script) {
      const added = Array.from({ length: count }, (_, index) => `${name}-app-${upstreams.length + index}`);
      upstreams.push(...added);
      for (const upstream of added) {
        docker([...common, "--name", upstream, "--network-alias", "app", "--init", "node:24-trixie-slim", "node", "-e", script]);
      }
      await Promise.all(added.map((upstream) => promisify(execFile)("docker", ["start", upstream])));
      return added;
    },
    healthStatus: () => docker(["inspect", "--format", "{{.State.Health.Status}}", name]).trim(),
    remove() {
      docker(["rm", "--force", "--volumes", name, ...upstreams]);
      docker(["network", "rm", name]);
      docker(["image", "rm", image]);
    },
  };
  try {
    writeContext(context, loadBalancerContext({ upstream: "app", ...limits, maxBodyMb: 1 }));
    // The host's network: an engine without a default bridge builds as well.
    docker(["build", "--quiet", "--network", "host", "--tag", image, context]);
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
  docker(["network", "create", "--label", `phased-stack.stack=${name}`, name]);
  await rig.startUpstreams(1, firstUpstream);
  docker([...common, "--name", name, "--read-only", "--cap-drop", "ALL", "--publish", `127.0.0.1:${port}:8080`, image]);
  docker(["start", name]);
  await until("the load balancer is healthy", () => rig.healthStatus() === "healthy");
  return rig;
}

/** Waits for a condition, at most 30 s. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    if (Date.now() > deadline) assert.fail(`not within 30 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
