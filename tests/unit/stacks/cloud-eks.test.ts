import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { parse, parseAllDocuments } from "yaml";
import { evaluate, sentence } from "../../../policy/evaluate";
import { profileOf } from "../../../policy/profile";
import { RULES } from "../../../policy/rules";
import { type Changes, cloudGraph, type CloudRun, cloudRun, EKS, freshCloudRun, TWO_REGIONS } from "../../support/cloud-program";
import { type Manifest, manifestsOf, manifestsYaml } from "../../support/manifests";
import { OUTPUT_KEYS } from "../../support/output-keys";
import { valueOf } from "../../support/pulumi-mocks";

/** A run on EKS, unless `more` says otherwise. */
const run = (stack: "dev" | "prod", more: Changes = {}): Promise<CloudRun> => cloudRun(stack, { ...EKS, ...more });

interface Container {
  readonly resources: Readonly<Record<"requests" | "limits", Readonly<Record<string, string>>>>;
}

/** Names of what a run has. */
const named = ({ resources }: CloudRun["recorder"], pattern: RegExp): string[] =>
  resources.map(({ name }) => name).filter((name) => pattern.test(name));

/** The one container of a Deployment's pods. */
function containersOf(recorder: CloudRun["recorder"], deployment: string): [Container] {
  const { template } = recorder.get(deployment).inputs["spec"] as { template: { spec: { containers: [Container] } } };
  assert.equal(template.spec.containers.length, 1, deployment);
  return template.spec.containers;
}

async function refusal(more: Record<string, string>, stack: "dev" | "prod" = "prod"): Promise<string> {
  const error: unknown = await freshCloudRun(stack, { ...EKS, ...more }).then(
    () => assert.fail("accepted"),
    (reason: unknown) => reason,
  );
  assert.ok(pulumi.RunError.isInstance(error), String(error));
  return error.message;
}

