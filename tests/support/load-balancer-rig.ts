import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { spareAlias } from "../../components/contract";
import { writeContext } from "../../components/local/image/write-context";
import { loadBalancerContext, subjectAltNames } from "../../components/local/load-balancer";
import { GENERATED_PEM } from "../../components/local/load-balancer/tls";
import { freePort } from "./project";
import { dockerCommand } from "./services/container";

/** Runs the docker command; returns what it printed. */
export function docker(args: readonly string[], input?: string): string {
  return execFileSync("docker", args, { encoding: "utf8", input, stdio: ["pipe", "pipe", "pipe"] });
}

/** The load balancer's image in front of containers that a test starts itself, without Pulumi. */
export interface LoadBalancerRig {
  readonly name: string;
  readonly url: string;
  /** With TLS: plain HTTP, which redirects. */
  readonly redirectUrl: string;
  /** Token of requests that no limit applies to. */
  readonly operatorToken: string;
  /** Puts another certificate into the volume, as a second `pulumi up` does. */
  replaceCertificate(pem: string): void;
  /** Starts Node containers, all at once, under the alias the load balancer looks for; returns their names. */
  startUpstreams(count: number, script: string): Promise<string[]>;
  healthStatus(): string;
  remove(): void;
}

export type RigLimits = Pick<Parameters<typeof loadBalancerContext>[0], "apiLimit" | "chatLimit">;

/** Starts the load balancer with TLS. */
export interface RigTls {
  /** The user's own certificate and key; without it one is generated in the container. */
  readonly pem?: string;
}

/** Builds and starts the load balancer with one upstream; ready when it is healthy. */
export async function loadBalancerRig(limits: RigLimits, firstUpstream: string, tls?: RigTls): Promise<LoadBalancerRig> {
  const name = `${process.env["PHASED_TEST_PREFIX"] ?? "test-local"}-lb-${randomBytes(3).toString("hex")}`;
  const image = `localhost/${name}:1`;
  // The sweep of an interrupted run finds containers, networks and volumes by this label.
  const label = ["--label", `phased-stack.stack=${name}`];
  const common = ["create", ...label, "--network", name];
  const upstreams: string[] = [];
  const directory = mkdtempSync(path.join(tmpdir(), "phased-lb-"));
  const [port, redirectPort] = [await freePort(), await freePort()];
  let writers = 0;
  const operatorToken = randomBytes(16).toString("hex");
  const secrets = `${name}-secrets`;
  const writeSecret = (file: string, content: string): void => {
    const writer = `${name}-writer-${(writers += 1)}`;
    writeFileSync(path.join(directory, file), content, { mode: 0o444 });
    docker(["create", ...label, "--name", writer, "--volume", `${secrets}:/run/secrets`, image]);
    docker(["cp", path.join(directory, file), `${writer}:/run/secrets/${file}`]);
    docker(["rm", writer]);
    // Read-only, as the container has to find it, and so not to be written over.
    rmSync(path.join(directory, file));
  };
  const rig: LoadBalancerRig = {
    name,
    operatorToken,
    url: `http${tls === undefined ? "" : "s"}://127.0.0.1:${port}`,
    redirectUrl: `http://127.0.0.1:${redirectPort}`,
    async startUpstreams(count, script) {
      const added = Array.from({ length: count }, (_, index) => `${name}-app-${upstreams.length + index}`);
      upstreams.push(...added);
      const where = ["--network-alias", "app", "--network-alias", spareAlias("app")];
      const program = ["--init", "node:24-trixie-slim", "node", "-e", script];
      // Not as a synchronous command: this process sends the load meanwhile.
      await Promise.all(added.map((upstream) => dockerCommand([...common, "--name", upstream, ...where, ...program])));
      await Promise.all(added.map((upstream) => dockerCommand(["start", upstream])));
      return added;
    },
    replaceCertificate: (pem) => writeSecret("tls.pem", pem),
    healthStatus: () => docker(["inspect", "--format", "{{.State.Health.Status}}", name]).trim(),
    remove() {
      docker(["rm", "--force", "--volumes", name, ...upstreams]);
      docker(["network", "rm", name]);
      docker(["volume", "rm", "--force", name, secrets]);
      // What it was built on stays: Docker's builder may be using it for another one, and fails when it goes.
      docker(["image", "rm", "--no-prune", image]);
      rmSync(directory, { recursive: true, force: true });
    },
  };
  const kind =
    tls === undefined ? undefined : tls.pem === undefined ? ({ kind: "generated" } as const) : ({ kind: "own", pem: "" } as const);
  const context = path.join(directory, "context");
  writeContext(context, loadBalancerContext({ upstream: "app", ...limits, maxBodyMb: 1, tls: kind, redirectPort, port }));
  // The host's network: an engine without a default bridge builds as well.
  docker(["build", "--quiet", "--network", "host", "--tag", image, context]);
  docker(["network", "create", ...label, name]);
  await rig.startUpstreams(1, firstUpstream);
  const command: string[] = [];
  const options = ["--volume", `${secrets}:/run/secrets:ro`];
  docker(["volume", "create", ...label, secrets]);
  writeSecret("operator_token", operatorToken);
  if (tls !== undefined) {
    docker(["volume", "create", ...label, name]);
    if (tls.pem === undefined) command.push("generate", GENERATED_PEM, subjectAltNames("127.0.0.1"));
    else command.push("watch", "/run/secrets/tls.pem");
    if (tls.pem !== undefined) rig.replaceCertificate(tls.pem);
    if (tls.pem === undefined) options.push("--volume", `${name}:${path.dirname(GENERATED_PEM)}`);
    options.push("--publish", `127.0.0.1:${redirectPort}:8080`);
  }
  const published = ["--publish", `127.0.0.1:${port}:${tls === undefined ? 8080 : 8443}`, ...options];
  docker([...common, "--name", name, "--read-only", "--cap-drop", "ALL", ...published, image, ...command]);
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
