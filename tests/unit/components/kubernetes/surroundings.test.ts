import assert from "node:assert/strict";
import * as k8s from "@pulumi/kubernetes";
import fc from "fast-check";
import { objectName } from "../../../../components/kubernetes/context";
import { Documents } from "../../../../components/kubernetes/documents";
import { Entrance } from "../../../../components/kubernetes/entrance";
import { Monitoring } from "../../../../components/kubernetes/monitoring";
import { Namespace } from "../../../../components/kubernetes/namespace";
import { NetworkPolicies, policySpecs } from "../../../../components/kubernetes/namespace/network-policies";
import { Recorder, settled } from "../../../support/pulumi-mocks";

const CONTEXT = { project: "phased-stack", stack: "dev", namespace: "phased-stack-dev" };

describe("what is around the app on Kubernetes", () => {
  let recorder: Recorder;
  let provider: { readonly provider: k8s.Provider };
  beforeEach(async () => {
    recorder = await Recorder.install();
    provider = { provider: new k8s.Provider("kubernetes", { context: "test" }) };
  });

  const specOf = (name: string): Record<string, unknown> => recorder.get(name).inputs["spec"] as Record<string, unknown>;

  it("denies everything in the namespace but what is named", async () => {
    const peer = { cidrs: ["10.0.0.0/16"] };
    const args = { context: CONTEXT, clients: [{ namespace: "ingress-nginx" }], services: [{ name: "database", peer, ports: [5432] }] };
    new NetworkPolicies("policies", args, provider);
    await settled();
    const specs = policySpecs(args);
    assert.deepEqual(Object.keys(specs), ["deny-all", "allow-dns", "allow-between-roles", "allow-clients", "allow-to-database"]);
    assert.deepEqual(specs["deny-all"], { podSelector: {}, policyTypes: ["Ingress", "Egress"] });
    assert.deepEqual(specs["allow-to-database"]?.egress, [
      { ports: [{ protocol: "TCP", port: 5432 }], to: [{ ipBlock: { cidr: "10.0.0.0/16" } }] },
    ]);
    assert.deepEqual(
      (specs["allow-clients"]?.podSelector as { matchLabels: Record<string, string> }).matchLabels["app.kubernetes.io/component"],
      "web",
    );
    // A rule without peers or ports would let everything through.
    for (const spec of Object.values(specs)) {
      for (const rule of [...((spec.ingress ?? []) as object[]), ...((spec.egress ?? []) as object[])]) {
        const { ports, to, from } = rule as { ports: unknown[]; to?: unknown[]; from?: unknown[] };
        assert.ok(ports.length > 0 && (to ?? from ?? []).length > 0, JSON.stringify(rule));
      }
    }
    assert.equal(recorder.ofType("kubernetes:networking.k8s.io/v1:NetworkPolicy").length, 5);
  });

  it("makes a namespace that refuses pods with privileges", async () => {
    new Namespace("namespace", { project: "Phased Stack", stack: "dev", protect: true }, provider);
    await settled();
    const { inputs, protect } = recorder.get("namespace-namespace");
    const { name, labels } = inputs["metadata"] as { name: string; labels: Record<string, string> };
    assert.equal(name, "phased-stack-dev");
    assert.equal(labels["pod-security.kubernetes.io/enforce"], "restricted");
    assert.ok(protect);
  });

  it("opens the way in by Ingress or Gateway API, and figures to Prometheus with a token", async () => {
    const way = { context: CONTEXT, host: "shop.example.com", serviceName: "app" };
    new Entrance("by-ingress", { ...way, entrance: { kind: "ingress", className: "nginx", tlsSecretName: "tls" } }, provider);
    new Entrance("by-gateway", { ...way, entrance: { kind: "gateway", gateway: { namespace: "gateways", name: "public" } } }, provider);
    new Monitoring("monitoring", { context: CONTEXT, adminToken: "canary-value-of-token" }, provider);
    new Documents("documents", { context: CONTEXT, storageClass: "nfs", sizeGb: 10, protect: true }, provider);
    await settled();
    assert.equal((specOf("by-ingress-ingress")["rules"] as { host: string }[])[0]?.host, "shop.example.com");
    assert.equal(recorder.get("by-gateway-route").type, "kubernetes:gateway.networking.k8s.io/v1:HTTPRoute");
    const [endpoint] = specOf("monitoring-app")["endpoints"] as { authorization: object }[];
    assert.deepEqual(endpoint?.authorization, { type: "Bearer", credentials: { name: "monitoring-token-1a2b3c4", key: "token" } });
    assert.doesNotMatch(recorder.get("monitoring-token").plain, /canary/);
    assert.deepEqual([specOf("documents-claim")["accessModes"], recorder.get("documents-claim").protect], [["ReadWriteMany"], true]);
  });

  it("makes names that Kubernetes takes", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (project, stack) => {
        assert.match(objectName({ project: `a${project}`, stack }), /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
      }),
    );
  });
});
