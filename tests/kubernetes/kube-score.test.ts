import assert from "node:assert/strict";
import { EXCEPTIONS, runKubeScore, unexcepted } from "../support/kubernetes/kube-score";
import { kubernetesManifests, KUBERNETES_STACKS } from "../support/kubernetes/programs";
import type { Manifest } from "../support/manifests";

describe("kube-score: checks that nobody here wrote", function () {
  this.timeout(300_000);
  const used = new Set<string>();

  for (const stack of KUBERNETES_STACKS) {
    it(`F7 finds nothing CRITICAL in ${stack} but what is excepted with a reason`, async () => {
      const { findings, checks } = await runKubeScore(await kubernetesManifests(stack));
      assert.ok(checks >= 60, `${checks} checks were made`);
      assert.deepEqual(unexcepted(findings), []);
      for (const { id } of findings) used.add(id);
    });
  }

  it("has a reason for each exception, and none that nothing needs", () => {
    for (const [id, { reason }] of Object.entries(EXCEPTIONS)) assert.match(reason, /^[A-Z`].{20,}\.$/, id);
    assert.deepEqual(Object.keys(EXCEPTIONS).sort(), [...used].sort());
  });

  it("finds what the manifests have when it is taken away, so that the tests above can fail", async () => {
    const manifests = await kubernetesManifests("prod");
    const without = (kind: string): Manifest[] => manifests.filter((manifest) => manifest.kind !== kind);
    const wholes: readonly (readonly [string, readonly Manifest[]])[] = [
      ["pod-networkpolicy", without("NetworkPolicy")],
      ["deployment-has-poddisruptionbudget", without("PodDisruptionBudget")],
      ["ingress-targets-service", without("Service")],
      ["container-security-context-readonlyrootfilesystem", container(manifests, (spec) => delete spec.securityContext)],
      ["container-resources", container(manifests, (spec) => delete spec.resources)],
      ["container-image-tag", container(manifests, (spec) => (spec.image = "app:latest"))],
      ["pod-probes", container(manifests, (spec) => delete spec.readinessProbe)],
      ["pod-probes-identical", container(manifests, (spec) => (spec.livenessProbe = spec.readinessProbe))],
    ];
    for (const [id, wrong] of wholes) {
      const { findings } = await runKubeScore(wrong);
      assert.ok(
        unexcepted(findings).some((finding) => finding.startsWith(`${id}:`)),
        `${id} is not among ${unexcepted(findings).join("\n")}`,
      );
    }
  });
});

interface Container {
  image: string;
  resources?: unknown;
  securityContext?: unknown;
  readinessProbe?: unknown;
  livenessProbe?: unknown;
}

/** The same objects with the container of every Deployment changed. */
function container(manifests: readonly Manifest[], change: (spec: Container) => void): Manifest[] {
  return manifests.map((manifest) => {
    if (manifest.kind !== "Deployment") return manifest;
    const copy = structuredClone(manifest) as Manifest & { spec: { template: { spec: { containers: Container[] } } } };
    copy.spec.template.spec.containers.forEach(change);
    return copy;
  });
}
