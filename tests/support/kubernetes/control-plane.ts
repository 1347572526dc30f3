import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseAllDocuments, stringify } from "yaml";
import { freePort } from "../../../toolchain/lib/free-port";
import { KubernetesApi, type KubernetesObject } from "../../../toolchain/lib/kubernetes-api";
import { type ControlPlaneFiles, type ControlPlaneProgram, findControlPlane } from "../../../toolchain/machine/control-plane";
import { issue } from "../certificates";

/** All of it is up within 10 s on an idle machine with 2 cores; others may compute beside it. */
const DEADLINE_MS = 120_000;
/** What a program may take to end by itself. */
const STOP_DEADLINE_MS = 15_000;
const POLL_MS = 200;

interface Running {
  readonly name: ControlPlaneProgram;
  readonly child: ChildProcess;
  readonly log: string;
}

interface DefinitionSpec {
  readonly group: string;
  readonly names: { readonly kind: string };
  readonly versions: readonly { readonly name: string; readonly served: boolean }[];
}

/**
 * A control plane of Kubernetes on 127.0.0.1, with certificates and a token of its own: etcd and the API server at first, and the controllers
 * once they are asked for. It has no nodes: pods stay Pending unless a test says otherwise. Its processes end with {@link stop}, and at the
 * latest with the process that started them.
 */
export class ControlPlane {
  private readonly running: Running[] = [];
  private readonly endAll = (): void => {
    for (const { child } of this.running) child.kill("SIGKILL");
  };

  private constructor(
    private readonly files: ControlPlaneFiles,
    private readonly directory: string,
    private readonly url: string,
    private readonly port: number,
    readonly api: KubernetesApi,
  ) {
    process.once("exit", this.endAll);
  }

  /** @throws Error with the program's last lines when one does not start */
  static async start(): Promise<ControlPlane> {
    const files = findControlPlane();
    if (files === undefined) throw new Error("the control plane has not been built. Fix: npm run test:kubernetes, which builds it");
    // Readable by this user alone, as mkdtemp makes it: keys and the token are in it.
    const directory = mkdtempSync(path.join(tmpdir(), "kubernetes-"));
    const port = await freePort();
    const url = `https://127.0.0.1:${port}`;
    const token = randomBytes(24).toString("hex");
    const { certificate, key } = issue({ name: "localhost" });
    writeFileSync(path.join(directory, "tls.crt"), certificate);
    writeFileSync(path.join(directory, "tls.key"), key);
    writeFileSync(path.join(directory, "tokens.csv"), `${token},admin,admin,"system:masters"\n`);
    const accounts = generateKeyPairSync("rsa", { modulusLength: 2048 });
    writeFileSync(path.join(directory, "accounts.key"), accounts.privateKey.export({ type: "pkcs8", format: "pem" }));
    writeFileSync(path.join(directory, "accounts.pub"), accounts.publicKey.export({ type: "spki", format: "pem" }));
    writeFileSync(path.join(directory, "kubeconfig"), stringify(kubeconfig(url, certificate, token)));
    const plane = new ControlPlane(files, directory, url, port, new KubernetesApi({ url, ca: certificate, token }));
    try {
      await plane.startServers();
      return plane;
    } catch (error) {
      await plane.stop();
      throw error;
    }
  }

  /** File with the way into it, for clients of Kubernetes. */
  get kubeconfig(): string {
    return this.file("kubeconfig");
  }

  /** Starts the controllers: ReplicaSets, Jobs, autoscalers, disruption budgets and all others. */
  async startControllers(): Promise<void> {
    this.run("kube-controller-manager", [
      ...["--kubeconfig", this.kubeconfig, "--leader-elect=false", "--secure-port=0", "--bind-address=127.0.0.1"],
      ...["--service-account-private-key-file", this.file("accounts.key"), "--root-ca-file", this.file("tls.crt")],
    ]);
    // Every namespace is given an account by a controller: the first thing that pods need of them.
    await this.until("the controllers work", async () => {
      const accounts = await this.api.list("v1", "ServiceAccount", "default");
      return accounts.some(({ metadata }) => metadata.name === "default");
    });
  }

