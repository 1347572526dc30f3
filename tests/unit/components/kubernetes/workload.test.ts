import assert from "node:assert/strict";
import * as k8s from "@pulumi/kubernetes";
import fc from "fast-check";
import { APP_PORT, DRAIN_DELAY_SECONDS, SHUTDOWN_TIMEOUT_SECONDS } from "../../../../components/contract";
import { Migrations } from "../../../../components/kubernetes/migrations";
import { SecretFiles } from "../../../../components/kubernetes/secret-files";
import { rolloutSeconds, Workload, workerHeapMb, type WorkloadArgs } from "../../../../components/kubernetes/workload";
import { manifestsOf } from "../../../support/manifests";
import { Recorder, settled } from "../../../support/pulumi-mocks";

const IMAGE = `registry.example.com/app@sha256:${"a".repeat(64)}`;
const CONTEXT = { project: "phased-stack", stack: "dev", namespace: "phased-stack-dev" };

interface Probe {
  readonly httpGet: { readonly path: string };
}
interface Container {
  readonly args?: readonly string[];
  readonly image: string;
  readonly env?: unknown;
  readonly resources: { readonly requests: Record<string, string>; readonly limits: Record<string, string> };
  readonly securityContext: Record<string, unknown>;
  readonly startupProbe: Probe;
  readonly readinessProbe: Probe;
  readonly livenessProbe: Probe;
  readonly lifecycle: { readonly preStop: { readonly sleep: { readonly seconds: number } } };
}
interface PodSpec {
  readonly containers: readonly [Container];
  readonly securityContext: Record<string, unknown>;
  readonly terminationGracePeriodSeconds: number;
  readonly topologySpreadConstraints: readonly { readonly topologyKey: string }[];
  readonly volumes: readonly { readonly name: string; readonly secret?: { readonly secretName: string; readonly defaultMode: number } }[];
  readonly [field: string]: unknown;
}
type Template = { readonly metadata: { readonly labels: Record<string, string> }; readonly spec: PodSpec };

