import assert from "node:assert/strict";
import { parse } from "yaml";
import { Graph, type Resource } from "../../../policy/graph";
import { cloudGraph, cloudRun, EKS, TWO_REGIONS } from "../../support/cloud-program";
import { decide } from "../../support/iam-simulation";
import type { Recorder, Registered } from "../../support/pulumi-mocks";
import { dataOf, hostOf, isSecond } from "./cloud-second-support";

const BOTH = { ...EKS, ...TWO_REGIONS };

/** What runs tasks on ECS, by its logical name in either region; everything else is what both runtimes have around them. */
const OF_ECS = /^(second-)?(cluster|app-roles|migrations|rollout|web|jobs)(-|$)/;

describe("A16 two regions on EKS: clusters and pods", function () {
  this.timeout(60_000);
  let recorder: Recorder;
  let graph: Resource[];
  before(async () => {
    ({ recorder } = await cloudRun("prod", BOTH));
    graph = await cloudGraph("prod", BOTH);
  });
  const get = (name: string): Registered => recorder.get(name);
  const waitsFor = (name: string, first: string): void =>
    assert.ok(
      get(name).dependencies.some((urn) => urn.endsWith(`::${first}`)),
      `${name} waits for ${first}`,
    );

  it("A14 have around the app what they have on ECS, so that what is proven of that holds here, too", async () => {
    const { recorder: onEcs } = await cloudRun("prod", TWO_REGIONS);
    const onEks = new Map(recorder.resources.map((resource) => [resource.urn, resource]));
    const surroundings = onEcs.resources.filter(({ name, type }) => type.startsWith("aws:") && !OF_ECS.test(name));
    assert.ok(surroundings.length > 300, `${surroundings.length} resources`);
    const others = surroundings.filter(({ urn, inputs }) => JSON.stringify(onEks.get(urn)?.inputs) !== JSON.stringify(inputs));
    assert.deepEqual(
      others.map(({ name }) => name).sort(),
      [
        // Alarms and graphs of the services of ECS.
        ...["jobs-cpu", "jobs-memory", "jobs-running", "web-cpu", "web-memory", "web-running"].map((name) => `operations-${name}`),
        "operations-dashboard",
        ...["web-cpu", "web-memory", "web-running"].map((name) => `second-operations-${name}`),
        "second-operations-dashboard",
        // Tags by which EKS may fill them.
        ...["load-balancer-app", "second-load-balancer-app"],
      ].sort(),
    );
  });

  it("have a cluster each, and everything of Kubernetes goes to that of its region", () => {
    const objects = recorder.resources.filter(({ type }) => type.startsWith("kubernetes:"));
    assert.ok(objects.filter(isSecond).length > 20);
    for (const { type, name, provider } of objects) {
      assert.match(provider, isSecond({ name }) ? /::second-eks::/ : /::eks::/, `${type} ${name}`);
    }
    for (const [provider, cluster, region, forced] of [
      ["eks", "phased-stack-prod-cluster", "eu-central-1", undefined],
      ["second-eks", "phased-stack-prod-second-cluster", "us-west-2", "true"],
    ] as const) {
      const { kubeconfig, enablePatchForce } = get(provider).inputs;
      const { users, clusters } = JSON.parse(String(kubeconfig)) as {
        users: { user: { exec: { args: string[] } } }[];
        clusters: { cluster: { server: string } }[];
      };
      assert.deepEqual(users[0]?.user.exec.args.slice(2, 6), ["--cluster-name", cluster, "--region", region]);
      assert.match(clusters[0]?.cluster.server ?? "", new RegExp(`${region}\\.eks`));
      assert.equal(enablePatchForce, forced, "only there people change what the program made");
    }
  });

  it("are made alike: private, encrypted with a key of their region, with the same administrators, nodes and limit", () => {
    const [home, second] = ["cluster-eks", "second-cluster-eks"].map((name) => get(name));
    assert.ok(home && second);
    for (const same of ["version", "accessConfig", "storageConfig", "enabledClusterLogTypes", "deletionProtection"]) {
      assert.ok(home.inputs[same] !== undefined, same);
      assert.deepEqual(second.inputs[same], home.inputs[same], same);
    }
    assert.equal(second.protect, true);
    assert.match(JSON.stringify(second.inputs["encryptionConfig"]), /arn:aws:kms:us-west-2:\d+:key\/second-keys-data"/);
    const network = second.inputs["vpcConfig"] as { endpointPublicAccess: boolean; subnetIds: string[] };
    assert.equal(network.endpointPublicAccess, false);
    for (const id of network.subnetIds) assert.match(id, /^second-network-private-/);
    assert.equal(
      get("second-cluster-administrator-1-policy").inputs["principalArn"],
      get("cluster-administrator-1-policy").inputs["principalArn"],
    );
    const nodes = get("second-nodes-class").inputs["spec"] as { securityGroupSelectorTerms: { id: string }[] };
    assert.deepEqual(
      nodes.securityGroupSelectorTerms.map(({ id }) => id),
      ["sg-second-cluster-eks", "second-groups-app-id"],
    );
    const pool = (name: string): string => JSON.stringify(get(name).inputs["spec"]).replaceAll("us-west-2", "eu-central-1");
    assert.equal(pool("second-nodes-pool"), pool("nodes-pool"), "as many nodes of the same kind, in zones of its own");
    const logs = recorder.ofType("aws:cloudwatch/logGroup:LogGroup").map(({ inputs }) => String(inputs["name"]));
    assert.ok(logs.includes("/aws/eks/phased-stack-prod-second-cluster/cluster"));
  });

  it("fill their own load balancer, which lets them by the tag with their name", () => {
    const { spec } = get("second-web-targets").inputs as { spec: Record<string, unknown> };
    assert.match(String(spec["targetGroupARN"]), /us-west-2.*second-load-balancer-app/);
    const { tags } = get("second-load-balancer-app").inputs as { tags: Record<string, string> };
    assert.equal(tags["eks:eks-cluster-name"], get("second-cluster-eks").inputs["name"]);
    waitsFor("second-web-deployment", "second-web-targets");
  });

  it("read from Postgres beside them and write to the first; Redis, secrets and files are of their own region", () => {
    const [web, home] = [dataOf(recorder, "second-web-environment"), dataOf(recorder, "web-environment")];
    assert.equal(web["DATABASE_URL"], home["DATABASE_URL"]);
    assert.match(hostOf(web["DATABASE_URL"]), /\.proxy\.eu-central-1\./);
    assert.match(hostOf(web["DATABASE_READ_REPLICAS"]), /^phased-stack-prod-second-database\..*\.us-west-2\./);
    assert.deepEqual([web["AWS_REGION"], web["REDIS_SITE"], home["REDIS_SITE"]], ["us-west-2", "standby", "active"]);
    assert.match(web["S3_BUCKET"] ?? "", /^second-storage-uploads/);
    assert.deepEqual(Object.keys(web), Object.keys(home), "the same contract");
    assert.equal(web["WORKERS"], home["WORKERS"]);
    const { parameters } = get("second-app-secrets-provider").inputs["spec"] as { parameters: { region: string; objects: string } };
    const objects = parse(parameters.objects) as { objectName: string }[];
    assert.equal(parameters.region, "us-west-2");
    assert.ok(objects.length >= 5);
    for (const { objectName } of objects) {
      assert.match(objectName, /^arn:aws:secretsmanager:us-west-2:/);
      assert.doesNotMatch(objectName, /owner/);
    }
  });

  it("go to Postgres of both regions, and to nothing else of the other one: policies of pods say what security groups say", () => {
    const databaseOf = (prefix: string): unknown => {
      const { egress } = get(`${prefix}network-policies-allow-to-database`).inputs["spec"] as {
        egress: { ports: { port: number }[]; to: { ipBlock: { cidr: string } }[] }[];
      };
      return egress.map(({ ports, to }) => [ports.map(({ port }) => port), to.map(({ ipBlock }) => ipBlock.cidr)]);
    };
    assert.deepEqual(databaseOf(""), [[[5432], ["10.0.0.0/16", "10.1.208.0/24", "10.1.209.0/24", "10.1.210.0/24"]]]);
    assert.deepEqual(databaseOf("second-"), [[[5432], ["10.1.0.0/16", "10.0.208.0/24", "10.0.209.0/24", "10.0.210.0/24"]]]);
    for (const [policies, other] of [
      ["second-network-policies", "10.0."],
      ["network-policies", "10.1."],
    ] as const) {
      const all = recorder.resources.filter(({ type, name }) => type.endsWith(":NetworkPolicy") && name.startsWith(`${policies}-allow`));
      const naming = all.filter(({ inputs }) => JSON.stringify(inputs).includes(`"${other}`)).map(({ name }) => name);
      assert.deepEqual(naming, [`${policies}-allow-to-database`]);
    }
  });

  it("migrate the schema once, in the first, before pods of either; jobs run there alone", () => {
    assert.deepEqual(
      recorder.ofType("kubernetes:batch/v1:Job").map(({ name }) => name),
      ["migrations-job"],
    );
    for (const first of [
      ...["migrations-job", "second-peering-out-private-1", "second-nodes-pool", "second-database-server"],
      ...["second-cluster-app-identity", "second-cluster-app-role-policy", "second-network-policies-deny-all"],
    ]) {
      waitsFor("second-web-deployment", first);
    }
    const deployments = recorder.ofType("kubernetes:apps/v1:Deployment").map(({ name }) => name);
    assert.deepEqual(deployments.sort(), ["jobs-deployment", "second-web-deployment", "web-deployment"]);
    const scaling = (name: string): unknown[] => {
      const { minReplicas, maxReplicas } = get(name).inputs["spec"] as Record<string, number>;
      return [minReplicas, maxReplicas];
    };
    const [least, most] = scaling("web-autoscaler");
    assert.ok(Number(least) > 3);
    assert.deepEqual(scaling("second-web-autoscaler"), [3, most], "one a zone, and as many as it takes");
  });

  it("the second one's pods read the copies of secrets there, and neither the owner's nor those of the first", () => {
    const role = graph.find(({ name }) => name === "second-cluster-app-role") ?? assert.fail();
    const may = (resource: string): boolean =>
      decide(role, new Graph(graph), { action: "secretsmanager:GetSecretValue", resource }) === "allowed";
    const secret = (region: string, name: string): string => `arn:aws:secretsmanager:${region}:123456789012:secret:${name}`;
    for (const name of ["session-secret-kept-secret", "database-app-kept-secret", "second-redis-limits-url-secret"]) {
      assert.ok(may(secret("us-west-2", name)), name);
    }
    assert.ok(!may(secret("us-west-2", "database-owner-kept-secret")) && !may(secret("eu-central-1", "database-app-kept-secret")));
    const decrypt = (key: string, via: string): string =>
      decide(role, new Graph(graph), {
        ...{ action: "kms:Decrypt", resource: String(graph.find(({ name }) => name === key)?.outputs["arn"]) },
        context: { "kms:ViaService": `secretsmanager.${via}.amazonaws.com` },
      });
    assert.deepEqual([decrypt("second-keys-data", "us-west-2"), decrypt("keys-data", "eu-central-1")], ["allowed", "not allowed"]);
    assert.deepEqual(
      graph.filter(({ name }) => /^second-.*migrations/.test(name)).map(({ name }) => name),
      [],
      "nobody there can be given the owner's password",
    );
  });

  it("A14 databaseLogin iam: pods of each log in as a role where they read and write, those of the second also to its own server", async () => {
    const iam = new Graph(await cloudGraph("prod", { ...BOTH, databaseLogin: "iam" }));
    const places = [
      ["eu-central-1", "prx-database-proxy-proxy"],
      ["eu-central-1", "db-database-replica-1"],
      ["us-west-2", "db-second-database-server"],
    ] as const;
    const of = (name: string): boolean[] => {
      const role = iam.resources.find((resource) => resource.name === name) ?? assert.fail(name);
      return places.map(([region, id]) => {
        const resource = `arn:aws:rds-db:${region}:123456789012:dbuser:${id}/app_iam`;
        return decide(role, iam, { action: "rds-db:connect", resource }) === "allowed";
      });
    };
    assert.deepEqual(of("cluster-app-role"), [true, true, false]);
    assert.deepEqual(of("second-cluster-app-role"), [true, false, true]);
  });
});
