import assert from "node:assert/strict";
import * as k8s from "@pulumi/kubernetes";
import { clusterName, KubernetesCluster } from "../../../../components/aws/cluster";
import { ClusterAddons } from "../../../../components/aws/cluster/addons";
import { AppNodes } from "../../../../components/aws/cluster/nodes";
import { podRole } from "../../../../components/aws/cluster/pod-role";
import { parseReference } from "../../../../components/aws/cluster/secret-references";
import { Recorder, settled, valueOf } from "../../../support/pulumi-mocks";
import { assertWellMade, CONTEXT, statementsOf, withProvider } from "./support";

const ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:database-app-AbCdEf";

describe("the EKS cluster", () => {
  let recorder: Recorder;
  beforeEach(async () => {
    recorder = await Recorder.install();
  });

  const cluster = (administratorArns = ["arn:aws:iam::123456789012:role/deployer"]): KubernetesCluster =>
    new KubernetesCluster(
      "cluster",
      {
        context: CONTEXT,
        subnetIds: ["one", "two"],
        kmsKeyArn: "arn:data-key",
        logs: { retentionDays: 30, kmsKeyArn: "arn:logs-key" },
        administratorArns,
        protect: true,
      },
      withProvider(),
    );

  it("is in Auto Mode as a whole, encrypted, logged, private, and protected", async () => {
    const { kubeconfig } = cluster();
    await settled();
    const { inputs, protect } = recorder.get("cluster-eks");
    assert.equal(inputs["name"], clusterName(CONTEXT, "cluster"));
    assert.deepEqual(inputs["storageConfig"], { blockStorage: { enabled: true } });
    assert.equal((inputs["computeConfig"] as { enabled: boolean }).enabled, true);
    assert.equal((inputs["kubernetesNetworkConfig"] as { elasticLoadBalancing: { enabled: boolean } }).elasticLoadBalancing.enabled, true);
    assert.deepEqual(inputs["encryptionConfig"], { provider: { keyArn: "arn:data-key" }, resources: ["secrets"] });
    assert.equal((inputs["enabledClusterLogTypes"] as string[]).length, 5);
    assert.deepEqual([inputs["deletionProtection"], protect], [true, true]);
    assert.match(await valueOf(kubeconfig), /"--cluster-name","phased-stack-dev-cluster"/);
    for (const group of recorder.ofType("aws:cloudwatch/logGroup:LogGroup")) {
      assert.deepEqual([group.inputs["retentionInDays"], group.inputs["kmsKeyId"]], [30, "arn:logs-key"]);
    }
    assertWellMade(recorder);
  });

  it("lets in who is named, by access entries, and nobody else", async () => {
    cluster();
    await settled();
    const { authenticationMode, bootstrapClusterCreatorAdminPermissions } = recorder.get("cluster-eks").inputs["accessConfig"] as Record<
      string,
      unknown
    >;
    assert.deepEqual([authenticationMode, bootstrapClusterCreatorAdminPermissions], ["API", false]);
    assert.match(String(recorder.get("cluster-administrator-1-policy").inputs["policyArn"]), /AmazonEKSClusterAdminPolicy$/);
    assert.throws(() => cluster([]), /administratorArns is empty; allowed: at least who runs Pulumi/);
  });

  it("installs add-ons when there are nodes for them", async () => {
    const provider = new k8s.Provider("eks", {});
    const args = { nodeRoleName: "node", subnetIds: ["one"], securityGroupIds: ["sg"], zones: ["eu-central-1a"] };
    const nodes = new AppNodes("nodes", { ...args, instanceType: "m6i.large", maxVcpus: 8, spot: true }, { provider });
    new ClusterAddons("addons", { context: CONTEXT, clusterName: "cluster" }, { ...withProvider(), dependsOn: [nodes] });
    await settled();
    const addons = recorder.ofType("aws:eks/addon:Addon");
    assert.equal(addons.length, 3);
    for (const { name, dependencies } of addons)
      assert.ok(
        dependencies.some((urn) => urn.endsWith("::nodes-pool")),
        name,
      );
    assert.match(JSON.stringify(recorder.get("nodes-pool").inputs), /"spot","on-demand"/);
    assertWellMade(recorder);
  });

  it("has roles for pods that only EKS' agent can hand out, for this account", async () => {
    const parent = cluster();
    podRole("cluster-app-role", { context: CONTEXT, description: "x" }, parent);
    await settled();
    const [trust] = statementsOf(recorder.get("cluster-app-role"), "assumeRolePolicy");
    assert.deepEqual(trust?.["Principal"], { Service: "pods.eks.amazonaws.com" });
    assert.deepEqual(trust?.["Action"], ["sts:AssumeRole", "sts:TagSession"]);
    assert.deepEqual(trust?.["Condition"], { StringEquals: { "aws:SourceAccount": CONTEXT.accountId } });
  });

  it("reads references of secrets in ECS' form", () => {
    assert.deepEqual(parseReference(ARN), { arn: ARN, key: undefined });
    assert.deepEqual(parseReference(`${ARN}:password::`), { arn: ARN, key: "password" });
  });
});