  /** Makes the custom resources known that the stack has objects of. */
  async define(definitions: readonly KubernetesObject[]): Promise<void> {
    for (const definition of definitions) await this.api.apply(definition, { fieldManager: "tests" });
    for (const definition of definitions) {
      const { group, names, versions } = definition["spec"] as DefinitionSpec;
      for (const { name } of versions.filter(({ served }) => served)) {
        await this.until(`${definition.metadata.name} is served`, () => this.api.serves(`${group}/${name}`, names.kind));
      }
    }
  }

  /** The definitions that their projects publish. */
  publishedDefinitions(): KubernetesObject[] {
    return readdirSync(this.files.definitions).flatMap((name) =>
      parseAllDocuments(readFileSync(path.join(this.files.definitions, name), "utf8")).flatMap((document) => {
        const object = document.toJS() as KubernetesObject | null;
        return object === null ? [] : [object];
      }),
    );
  }

  /** Waits for a condition; an error of the condition counts as "not yet" until the time is over. */
  async until(what: string, condition: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + DEADLINE_MS;
    for (;;) {
      const dead = this.running.find(({ child }) => child.exitCode !== null || child.signalCode !== null);
      if (dead !== undefined) throw new Error(`${dead.name} ended while waiting: ${what}\n${this.lastLines(dead)}`);
      let reason = "";
      const holds = await condition().catch((error: unknown) => {
        reason = error instanceof Error ? `: ${error.message}` : "";
        return false;
      });
      if (holds) return;
      if (Date.now() > deadline) {
        const logs = this.running.map((program) => `${program.name}:\n${this.lastLines(program)}`).join("\n");
        throw new Error(`not within ${DEADLINE_MS / 1000} s: ${what}${reason}\n${logs}`);
      }
      await sleep(POLL_MS);
    }
  }

  /** Ends what runs, last started first, and removes its files. */
  async stop(): Promise<void> {
    this.api.close();
    for (const { child } of this.running.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      child.kill("SIGTERM");
      const insist = setTimeout(() => child.kill("SIGKILL"), STOP_DEADLINE_MS);
      await ended;
      clearTimeout(insist);
    }
    process.off("exit", this.endAll);
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async startServers(): Promise<void> {
    const [clients, peers] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`];
    this.run("etcd", [
      ...["--name", "etcd", "--data-dir", this.file("etcd"), "--log-level", "warn"],
      ...["--listen-client-urls", clients, "--advertise-client-urls", clients],
      ...["--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", `etcd=${peers}`],
      // What is lost with the machine is lost: it lives as long as the tests.
      "--unsafe-no-fsync",
    ]);
    this.run("kube-apiserver", [
      ...["--etcd-servers", clients, "--bind-address", "127.0.0.1", "--secure-port", String(this.port)],
      ...["--tls-cert-file", this.file("tls.crt"), "--tls-private-key-file", this.file("tls.key"), "--cert-dir", this.directory],
      ...["--token-auth-file", this.file("tokens.csv"), "--authorization-mode", "RBAC", "--service-cluster-ip-range", "10.0.0.0/24"],
      ...["--service-account-issuer", this.url, "--service-account-key-file", this.file("accounts.pub")],
      ...["--service-account-signing-key-file", this.file("accounts.key")],
      // As clusters have it: what pods may do is then for Pod Security to say.
      "--allow-privileged=true",
    ]);
    await this.until("the API server is ready", async () => {
      await this.api.request("GET", "/readyz");
      return true;
    });
  }

  private run(name: ControlPlaneProgram, args: readonly string[]): void {
    const log = this.file(`${name}.log`);
    const output = openSync(log, "a");
    this.running.push({ name, log, child: spawn(this.files.programs[name], args, { stdio: ["ignore", output, output] }) });
    closeSync(output);
  }

  private file(name: string): string {
    return path.join(this.directory, name);
  }

  private lastLines({ log }: Running): string {
    return readFileSync(log, "utf8").trimEnd().split("\n").slice(-15).join("\n");
  }
}

function kubeconfig(server: string, certificate: string, token: string): object {
  const name = "tests";
  return {
    ...{ apiVersion: "v1", kind: "Config", "current-context": name },
    clusters: [{ name, cluster: { server, "certificate-authority-data": Buffer.from(certificate).toString("base64") } }],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
  };
}
