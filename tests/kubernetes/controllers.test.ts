import assert from "node:assert/strict";
import { type KubernetesApi, KubernetesApiError, type KubernetesObject } from "../../toolchain/lib/kubernetes-api";
import { ControlPlane } from "../support/kubernetes/control-plane";
import { evict, isReady, markReady, markSucceeded, type Pod, podsOf } from "../support/kubernetes/pods";
import { kubernetesManifests } from "../support/kubernetes/programs";
import { inOrder, type Manifest } from "../support/manifests";

/** Whose fields they are: a stack has one manager for its objects, as with the provider of Pulumi. */
const fieldManager = "pulumi";
const STACK = "prod";
const NAMESPACE = `phased-stack-${STACK}`;

interface Deployment extends KubernetesObject {
  readonly spec: { readonly replicas: number };
  readonly status: { readonly observedGeneration?: number; readonly updatedReplicas?: number; readonly availableReplicas?: number };
}

describe("Kubernetes: what controllers make of the program's objects", function () {
  this.timeout(300_000);
  let plane: ControlPlane;
  let api: KubernetesApi;
  let manifests: Manifest[];

  const named = (kind: string, name?: string): Manifest => {
    const found = manifests.find((manifest) => manifest.kind === kind && (name === undefined || manifest.metadata.name === name));
    assert.ok(found, `${kind} ${name ?? ""}`);
    return found;
  };
  const deployment = async (name: string): Promise<Deployment> => (await api.get(named("Deployment", name))) as Deployment;
  const fewest = (name: string): number => (named("HorizontalPodAutoscaler", name)["spec"] as { minReplicas: number }).minReplicas;
  const pods = (role: string): Promise<Pod[]> => podsOf(api, NAMESPACE, role);
  const makeAllReady = async (role: string): Promise<void> => {
    for (const pod of await pods(role)) if (!isReady(pod)) await markReady(api, pod);
  };

  before(async () => {
    plane = await ControlPlane.start();
    api = plane.api;
    manifests = inOrder(await kubernetesManifests(STACK));
    for (const manifest of manifests) await api.apply(manifest, { fieldManager });
    await plane.startControllers();
  });
  after(async () => {
    await plane.stop();
  });

  it("A14 every workload has pods that the namespace's Pod Security Standard accepts, and the migration has one", async () => {
    const labels = (await api.get(named("Namespace"))).metadata["labels"] as Record<string, string>;
    assert.equal(labels["pod-security.kubernetes.io/enforce"], "restricted");
    for (const role of ["web", "jobs", "consumer", "migrations"]) {
      await plane.until(`${role} has pods`, async () => (await pods(role)).length > 0);
    }
  });

  it("A15 B12 autoscalers bring workloads to their fewest pods, and an update leaves that number alone", async () => {
    for (const name of ["app", "jobs", "consumer"]) {
      const expected = fewest(name);
      await plane.until(`${name} has ${expected} pods`, async () => (await deployment(name)).spec.replicas === expected);
      const before = await deployment(name);
      const { object } = await api.apply(named("Deployment", name), { fieldManager });
      assert.equal((object as Deployment).spec.replicas, expected);
      assert.equal(object.metadata.generation, before.metadata.generation);
    }
  });

  it("A14 the migration is over once its pod has ended well: what Pulumi waits for before it touches the workloads", async () => {
    for (const pod of await pods("migrations")) await markSucceeded(api, pod);
    await plane.until("the Job is complete", async () => {
      const { status } = (await api.get(named("Job"))) as { status?: { conditions?: { type: string; status: string }[] } };
      return status?.conditions?.some(({ type, status: value }) => type === "Complete" && value === "True") === true;
    });
  });

  it("F3 whoever empties nodes takes one pod of a workload at a time", async () => {
    const expected = fewest("app");
    await plane.until("all pods are there", async () => (await pods("web")).length === expected);
    await makeAllReady("web");
    const budget = async (): Promise<number> => {
      const { status } = (await api.get(named("PodDisruptionBudget", "app"))) as { status?: { disruptionsAllowed?: number } };
      return status?.disruptionsAllowed ?? 0;
    };
    await plane.until("one pod may be disrupted", async () => (await budget()) === 1);
    const [one, other] = await pods("web");
    assert.ok(one && other, "there are two pods at least");
    await evict(api, one);
    const refusal = await evict(api, other).then(
      () => assert.fail("a second one was evicted"),
      (error: unknown) => error,
    );
    assert.ok(refusal instanceof KubernetesApiError);
    assert.equal(refusal.status, 429);
    assert.match(refusal.message, /disruption budget/);
    await plane.until("the evicted pod has been replaced", async () => (await pods("web")).length === expected);
    await makeAllReady("web");
    await plane.until("all pods serve again", async () => (await budget()) === 1);
  });

  it("F3 an image that does not become ready stops the rollout with one pod, and all old ones go on", async () => {
    const expected = fewest("app");
    await plane.until("all old pods are available", async () => (await deployment("app")).status.availableReplicas === expected);
    const old = new Set((await pods("web")).map(({ metadata }) => metadata.uid));
    await api.apply(withImage(named("Deployment", "app"), "b"), { fieldManager });
    await plane.until("a new pod was made", async () => (await pods("web")).some(({ metadata }) => !old.has(metadata.uid)));
    await plane.until("the controller has seen the change", async () => {
      const { metadata, status } = await deployment("app");
      return status.observedGeneration === metadata.generation && status.updatedReplicas === 1;
    });
    const now = await pods("web");
    assert.equal(now.filter(({ metadata }) => old.has(metadata.uid)).length, expected, "an old pod went before a new one was ready");
    assert.equal(now.length, expected + 1);
    assert.equal((await deployment("app")).status.availableReplicas, expected);
  });

  it("F3 with one that does, pods are replaced one by one and there is never one too few", async () => {
    const expected = fewest("app");
    const available: number[] = [];
    const { image } = (named("Deployment", "app")["spec"] as { template: { spec: Pod["spec"] } }).template.spec.containers[0]!;
    await plane.until("the rollout is over", async () => {
      await makeAllReady("web");
      const { metadata, status } = await deployment("app");
      available.push(status.availableReplicas ?? 0);
      const all = await pods("web");
      const isNew = (pod: Pod): boolean => pod.spec.containers.every((container) => container.image !== image);
      return status.observedGeneration === metadata.generation && all.length === expected && all.every(isNew);
    });
    assert.ok(Math.min(...available) >= expected, `available at each look: ${available.join(" ")}`);
  });
});

/** The same Deployment with another digest. @param digit what it consists of */
function withImage(manifest: Manifest, digit: string): Manifest {
  const copy = structuredClone(manifest) as Manifest & { spec: { template: { spec: { containers: { image: string }[] } } } };
  const [container] = copy.spec.template.spec.containers;
  assert.ok(container);
  container.image = container.image.replace(/@sha256:.*/, `@sha256:${digit.repeat(64)}`);
  return copy;
}
