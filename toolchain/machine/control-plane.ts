import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { UserError } from "../lib/errors";
import { exec } from "../lib/exec";
import { cacheDir, executable } from "../lib/paths";
import type { Progress } from "../lib/progress";
import type { Go } from "./go";
import { goBuild, goDownload, inWorkDirectory } from "./go-build";
import type { State, Step } from "./types";

/** The version whose API the manifests are held against. */
export const KUBERNETES_VERSION = "1.36.2";

/** Programs of a control plane: etcd is the version that Kubernetes is released with, from the same module graph. */
const PROGRAMS = ["kube-apiserver", "kube-controller-manager", "etcd"] as const;
export type ControlPlaneProgram = (typeof PROGRAMS)[number];

/** Definitions of custom resources that the stack makes objects of: their modules have them as files. */
const DEFINITIONS: readonly { readonly module: string; readonly files: readonly string[] }[] = [
  {
    module: "sigs.k8s.io/gateway-api@v1.4.0",
    files: ["gateways", "httproutes"].map((kind) => `config/crd/standard/gateway.networking.k8s.io_${kind}.yaml`),
  },
  {
    module: "github.com/prometheus-operator/prometheus-operator@v0.85.0",
    files: ["example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml"],
  },
  { module: "github.com/kedacore/keda/v2@v2.21.0", files: ["config/crd/bases/keda.sh_scaledobjects.yaml"] },
  { module: "sigs.k8s.io/karpenter@v1.8.0", files: ["pkg/apis/crds/karpenter.sh_nodepools.yaml"] },
];

/** etcd's module has its `main` where a published version cannot be built from. */
const ETCD_MAIN = `// Command etcd is the server of go.etcd.io/etcd.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
`;

const FIX = "run the suite where it can";
const VERSION_TIMEOUT_MS = 30_000;

/** A control plane on this machine's disk. */
export interface ControlPlaneFiles {
  readonly programs: Readonly<Record<ControlPlaneProgram, string>>;
  /** Directory with YAML files. */
  readonly definitions: string;
}

const directory = (): string => path.join(cacheDir(), `kubernetes-v${KUBERNETES_VERSION}-${process.platform}-${process.arch}`);

/** Etcd, the API server and the controllers of Kubernetes in this project's cache; undefined when they have not been built. */
export function findControlPlane(): ControlPlaneFiles | undefined {
  const place = directory();
  if (!existsSync(place)) return undefined;
  const programs = Object.fromEntries(PROGRAMS.map((name) => [name, path.join(place, executable(name))]));
  return { programs: programs as Record<ControlPlaneProgram, string>, definitions: path.join(place, "definitions") };
}

/** The step that builds a control plane from the Go module proxy; only the tests that apply manifests to an API server need it. */
export function controlPlaneStep(): Step {
  // eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous, this check is not
  const check = async (): Promise<State> =>
    findControlPlane() === undefined
      ? { kind: "missing", detail: `${directory()} is not there`, fix: "npm run test:kubernetes builds it" }
      : { kind: "ok", detail: directory() };
  return {
    id: "kubernetes",
    title: `Kubernetes ${KUBERNETES_VERSION} control plane`,
    check,
    ensure: async ({ progress }) => {
      if ((await check()).kind === "ok") return;
      await inWorkDirectory("kubernetes", (work) => build(work, progress));
    },
  };
}

async function build(work: string, progress: Progress): Promise<void> {
  const draft = path.join(work, "draft");
  mkdirSync(draft);
  const version = (variable: string, value: string): string => `-X k8s.io/component-base/version.${variable}=${value}`;
  const [major = "", minor = ""] = KUBERNETES_VERSION.split(".");
  const go = await goBuild(
    {
      ...{ what: "a Kubernetes control plane", module: "k8s.io/kubernetes", version: `v${KUBERNETES_VERSION}` },
      packages: ["k8s.io/kubernetes/cmd/kube-apiserver", "k8s.io/kubernetes/cmd/kube-controller-manager", "phased-stack/build/etcd"],
      // Its staging directories are published as modules of their own, with a 0 in front.
      replaces: ({ directories }) =>
        directories.map((module) => `${module} => ${module} v0.${minor}.${KUBERNETES_VERSION.split(".")[2] ?? ""}`),
      sources: { "etcd/main.go": ETCD_MAIN },
      ldflags: `-s -w ${version("gitVersion", `v${KUBERNETES_VERSION}`)} ${version("gitMajor", major)} ${version("gitMinor", minor)}`,
      ...{ takes: "about 7 minutes on 2 cores", fix: FIX },
    },
    draft,
    work,
    progress,
  );
  await checkVersion(path.join(draft, executable("kube-apiserver")));
  await copyDefinitions(go, path.join(draft, "definitions"), work, progress);
  // All or nothing: a directory that is there is complete.
  rmSync(directory(), { recursive: true, force: true });
  renameSync(draft, directory());
}

async function checkVersion(program: string): Promise<void> {
  const { stdout } = await exec(program, ["--version"], { timeoutMs: VERSION_TIMEOUT_MS, fix: FIX });
  if (stdout.trim() !== `Kubernetes v${KUBERNETES_VERSION}`) {
    throw new UserError(`the built API server says it is ${stdout.trim()}, not Kubernetes v${KUBERNETES_VERSION}`, FIX);
  }
}

async function copyDefinitions(go: Go, target: string, work: string, progress: Progress): Promise<void> {
  mkdirSync(target);
  for (const { module, files } of DEFINITIONS) {
    progress.detail(`reading ${module}`);
    const { Dir: root } = await goDownload(go, module, { work, fix: FIX });
    for (const file of files) copyFileSync(path.join(root, file), path.join(target, path.basename(file)));
  }
}
