import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { controlPlaneStep, findControlPlane, KUBERNETES_VERSION } from "../../../toolchain/machine/control-plane";
import { findKubeScore, KUBE_SCORE_VERSION, kubeScoreStep } from "../../../toolchain/machine/kube-score";
import { inDirectory, recorder, script, withEnv } from "./support";

/** What k8s.io/kubernetes has in its go.mod, in short. */
const GO_MOD = [
  "module k8s.io/kubernetes",
  "go 1.20",
  "replace (",
  "  k8s.io/api => ./staging/src/k8s.io/api",
  "  k8s.io/client-go => ./staging/src/k8s.io/client-go",
  ")",
].join("\n");

/**
 * A `go` that answers like one: downloads are a directory with files of any name, a build writes programs that tell `version`, and keeps the
 * go.mod that it was given.
 */
function fakeGo(directory: string, version: string): string {
  const bin = path.join(directory, "bin");
  mkdirSync(bin);
  writeFileSync(path.join(directory, "go.mod"), GO_MOD);
  script(
    path.join(bin, "go"),
    `case "$1" in
      version) echo "go version go1.26.8 linux/amd64";;
      mod) modules=${directory}/modules
        for file in config/crd/standard config/crd/bases example/prometheus-operator-crd pkg/apis/crds; do mkdir -p "$modules/$file"; done
        for kind in gateways httproutes; do touch "$modules/config/crd/standard/gateway.networking.k8s.io_$kind.yaml"; done
        touch "$modules/example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml" \\
          "$modules/config/crd/bases/keda.sh_scaledobjects.yaml" "$modules/pkg/apis/crds/karpenter.sh_nodepools.yaml"
        echo '{"GoMod": "${directory}/go.mod", "Dir": "'$modules'"}';;
      build) cp go.mod ${directory}/given.mod
        while [ "$1" != -o ]; do shift; done
        [ -d "$2" ] && out="$2/kube-apiserver $2/kube-controller-manager $2/etcd" || out="$2"
        for file in $out; do printf '#!/bin/sh\\necho "${version}"\\n' > "$file"; chmod +x "$file"; done;;
    esac`,
  );
  return bin;
}

async function building(version: string, test: (directory: string) => Promise<void>): Promise<void> {
  await inDirectory(async (directory) => {
    const bin = fakeGo(directory, version);
    const cache = path.join(directory, "cache");
    const environment = { PATH: `${bin}:${process.env["PATH"] ?? ""}`, PHASED_STACK_CACHE: cache, KUBE_SCORE: undefined };
    await withEnv(environment, () => test(directory));
  });
}

describe("machine steps: programs from the Go module proxy", () => {
  it("builds a control plane once, its staging modules in the version that belongs to it, with definitions of custom resources", async () => {
    await building(`Kubernetes v${KUBERNETES_VERSION}`, async (directory) => {
      const step = controlPlaneStep();
      const state = await step.check();
      assert.equal(state.kind, "missing");
      assert.match(state.kind === "missing" ? state.fix : "", /npm run test:kubernetes/);
      const progress = recorder();
      await step.ensure({ progress, official: false });
      const given = readFileSync(path.join(directory, "given.mod"), "utf8");
      const staging = KUBERNETES_VERSION.replace(/^1/, "0");
      for (const module of ["k8s.io/api", "k8s.io/client-go"])
        assert.ok(given.includes(`replace ${module} => ${module} v${staging}\n`), given);
      assert.match(given, new RegExp(`require k8s.io/kubernetes v${KUBERNETES_VERSION}`));
      const found = findControlPlane();
      assert.ok(found);
      for (const program of Object.values(found.programs)) assert.ok(existsSync(program), program);
      assert.equal(readdirSync(found.definitions).length, 5);
      assert.deepEqual(readdirSync(path.join(directory, "cache")).length, 1, "the work directory is gone");
      assert.ok(progress.lines.some((text) => text.includes("minutes on 2 cores")));
      assert.equal((await step.check()).kind, "ok");
    });
  });

  it("keeps nothing that is not what it should be", async () => {
    await building("Kubernetes v1.2.3", async (directory) => {
      await assert.rejects(
        controlPlaneStep().ensure({ progress: recorder(), official: false }),
        /says it is Kubernetes v1.2.3, not Kubernetes/,
      );
      assert.equal(findControlPlane(), undefined);
      assert.deepEqual(readdirSync(path.join(directory, "cache")), []);
    });
  });

  it("takes the kube-score that KUBE_SCORE names, and no other; else builds one", async () => {
    await building(KUBE_SCORE_VERSION, async (directory) => {
      assert.equal(findKubeScore({ KUBE_SCORE: process.execPath }), process.execPath);
      assert.equal(findKubeScore({ KUBE_SCORE: "/nowhere/kube-score" }), undefined);
      const step = kubeScoreStep();
      assert.equal((await step.check()).kind, "missing");
      await step.ensure({ progress: recorder(), official: false });
      const program = findKubeScore({});
      assert.ok(program?.startsWith(path.join(directory, "cache")));
      assert.equal((await step.check()).kind, "ok");
    });
  });

  it("tells what a build that fails printed, and what to do", async () => {
    await building("", async (directory) => {
      const go = path.join(directory, "bin", "go");
      writeFileSync(go, readFileSync(go, "utf8").replace("build) ", "build) echo 'cannot find module' >&2; exit 1; "));
      chmodSync(go, 0o755);
      await assert.rejects(kubeScoreStep().ensure({ progress: recorder(), official: false }), (error: Error & { hint?: string }) => {
        assert.match(error.message, /cannot find module/);
        assert.match(error.hint ?? "", /set GOPROXY .* or set KUBE_SCORE/);
        return true;
      });
      assert.deepEqual(readdirSync(path.join(directory, "cache")), []);
    });
  });
});
