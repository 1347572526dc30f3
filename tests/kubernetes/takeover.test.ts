import assert from "node:assert/strict";
import { type KubernetesApi, KubernetesApiError, type KubernetesObject } from "../../toolchain/lib/kubernetes-api";
import { patchOf } from "../support/failover-runbook";
import { ControlPlane } from "../support/kubernetes/control-plane";
import { isReady, markReady, type Pod, podsOf } from "../support/kubernetes/pods";
import { kubernetesManifests } from "../support/kubernetes/programs";
import { inOrder, type Manifest } from "../support/manifests";

/** Whose fields they are: the program's, and those of whoever types the runbook's commands. */
const fieldManager = "pulumi";
const PERSON = "kubectl-patch";

const STACK = "eks-second";
const NAMESPACE = `phased-stack-${STACK}`;

/** Objects that EKS and its add-ons know: nodes, the load balancer's binding, secrets. */
const OF_EKS = /^(eks\.amazonaws\.com|karpenter\.sh|secrets-store\.csi\.x-k8s\.io)\//;

interface Deployment extends KubernetesObject {
  readonly spec: {
    readonly replicas: number;
    readonly strategy: { readonly rollingUpdate: { readonly maxSurge: unknown } };
    readonly template: { readonly spec: { readonly containers: readonly { readonly envFrom: unknown }[] } };
  };
  readonly status: { readonly observedGeneration?: number; readonly updatedReplicas?: number };
}

interface WithEnvironment extends Pod {
  readonly spec: Pod["spec"] & { readonly containers: readonly { readonly envFrom: readonly { configMapRef: { name: string } }[] }[] };
}

describe("Kubernetes: the second region takes over, by the commands of docs/region-failover.md", function () {
  this.timeout(300_000);
  let plane: ControlPlane;
  let api: KubernetesApi;
  let manifests: Manifest[];

  const named = (from: readonly Manifest[], kind: string): Manifest =>
    from.find((manifest) => manifest.kind === kind && manifest.metadata.name === "app") ?? assert.fail(kind);
  const deployment = async (): Promise<Deployment> => (await api.get(named(manifests, "Deployment"))) as Deployment;
  const pods = async (): Promise<WithEnvironment[]> => (await podsOf(api, NAMESPACE, "web")) as WithEnvironment[];
  const environmentOf = (pod: WithEnvironment): string | undefined => pod.spec.containers[0]?.envFrom[0]?.configMapRef.name;
  const makeAllReady = async (): Promise<void> => {
    for (const pod of await pods()) if (!isReady(pod)) await markReady(api, pod);
  };
  /** What `kubectl patch` does. */
  const patch = (path: string, type: string, body: unknown): Promise<unknown> =>
    api.request("PATCH", `/apis/${path}/app?fieldManager=${PERSON}`, body, `application/${type}+json`);

  before(async () => {
    plane = await ControlPlane.start();
    api = plane.api;
    manifests = inOrder(await kubernetesManifests(STACK)).filter(({ apiVersion }) => !OF_EKS.test(apiVersion));
    for (const manifest of manifests) await api.apply(manifest, { fieldManager });
    await plane.startControllers();
  });
  after(async () => {
    await plane.stop();
  });

  it("A16 waits with its fewest pods, and grows to those the runbook says", async () => {
    await plane.until("the fewest pods are there", async () => (await pods()).length === 3);
    await makeAllReady();
    await patch(`autoscaling/v2/namespaces/${NAMESPACE}/horizontalpodautoscalers`, "strategic-merge-patch", patchOf("hpa", "app"));
    await plane.until("five pods are there", async () => (await pods()).length === 5);
    await makeAllReady();
  });

  it("A16 replaces all pods at once by those that write to this region, and no old one goes before new ones are ready", async () => {
    const old = new Set((await pods()).map(({ metadata }) => metadata.uid));
    await patch(`apps/v1/namespaces/${NAMESPACE}/deployments`, "json-patch", patchOf("deployment", "app"));
    await plane.until("as many new pods are there", async () => (await deployment()).status.updatedReplicas === old.size);
    const both = await pods();
    assert.equal(both.filter(({ metadata }) => old.has(metadata.uid)).length, old.size);
    await plane.until("only new ones are left", async () => {
      await makeAllReady();
      const now = await pods();
      return now.length === old.size && now.every(({ metadata }) => !old.has(metadata.uid));
    });
    for (const pod of await pods()) assert.equal(environmentOf(pod), "app-takeover");
    const { data } = (await api.get({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "app-takeover", namespace: NAMESPACE } })) as {
      data?: Record<string, string>;
    } & KubernetesObject;
    assert.match(data?.["DATABASE_URL"] ?? "", /@phased-stack-eks-second-second-database\./);
  });

  it("A16 the next update takes back what was patched, which the server refuses to who does not insist on it", async () => {
    const taken = await kubernetesManifests("eks-second-taken", STACK);
    const program = named(taken, "Deployment");
    const refusal = await api.apply(program, { fieldManager }).then(
      () => assert.fail("accepted"),
      (error: unknown) => error,
    );
    assert.ok(refusal instanceof KubernetesApiError);
    assert.equal(refusal.status, 409);
    assert.match(refusal.message, new RegExp(`conflicts? with "${PERSON}"`));
    // What Pulumi's provider does with enablePatchForce.
    for (const kind of ["Deployment", "HorizontalPodAutoscaler"]) await api.apply(named(taken, kind), { fieldManager, force: true });
    const { spec } = await deployment();
    const wanted = program["spec"] as Deployment["spec"];
    assert.deepEqual(spec.template.spec.containers[0]?.envFrom, wanted.template.spec.containers[0]?.envFrom);
    assert.equal(spec.strategy.rollingUpdate.maxSurge, 1);
    const again = await api.apply(program, { fieldManager });
    assert.equal(again.object.metadata.generation, (await deployment()).metadata.generation, "from then on they are the program's");
  });
});