describe("phase cloud on EKS", function () {
  // Each test runs the whole program.
  this.timeout(120_000);

  it("A14 A18 runs the same app with the same edge, services and outputs as on ECS, and nothing of ECS", async () => {
    const { recorder, outputs } = await run("prod", { events: "sqs" });
    assert.deepEqual(Object.keys(outputs).sort(), OUTPUT_KEYS);
    assert.equal(await valueOf(outputs["appUrl"]!), "https://shop.example.com");
    assert.deepEqual(
      recorder.resources.filter(({ type }) => type.startsWith("aws:ecs/") || type.startsWith("aws:appautoscaling/")),
      [],
    );
    assert.equal(recorder.ofType("aws:eks/cluster:Cluster").length, 1);
    const deployments = manifestsOf(recorder.resources).filter(({ kind }) => kind === "Deployment");
    assert.deepEqual(deployments.map(({ metadata: { name } }) => name).sort(), ["app", "consumer", "jobs"]);
    const { recorder: onEcs } = await cloudRun("prod", { events: "sqs" });
    const variablesOnEcs = JSON.parse(String(onEcs.get("web-task").inputs["containerDefinitions"])) as [
      { environment: { name: string; value: string }[]; secrets: { name: string }[] },
    ];
    const { data } = recorder.get("web-environment").inputs as { data: Record<string, string> };
    const [{ environment, secrets }] = variablesOnEcs;
    const expected = [...environment.map(({ name }) => name), ...secrets.map(({ name }) => `${name}_FILE`), "WORKER_HEAP_MB"];
    assert.deepEqual(Object.keys(data).sort(), expected.sort());
    for (const { name, value } of environment) assert.equal(data[name], value, name);
  });

  it("gives each pod its secrets by reference, and the owner's to the migration alone", async () => {
    const { recorder } = await run("prod");
    const objectsOf = (name: string): { objectName: string; jmesPath?: object[] }[] => {
      const { parameters } = recorder.get(name).inputs["spec"] as { parameters: { objects: string; usePodIdentity: string } };
      assert.equal(parameters.usePodIdentity, "true");
      return parse(parameters.objects) as { objectName: string; jmesPath?: object[] }[];
    };
    const app = objectsOf("app-secrets-provider");
    assert.deepEqual(app[2], {
      objectName: "arn:aws:secretsmanager:eu-central-1:123456789012:secret:database-app-kept-secret",
      objectAlias: "database_password_json",
      jmesPath: [{ path: "password", objectAlias: "database_password" }],
    });
    assert.doesNotMatch(JSON.stringify(app), /owner/);
    assert.match(JSON.stringify(objectsOf("migrations-secrets-provider")), /database-owner/);
    assert.equal(recorder.ofType("kubernetes:core/v1:Secret").length, 0, "nothing secret is in the cluster");
    for (const { name, plain } of recorder.resources) assert.doesNotMatch(plain, /canary-value-of-/, name);
    const policyOf = (name: string): string => String(recorder.get(name).inputs["policy"]);
    assert.doesNotMatch(policyOf("cluster-app-role-policy"), /database-owner/);
    assert.match(policyOf("cluster-migrations-role-policy"), /database-owner/);
  });

  it("waits for what pods need: nodes, rights, policies, the binding of the load balancer, the migration", async () => {
    const { recorder } = await run("prod");
    const { dependencies } = recorder.get("web-deployment");
    for (const first of [
      "nodes-pool",
      "cluster-app-identity",
      "cluster-app-role-policy",
      "network-policies-deny-all",
      "web-targets",
      "migrations-job",
    ]) {
      assert.ok(
        dependencies.some((urn) => urn.endsWith(`::${first}`)),
        `the pods wait for ${first}`,
      );
    }
    for (const secrets of ["app-secrets-provider", "migrations-secrets-provider"]) {
      assert.ok(recorder.get(secrets).dependencies.some((urn) => urn.endsWith("::cluster-addons-aws-secrets-store-csi-driver-provider")));
    }
    assert.ok(
      recorder.get("cluster-addons-metrics-server").dependencies.some((urn) => urn.endsWith("::nodes-pool")),
      "add-ons need nodes",
    );
    for (const first of ["nodes-pool", "cluster-migrations-identity", "database-primary"]) {
      assert.ok(
        recorder.get("migrations-job").dependencies.some((urn) => urn.endsWith(`::${first}`)),
        `the migration waits for ${first}`,
      );
    }
  });

  it("binds the target group of the load balancer, which EKS may fill by its tag, and keeps pods out of rotation until they are in it", async () => {
    const { recorder } = await run("prod");
    const { spec } = recorder.get("web-targets").inputs as { spec: Record<string, unknown> };
    assert.match(String(spec["targetGroupARN"]), /load-balancer-app/);
    assert.deepEqual([spec["serviceRef"], spec["targetType"]], [{ name: "app", port: 3001 }, "ip"]);
    const { tags } = recorder.get("load-balancer-app").inputs as { tags: Record<string, string> };
    assert.equal(tags["eks:eks-cluster-name"], recorder.get("cluster-eks").inputs["name"]);
    const { labels } = recorder.get("namespace-namespace").inputs["metadata"] as { labels: Record<string, string> };
    assert.equal(labels["eks.amazonaws.com/pod-readiness-gate-inject"], "enabled");
  });

  it("has nodes in the app's group, of the plan's type, and no more than it allows", async () => {
    const { recorder } = await run("prod");
    const nodeClass = recorder.get("nodes-class").inputs["spec"] as { securityGroupSelectorTerms: { id: string }[] };
    assert.deepEqual(
      nodeClass.securityGroupSelectorTerms.map(({ id }) => id),
      ["sg-cluster-eks", "groups-app-id"],
    );
    const pool = JSON.stringify(recorder.get("nodes-pool").inputs["spec"]);
    assert.match(pool, /"limits":\{"cpu":"\d+"\}/);
    assert.match(pool, /m6i\./);
    assert.match(pool, /"on-demand"\]/);
  });

  it("lets nodes of EKS' own pools, which are in the cluster's group alone, reach the endpoints that names of AWS lead to", async () => {
    const { recorder } = await run("prod");
    const { inputs } = recorder.get("cluster-to-endpoints");
    assert.deepEqual([inputs["referencedSecurityGroupId"], inputs["fromPort"], inputs["toPort"]], ["sg-cluster-eks", 443, 443]);
    const { dependencies } = recorder.get("cluster-addons-metrics-server");
    assert.ok(
      dependencies.some((urn) => urn.endsWith("::cluster-to-endpoints")),
      "add-ons pull their images that way",
    );
  });

  it("A13 watches the pods of each role by the cluster's own name, in figures that the add-on is told to send", async () => {
    const { recorder } = await run("prod", { events: "sqs" });
    const configured = JSON.parse(String(recorder.get("cluster-addons-amazon-cloudwatch-observability").inputs["configurationValues"])) as {
      agent: { config: { logs: { metrics_collected: object } } };
      manager: { applicationSignals: { autoMonitor: object } };
    };
    assert.deepEqual(configured.agent.config.logs.metrics_collected, { kubernetes: { enhanced_container_insights: true } });
    assert.deepEqual(configured.manager.applicationSignals.autoMonitor, { monitorAllServices: false }, "nothing is put into the pods");
    for (const [role, deployment] of Object.entries({ web: "app", jobs: "jobs", consumer: "consumer" })) {
      const { name, namespace } = recorder.get(`${role}-deployment`).inputs["metadata"] as { name: string; namespace: string };
      assert.equal(name, deployment);
      const dimensions = { ClusterName: recorder.get("cluster-eks").inputs["name"], Namespace: namespace, PodName: deployment };
      assert.deepEqual(recorder.get(`operations-${role}-memory`).inputs["dimensions"], dimensions, role);
      for (const math of [`operations-${role}-cpu`, `operations-${role}-running`]) {
        const queries = recorder.get(math).inputs["metricQueries"] as { metric?: { dimensions: object } }[];
        const told = queries.flatMap(({ metric }) => (metric === undefined ? [] : [metric.dimensions]));
        assert.deepEqual(told, [dimensions, dimensions], math);
      }
      const [{ resources }] = containersOf(recorder, `${role}-deployment`);
      assert.ok(resources.requests["cpu"] && !resources.limits["cpu"], `${role} asks for CPU and has no limit: its alarm is made for that`);
      assert.ok(resources.limits["memory"], `${role} has a limit of memory, which its alarm goes by`);
    }
  });

  it("is reached from inside of the network only in production, and by named addresses in development", async () => {
    const { recorder } = await run("prod");
    const config = recorder.get("cluster-eks").inputs["vpcConfig"] as Record<string, unknown>;
    assert.deepEqual([config["endpointPrivateAccess"], config["endpointPublicAccess"]], [true, false]);
    const { recorder: dev } = await run("dev", { eksApiCidrs: "203.0.113.7/32" });
    const open = dev.get("cluster-eks").inputs["vpcConfig"] as Record<string, unknown>;
    assert.deepEqual([open["endpointPublicAccess"], open["publicAccessCidrs"]], [true, ["203.0.113.7/32"]]);
    const { users } = JSON.parse(String(dev.get("eks").inputs["kubeconfig"])) as { users: { user: { exec: { args: string[] } } }[] };
    assert.ok(users[0]?.user.exec.args.includes("get-token"));
  });

  it("lets private addresses that are named reach the API of both clusters, before anything in them is made, and keeps every rule", async () => {
    const { recorder: closed } = await run("prod");
    assert.deepEqual(named(closed, /-api-from-\d+$/), [], "without the key EKS' own group lets nobody else in");
    const changes = { ...TWO_REGIONS, eksPrivateCidrs: "10.0.0.0/16,100.64.0.0/24" };
    const { recorder } = await run("prod", changes);
    for (const cluster of ["cluster", "second-cluster"]) {
      const rules = [1, 2].map((index) => recorder.get(`${cluster}-api-from-${index}`).inputs);
      assert.deepEqual(
        rules.map(({ securityGroupId, cidrIpv4, ipProtocol, fromPort, toPort }) => [
          securityGroupId,
          cidrIpv4,
          ipProtocol,
          fromPort,
          toPort,
        ]),
        ["10.0.0.0/16", "100.64.0.0/24"].map((cidr) => [`sg-${cluster}-eks`, cidr, "tcp", 443, 443]),
      );
    }
    const { dependencies } = recorder.get("eks");
    assert.ok(
      dependencies.some((urn) => urn.endsWith("::cluster-api-from-1")),
      "what is made in the cluster waits for the way to it",
    );
    const { violations } = evaluate(await cloudGraph("prod", { ...EKS, ...changes }), RULES, profileOf("prod"));
    assert.deepEqual(violations.map(sentence), []);
  });

  it("lets viewers look at everything in the cluster, custom resources too, and change nothing", async () => {
    const reader = "arn:aws:iam::123456789012:role/reader";
    const { recorder } = await run("prod", { eksViewers: reader });
    assert.equal(recorder.get("cluster-viewer-1").inputs["principalArn"], reader);
    const { policyArn, principalArn, accessScope } = recorder.get("cluster-viewer-1-policy").inputs;
    assert.deepEqual(
      [policyArn, principalArn, accessScope],
      ["arn:aws:eks::aws:cluster-access-policy/AmazonEKSAdminViewPolicy", reader, { type: "cluster" }],
    );
    assert.deepEqual(named((await run("prod")).recorder, /-viewer-/), [], "nobody by default");
  });

  it("A15 asks KEDA for what waits where it is told to, and Prometheus for figures", async () => {
    const { recorder } = await run("prod", {
      queueMetrics: "keda",
      prometheusUrl: "http://prometheus.monitoring:9090",
      monitoringNamespace: "monitoring",
    });
    assert.equal(recorder.ofType("kubernetes:keda.sh/v1alpha1:ScaledObject").length, 1);
    assert.equal(recorder.ofType("kubernetes:monitoring.coreos.com/v1:ServiceMonitor").length, 1);
    assert.match(JSON.stringify(recorder.get("jobs-autoscaler").inputs), /namespace=\\"phased-stack-prod\\"/);
  });

  it("refuses what does not go together", async () => {
    assert.match(await refusal({ eksApiCidrs: "203.0.113.7/32" }), /eksApiCidrs is set, but profile prod keeps/);
    assert.match(await refusal({ eksApiCidrs: "0.0.0.0/0" }, "dev"), /eksApiCidrs has 0\.0\.0\.0\/0, which is everybody/);
    assert.match(await refusal({ eksViewers: EKS.eksAdministrators }), /eksViewers has \S+:role\/deployer, which eksAdministrators has/);
    assert.match(await refusal({ eksPrivateCidrs: "10.0.0.1/16" }), /eksPrivateCidrs has 10\.0\.0\.1\/16; allowed: the first address/);
    assert.match(await refusal({ cpuArchitecture: "arm64" }), /cpuArchitecture is arm64, and the nodes of the plan are x86_64/);
    assert.match(await refusal({ queueMetrics: "keda" }), /prometheusUrl is not set[^]*monitoringNamespace/);
    assert.match(await refusal({ kubernetesVersion: "1.29" }), /kubernetesVersion is "1\.29"; allowed: a version under standard support/);
  });

  it("renders its objects as YAML, each with a name and no two alike", async () => {
    const { recorder } = await run("prod");
    const documents = parseAllDocuments(manifestsYaml(recorder.resources)).map((document) => document.toJS() as Manifest);
    assert.ok(documents.length > 20);
    const keys = documents.map(({ apiVersion, kind, metadata }) => JSON.stringify([apiVersion, kind, metadata.namespace, metadata.name]));
    assert.equal(new Set(keys).size, keys.length);
    assert.equal(documents[0]?.kind, "Namespace");
  });
});
