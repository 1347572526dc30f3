import assert from "node:assert/strict";
import type { KubernetesApi } from "../../toolchain/lib/kubernetes-api";
import { ControlPlane } from "../support/kubernetes/control-plane";
import { PERMISSIVE_DEFINITIONS } from "../support/kubernetes/definitions";
import { kubernetesManifests, KUBERNETES_STACKS, type KubernetesStack } from "../support/kubernetes/programs";
import { wrongManifests, wrongPods, type Wrong } from "../support/kubernetes/wrong";
import { inOrder, type Manifest } from "../support/manifests";

/** Whose fields they are: a stack has one manager for its objects, as with the provider of Pulumi. */
const fieldManager = "pulumi";

const line = ({ kind, metadata }: Manifest): string => `${kind} ${metadata.name}`;

describe("Kubernetes: what the program makes, on a real API server", function () {
  this.timeout(300_000);
  let plane: ControlPlane;
  let api: KubernetesApi;

  before(async () => {
    plane = await ControlPlane.start();
    api = plane.api;
    await plane.define([...plane.publishedDefinitions(), ...PERMISSIVE_DEFINITIONS]);
  });
  after(async () => {
    await plane.stop();
  });

  for (const stack of KUBERNETES_STACKS) {
    describe(stack, () => {
      let manifests: Manifest[];
      before(async () => {
        manifests = inOrder(await kubernetesManifests(stack));
      });

      it("F7 is accepted object by object in a dry run, with every field known and no remark", async () => {
        assert.ok(manifests.length > 20, `${manifests.length} objects`);
        for (const manifest of manifests) {
          // What is in a namespace is refused as long as that is not there.
          const dryRun = manifest.kind !== "Namespace";
          const { warnings } = await api.apply(manifest, { fieldManager, dryRun });
          assert.deepEqual(warnings, [], line(manifest));
        }
      });

      it("F7 is kept, and applied again nothing changes", async () => {
        const applied = async (): Promise<Record<string, unknown>> => {
          const entries: [string, unknown][] = [];
          for (const manifest of manifests) {
            const { object } = await api.apply(manifest, { fieldManager });
            const { resourceVersion, ...metadata } = object.metadata;
            assert.ok(resourceVersion !== undefined, line(manifest));
            // The server writes a claim once more at its first update, as it was.
            const version = manifest.kind === "PersistentVolumeClaim" ? undefined : resourceVersion;
            entries.push([line(manifest), { ...object, metadata, version }]);
          }
          return Object.fromEntries(entries);
        };
        assert.deepEqual(await applied(), await applied());
      });
    });
  }

  // A suite of its own: mocha runs a suite's tests before those of the suites in it, and these need what was applied.
  describe("and what it refuses", () => {
    const refusals = (title: string, stack: KubernetesStack, wrong: (manifests: readonly Manifest[]) => readonly Wrong[]): void => {
      it(title, async () => {
        const manifests = await kubernetesManifests(stack);
        const cases = wrong(manifests);
        assert.ok(cases.length > 0);
        for (const { what, manifest, refused } of cases) {
          await assert.rejects(api.apply(manifest, { fieldManager, dryRun: true, force: true }), refused, what);
        }
      });
    };

    refusals("F7 refuses what is wrong with an object, so that the tests above can fail", "prod", wrongManifests.builtIn);
    refusals("F7 refuses what is wrong with an object of KEDA, Prometheus or the Gateway API", "prod-keda", wrongManifests.custom);
    refusals("F7 refuses what is wrong with an object of Karpenter", "eks-prod", wrongManifests.karpenter);
    refusals(
      "refuses changes that the program therefore makes as new objects: of environments, secrets, migrations",
      "prod",
      wrongManifests.frozen,
    );
    refusals("lets no pod into the namespace that may do more than the app's (restricted Pod Security Standard)", "prod", wrongPods);
  });
});