describe("the app on Kubernetes", () => {
  let recorder: Recorder;
  let provider: { readonly provider: k8s.Provider };
  beforeEach(async () => {
    recorder = await Recorder.install();
    provider = { provider: new k8s.Provider("kubernetes", { context: "test" }) };
  });

  const secrets = (): SecretFiles =>
    new SecretFiles(
      "app-secrets",
      { context: CONTEXT, role: "app", values: { SESSION_SECRET: "canary-value-of-x", REDIS_URL: "redis://x" } },
      provider,
    );
  const workload = (more: Partial<WorkloadArgs> = {}): Workload => {
    const role = more.role ?? "web";
    const given = { context: CONTEXT, role, image: IMAGE, variables: { ROLE: role, ABSENT: undefined }, cpuMilli: 1800, memoryMb: 4096 };
    return new Workload(role, { ...given, secrets: secrets().mounted, ...more }, provider);
  };
  const specOf = (name: string): Record<string, unknown> => recorder.get(name).inputs["spec"] as Record<string, unknown>;
  const podOf = (name: string): Template => specOf(name)["template"] as Template;

  it("A18 runs a role with its own Deployment, Service, account, autoscaler, budget, class and environment", async () => {
    workload();
    await settled();
    assert.deepEqual(
      recorder.names().filter((name) => name.startsWith("web-")),
      ["web-account", "web-autoscaler", "web-budget", "web-deployment", "web-environment", "web-priority", "web-service"].sort(),
    );
    const [port] = (specOf("web-service")["ports"] ?? []) as { port: number }[];
    assert.equal(port?.port, APP_PORT);
    assert.deepEqual(specOf("web-service")["selector"], (specOf("web-deployment")["selector"] as { matchLabels: object }).matchLabels);
    for (const [key, value] of Object.entries(specOf("web-service")["selector"] as object)) {
      assert.equal(podOf("web-deployment").metadata.labels[key], value);
    }
  });

  it("B12 scales from 3 to 10 pods by CPU 70 and memory 80, slowly down, and says no number itself", async () => {
    workload();
    await settled();
    assert.ok(!("replicas" in specOf("web-deployment")));
    const { minReplicas, maxReplicas, metrics, behavior } = specOf("web-autoscaler") as Record<string, unknown> & {
      metrics: { resource: { name: string; target: { averageUtilization: number } } }[];
      behavior: { scaleDown: { stabilizationWindowSeconds: number } };
    };
    assert.deepEqual([minReplicas, maxReplicas], [3, 10]);
    assert.deepEqual(
      metrics.map(({ resource: { name, target } }) => [name, target.averageUtilization]),
      [
        ["cpu", 70],
        ["memory", 80],
      ],
    );
    assert.equal(behavior.scaleDown.stabilizationWindowSeconds, 300);
  });

  it("A15 follows what waits: by a metric of the cluster, or by KEDA, which then is the only autoscaler", async () => {
    workload({ role: "jobs", backlog: { perPod: 12, source: { kind: "external", metricName: "jobs_waiting" } } });
    const source = { kind: "keda", prometheusUrl: "http://prometheus:9090", query: "sum(jobs)" } as const;
    workload({
      role: "consumer",
      backlog: { perPod: 7, source },
      secrets: new SecretFiles("more", { context: CONTEXT, role: "app", values: {} }, provider).mounted,
    });
    await settled();
    const metrics = specOf("jobs-autoscaler")["metrics"] as Record<string, unknown>[];
    assert.deepEqual(metrics.at(-1), {
      type: "External",
      external: { metric: { name: "jobs_waiting" }, target: { type: "AverageValue", averageValue: "12" } },
    });
    const scaled = recorder.get("consumer-autoscaler");
    assert.equal(scaled.type, "kubernetes:keda.sh/v1alpha1:ScaledObject");
    const { annotations } = scaled.inputs["metadata"] as { annotations: object };
    assert.deepEqual(annotations, { "validations.keda.sh/hpa-ownership": "false" }, "beside the autoscaler it takes over from");
    const { triggers } = scaled.inputs["spec"] as { triggers: { type: string; metadata: object }[] };
    assert.deepEqual(
      triggers.map(({ type }) => type),
      ["cpu", "memory", "prometheus"],
    );
    assert.deepEqual(triggers[2]?.metadata, { serverAddress: "http://prometheus:9090", query: "sum(jobs)", threshold: "7" });
    assert.equal(recorder.ofType("kubernetes:autoscaling/v2:HorizontalPodAutoscaler").length, 1);
  });

  it("keeps the restricted Pod Security Standard, and asks for what it needs", async () => {
    workload();
    await settled();
    const { spec } = podOf("web-deployment");
    const [container] = spec.containers;
    assert.deepEqual(
      [spec["automountServiceAccountToken"], spec["enableServiceLinks"], spec["serviceAccountName"], spec["hostNetwork"]],
      [false, false, "app", undefined],
    );
    assert.deepEqual([spec.securityContext["runAsNonRoot"], spec.securityContext["seccompProfile"]], [true, { type: "RuntimeDefault" }]);
    assert.ok(Number(spec.securityContext["runAsUser"]) >= 10_000);
    const { allowPrivilegeEscalation, readOnlyRootFilesystem, capabilities } = container.securityContext;
    assert.deepEqual([allowPrivilegeEscalation, readOnlyRootFilesystem, capabilities], [false, true, { drop: ["ALL"] }]);
    assert.deepEqual([container.resources.requests["cpu"], container.resources.requests["memory"]], ["1800m", "4096Mi"]);
    assert.equal(container.resources.limits["memory"], "4096Mi");
    assert.equal(container.resources.limits["cpu"], undefined);
    assert.deepEqual(
      spec.topologySpreadConstraints.map(({ topologyKey }) => topologyKey),
      ["topology.kubernetes.io/zone", "kubernetes.io/hostname"],
    );
  });

  it("F3 replaces pods without a request lost: one more first, none less, ready for a while, time to drain", async () => {
    workload();
    await settled();
    assert.deepEqual(specOf("web-deployment")["strategy"], { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } });
    const { spec } = podOf("web-deployment");
    const [{ startupProbe, readinessProbe, livenessProbe, lifecycle }] = spec.containers;
    assert.deepEqual(
      [startupProbe, readinessProbe, livenessProbe].map(({ httpGet }) => httpGet.path),
      ["/health", "/ready", "/health"],
    );
    assert.equal(new Set([startupProbe, readinessProbe, livenessProbe].map((probe) => JSON.stringify(probe))).size, 3);
    const { seconds } = lifecycle.preStop.sleep;
    assert.equal(seconds, 15);
    assert.equal(spec.terminationGracePeriodSeconds, 60);
    assert.ok(seconds + DRAIN_DELAY_SECONDS + SHUTDOWN_TIMEOUT_SECONDS + 5 <= spec.terminationGracePeriodSeconds);
    const { maxUnavailable, unhealthyPodEvictionPolicy } = specOf("web-budget");
    assert.deepEqual([maxUnavailable, unhealthyPodEvictionPolicy], [1, "AlwaysAllow"]);
  });

  it("gives secrets as files, and neither them nor nothing as variables", async () => {
    workload();
    await settled();
    const { data } = recorder.get("web-environment").inputs as { data: Record<string, string> };
    assert.deepEqual(data, { ROLE: "web", REDIS_URL_FILE: "/run/secrets/redis_url", SESSION_SECRET_FILE: "/run/secrets/session_secret" });
    const { spec } = podOf("web-deployment");
    assert.equal(spec.containers[0].env, undefined);
    const { secret } = spec.volumes.find(({ name }) => name === "secrets") ?? assert.fail("no volume");
    assert.deepEqual(secret, { secretName: "app-secrets-secret-1a2b3c4", defaultMode: 0o440 });
    for (const { name, plain } of recorder.resources) assert.doesNotMatch(plain, /canary-value-of-/, name);
    assert.deepEqual(recorder.get("app-secrets-secret").inputs["stringData"], {
      redis_url: "redis://x",
      session_secret: "canary-value-of-x",
    });
  });

  it("names what changes anew, so that pods are replaced with it, and nothing else", async () => {
    workload();
    await settled();
    const named = manifestsOf(recorder.resources).map(({ kind, metadata: { name } }) => [kind, name.endsWith("-1a2b3c4")]);
    const generated = named.filter(([, isGenerated]) => isGenerated).map(([kind]) => kind);
    assert.deepEqual(generated.sort(), ["ConfigMap", "Secret"]);
    for (const name of ["web-environment", "app-secrets-secret"]) assert.equal(recorder.get(name).inputs["immutable"], true);
  });

  it("has the heap of all workers within 75 % of the memory", () => {
    fc.assert(
      fc.property(fc.integer({ min: 192, max: 65_536 }), fc.integer({ min: 1, max: 16 }), (memoryMb, workers) => {
        fc.pre(memoryMb - 64 >= workers * 96);
        const heap = workerHeapMb(memoryMb, workers);
        assert.ok(heap * workers <= memoryMb * 0.75);
        assert.ok(heap > 0);
      }),
    );
    assert.equal(workerHeapMb(2048, 1), 1536);
  });

  it("lets others see the service before its first pod is made", async () => {
    workload({ beforePods: () => [new k8s.core.v1.ConfigMap("binding", {}, provider)] });
    await settled();
    assert.ok(recorder.get("web-deployment").dependencies.some((urn) => urn.endsWith("::binding")));
    assert.equal(
      (recorder.get("web-service").inputs["metadata"] as { annotations: Record<string, string> }).annotations["pulumi.com/skipAwait"],
      "true",
    );
  });

  it("migrates by a Job that ends before, is made anew when it failed, and stays when it is done", async () => {
    const migrations = new Migrations(
      "migrations",
      { context: CONTEXT, image: IMAGE, variables: {}, secrets: secrets().mounted },
      provider,
    );
    new Workload(
      "web",
      {
        context: CONTEXT,
        role: "web",
        image: IMAGE,
        variables: {},
        cpuMilli: 100,
        memoryMb: 256,
        secrets: { names: [], source: { emptyDir: {} } },
      },
      { ...provider, dependsOn: [migrations] },
    );
    await settled();
    const { metadata, spec } = recorder.get("migrations-job").inputs as {
      metadata: Record<string, unknown>;
      spec: Record<string, unknown>;
    };
    assert.equal(metadata["name"], undefined);
    assert.deepEqual(metadata["annotations"], { "pulumi.com/replaceUnready": "true" });
    assert.equal(spec["ttlSecondsAfterFinished"], undefined);
    const { spec: pod } = podOf("migrations-job");
    assert.deepEqual([pod.containers[0].args, pod["restartPolicy"], pod["serviceAccountName"]], [["migrate"], "Never", "migrations"]);
    assert.ok(recorder.get("web-deployment").dependencies.some((urn) => urn.endsWith("::migrations-job")));
  });

  it("waits for as many pods as there may be, which are replaced one after the other", () => {
    assert.equal(rolloutSeconds({}), 600);
    assert.equal(rolloutSeconds({ minPods: 20, maxPods: 40 }), 2400);
  });

  it("refuses bounds that cannot be", async () => {
    assert.throws(() => workload({ minPods: 4, maxPods: 3 }), /web: minPods is 4; allowed: 1 to maxPods, 3/);
    await settled();
  });
});
