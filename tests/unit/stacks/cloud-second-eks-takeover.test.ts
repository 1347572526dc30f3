import assert from "node:assert/strict";
import { cloudRun, EKS, TWO_REGIONS } from "../../support/cloud-program";
import { patchOf, type Replacement, variableOf } from "../../support/failover-runbook";
import type { Recorder } from "../../support/pulumi-mocks";
import { dataOf, hostOf, isSecond, TAKEN } from "./cloud-second-support";

interface Deployment {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: {
    readonly strategy: { readonly rollingUpdate: Record<string, unknown> };
    readonly template: { readonly spec: { readonly containers: readonly { readonly envFrom: unknown }[] } };
  };
}

/** The object with the values that are replaced; each has to be there before, as RFC 6902 wants it. */
function patched<T>(object: T, patch: readonly Replacement[]): T {
  const copy = structuredClone(object);
  for (const { op, path, value } of patch) {
    assert.equal(op, "replace");
    const keys = path.split("/").slice(1);
    const last = keys.pop() ?? "";
    const holder = keys.reduce<Record<string, unknown>>((at, key) => (at[key] ?? assert.fail(path)) as never, copy as never);
    assert.ok(last in holder, path);
    holder[last] = value;
  }
  return copy;
}

describe("A16 two regions on EKS: taking over", function () {
  this.timeout(60_000);
  let recorder: Recorder;
  before(async () => {
    ({ recorder } = await cloudRun("prod", { ...EKS, ...TWO_REGIONS }));
  });
  const deployment = (): Deployment => recorder.get("second-web-deployment").inputs as unknown as Deployment;

  it("an environment of the pods is kept ready that writes to the second one's Postgres, which none uses yet", () => {
    const [ready, used] = [dataOf(recorder, "second-web-takeover-environment"), dataOf(recorder, "second-web-environment")];
    assert.match(hostOf(ready["DATABASE_URL"]), /^phased-stack-prod-second-database\./);
    assert.deepEqual([ready["DATABASE_READ_REPLICAS"], ready["REDIS_SITE"]], [undefined, "active"]);
    const others = (environment: Record<string, string>): [string, string][] =>
      Object.entries(environment).filter(([name]) => !/^(DATABASE_(URL|READ_REPLICAS)|REDIS_SITE)$/.test(name));
    assert.deepEqual(others(ready), others(used));
    const { envFrom } = deployment().spec.template.spec.containers[0] ?? assert.fail();
    assert.match(JSON.stringify(envFrom), /second-web-environment/);
    const kept = recorder.ofType("kubernetes:core/v1:ConfigMap").filter(({ name }) => name.includes("takeover"));
    assert.deepEqual(
      kept.map(({ name }) => name),
      ["second-web-takeover-environment"],
      "the first region has nothing to take over",
    );
  });

  it("the runbook's commands are about what is there: cluster, namespace, Deployment, environment, autoscaler", () => {
    const name = variableOf("P");
    assert.equal(recorder.get("second-cluster-eks").inputs["name"], `${name}-second-cluster`);
    assert.deepEqual([deployment().metadata.name, deployment().metadata.namespace], ["app", name]);
    const { metadata } = recorder.get("second-web-takeover-environment").inputs as { metadata: { name: string; namespace: string } };
    assert.deepEqual([metadata.name, metadata.namespace], ["app-takeover", name]);
    const { spec, metadata: scaler } = recorder.get("second-web-autoscaler").inputs as { spec: object; metadata: { name: string } };
    const grown = (patchOf("hpa", "app") as { spec: { minReplicas: number } }).spec;
    assert.equal(scaler.name, "app");
    assert.deepEqual(Object.keys(grown), ["minReplicas"]);
    assert.ok("minReplicas" in spec);
    const home = recorder.get("web-autoscaler").inputs["spec"] as { minReplicas: number };
    assert.equal(grown.minReplicas, home.minReplicas, "the example's stack is this one");
  });

  it("the runbook's patch gives pods that environment, all at once, and changes nothing else", () => {
    const before = deployment();
    const after = patched(before, patchOf("deployment", "app") as Replacement[]);
    assert.deepEqual(after.spec.template.spec.containers[0]?.envFrom, [{ configMapRef: { name: "app-takeover" } }]);
    assert.deepEqual(after.spec.strategy.rollingUpdate, { maxUnavailable: 0, maxSurge: "100%" });
    const back: Replacement[] = [
      {
        op: "replace",
        path: "/spec/template/spec/containers/0/envFrom",
        value: before.spec.template.spec.containers[0]?.envFrom,
      },
      { op: "replace", path: "/spec/strategy/rollingUpdate", value: before.spec.strategy.rollingUpdate },
    ];
    assert.deepEqual(patched(after, back), before);
  });

  describe("once it has", () => {
    let taken: Recorder;
    before(async () => {
      ({ recorder: taken } = await cloudRun("prod", { ...EKS, ...TAKEN }));
    });

    it("both write to its Postgres, and nobody reads from the former one", () => {
      for (const name of ["web", "second-web", "second-jobs"]) {
        const { DATABASE_URL: url, DATABASE_READ_REPLICAS: replicas } = dataOf(taken, `${name}-environment`);
        assert.match(hostOf(url), /^phased-stack-prod-second-database\./, name);
        assert.equal(replicas, undefined, name);
      }
      const sites = ["web", "second-web", "second-jobs"].map((name) => dataOf(taken, `${name}-environment`)["REDIS_SITE"]);
      assert.deepEqual(sites, ["standby", "active", "active"]);
    });

    it("migrations go there as well, from the first; jobs run there alone, and it has as many pods as the first had", () => {
      assert.match(hostOf(dataOf(taken, "migrations-environment")["DATABASE_URL"]), /^phased-stack-prod-second-database\./);
      const { dependencies } = taken.get("migrations-job");
      for (const first of ["second-database-server", "second-peering-out-private-1"]) {
        assert.ok(
          dependencies.some((urn) => urn.endsWith(`::${first}`)),
          first,
        );
      }
      const deployments = taken.ofType("kubernetes:apps/v1:Deployment").map(({ name }) => name);
      assert.deepEqual(deployments.sort(), ["second-jobs-deployment", "second-web-deployment", "web-deployment"]);
      const scaling = (from: Recorder, name: string): unknown => from.get(name).inputs["spec"];
      assert.deepEqual(scaling(taken, "second-web-autoscaler"), scaling(recorder, "web-autoscaler"));
      assert.equal(taken.get("second-eks").inputs["enablePatchForce"], "true", "what people patched is the program's again");
    });

    it("nothing else of the second region is another: the way back leads over the same resources", () => {
      const names = (resources: Recorder["resources"]): Set<string> => new Set(resources.filter(isSecond).map(({ name }) => name));
      const gone = [...names(recorder.resources)].filter((name) => !names(taken.resources).has(name));
      assert.deepEqual(gone.sort(), [
        "second-operations-database-standby-connections",
        "second-operations-database-standby-cpu",
        "second-operations-database-standby-lag",
        "second-operations-database-standby-storage",
        "second-web-takeover-environment",
      ]);
    });
  });
});
