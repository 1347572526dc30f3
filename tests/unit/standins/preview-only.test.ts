import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";

import { definition as aws, locateAws } from "../../../toolchain/standins/aws/definition";
import { definition as kubernetes, locateKubernetes } from "../../../toolchain/standins/kubernetes/definition";
import type { ProviderDefinition, ResourceType } from "../../../toolchain/standins/shared/provider";
import { UNKNOWN, type Properties } from "../../../toolchain/standins/shared/values";

const PACKAGES = path.resolve(__dirname, "../../../node_modules/@pulumi");

async function reasons(provider: ProviderDefinition, token: string, inputs: Properties): Promise<string[]> {
  const type: ResourceType = await provider.resourceType(token);
  return (await type.check(inputs)).map(({ reason }) => reason);
}

/** Every resource class of a provider's npm package: the token in the JavaScript beside the declarations. */
function resourceTokens(name: string): { token: string; file: string }[] {
  const root = path.join(PACKAGES, name);
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(
    (file) => file.endsWith(".js") && !file.includes("node_modules"),
  );
  return files.flatMap((file) => {
    const token = /static __pulumiType = '([^']+)'/.exec(readFileSync(path.join(root, file), "utf8"))?.[1];
    // The provider itself and Chart, a component of the SDK, are no resources of the plugin.
    return token === undefined || !token.includes(":") || token === "kubernetes:helm.sh/v3:Chart"
      ? []
      : [{ token, file: file.slice(0, -3) }];
  });
}

describe("Preview-only stand-ins", () => {
  describe("aws", () => {
    const VPC = "aws:ec2/vpc:Vpc";

    it("takes what the package declares", async () => {
      assert.deepEqual(await reasons(aws, VPC, { cidrBlock: "10.0.0.0/16", enableDnsHostnames: true, tags: { Name: "a" } }), []);
    });

    it("takes values that are not known yet", async () => {
      assert.deepEqual(await reasons(aws, "aws:ec2/subnet:Subnet", { vpcId: UNKNOWN, cidrBlock: UNKNOWN, tags: { Name: UNKNOWN } }), []);
    });

    it("names a missing property", async () => {
      assert.deepEqual(await reasons(aws, "aws:ec2/subnet:Subnet", { cidrBlock: "10.0.0.0/24" }), ["Missing required property 'vpcId'."]);
    });

    it("names a property of the wrong type, and what it has to be", async () => {
      const wrong = await reasons(aws, VPC, { enableDnsHostnames: "yes", cidrBlock: 10, tags: { Name: 1 } });
      assert.deepEqual(wrong.sort(), [
        "cidrBlock is 10; it has to be text.",
        'enableDnsHostnames is "yes"; it has to be true or false.',
        'tags["Name"] is 1; it has to be text.',
      ]);
    });

    it("names an unknown property, and the known ones", async () => {
      const [reason, ...more] = await reasons(aws, VPC, { cidrblock: "10.0.0.0/16" });
      assert.match(reason!, /^cidrblock is not a property here; known are: .*cidrBlock, /);
      assert.deepEqual(more, []);
    });

    it("looks into nested objects and lists", async () => {
      const group = (rule: Properties) => reasons(aws, "aws:ec2/securityGroup:SecurityGroup", { ingress: [rule] });
      assert.deepEqual(await group({ fromPort: 443, toPort: 443, protocol: "tcp", cidrBlocks: ["10.0.0.0/8"] }), []);
      assert.deepEqual(await group({ fromPort: 443, toPort: 443, protocol: "tcp", cidrBlocks: "10.0.0.0/8" }), [
        'ingress[0].cidrBlocks is "10.0.0.0/8"; it has to be a list.',
      ]);
      assert.deepEqual(await group({ fromPort: 443, toPort: 443 }), ["Missing required property 'ingress[0].protocol'."]);
    });

    it("takes text where an enum or another resource may stand", async () => {
      const code = { role: "arn", runtime: "nodejs22.x", handler: "index.handler" };
      assert.deepEqual(await reasons(aws, "aws:lambda/function:Function", code), []);
      assert.deepEqual(await reasons(aws, "aws:lambda/permission:Permission", { action: "a", function: "f", principal: "p" }), []);
    });

    it("previews the inputs and unknown outputs", async () => {
      const type = await aws.resourceType(VPC);
      const outputs = await type.previewCreate({ cidrBlock: "10.0.0.0/16" });
      assert.equal(outputs["cidrBlock"], "10.0.0.0/16");
      assert.equal(outputs["arn"], UNKNOWN);
      assert.equal(outputs["tagsAll"], UNKNOWN);
    });

    it("refuses what is no resource type", async () => {
      await assert.rejects(async () => aws.resourceType("aws:ec2/vpc:Vcp"), /aws:ec2\/vpc:Vcp is no resource type of @pulumi\/aws \d/);
      await assert.rejects(async () => aws.resourceType("aws:../../../etc/passwd:X"), /is no resource type/);
    });

    it("says in one sentence how to do more than preview", () => {
      assert.match(aws.previewOnly!, /only previewed.*official plugin.*pulumi plugin install resource aws \d+\.\d+\.\d+/);
      assert.ok(!aws.previewOnly!.includes("\n"));
    });
  });

  describe("kubernetes", () => {
    const DEPLOYMENT = "kubernetes:apps/v1:Deployment";
    const deployment = (container: Properties): Properties => ({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web" },
      spec: {
        selector: { matchLabels: { app: "web" } },
        template: { metadata: { labels: { app: "web" } }, spec: { containers: [container] } },
      },
    });

    it("takes a right object and names what is wrong deep inside", async () => {
      assert.deepEqual(
        await reasons(kubernetes, DEPLOYMENT, deployment({ name: "web", image: "web:1", ports: [{ containerPort: 3001 }] })),
        [],
      );
      assert.deepEqual(await reasons(kubernetes, DEPLOYMENT, deployment({ image: "web:1", ports: [{ containerPort: "3001" }] })), [
        "Missing required property 'spec.template.spec.containers[0].name'.",
        'spec.template.spec.containers[0].ports[0].containerPort is "3001"; it has to be a number.',
      ]);
    });

    it("a port may be a number or a name", async () => {
      const service = (targetPort: number | string | boolean) =>
        reasons(kubernetes, "kubernetes:core/v1:Service", { spec: { ports: [{ port: 80, targetPort }] } });
      assert.deepEqual(await service(3001), []);
      assert.deepEqual(await service("http"), []);
      assert.deepEqual(await service(true), ["spec.ports[0].targetPort is true; it has to be a number or text."]);
    });

    it("the api version is the token's", async () => {
      assert.deepEqual(await reasons(kubernetes, DEPLOYMENT, { ...deployment({ name: "web" }), apiVersion: "apps/v2" }), [
        'apiVersion is "apps/v2"; it has to be "apps/v1".',
      ]);
    });

    it("a name that the program leaves out is not known in a preview", async () => {
      const type = await kubernetes.resourceType(DEPLOYMENT);
      assert.deepEqual((await type.previewCreate({}))["metadata"], { name: UNKNOWN });
      assert.deepEqual((await type.previewCreate({ metadata: { name: "a" } }))["metadata"], { name: "a" });
    });

    it("takes custom resources as they are, and no unknown kinds of Kubernetes itself", async () => {
      assert.deepEqual(await reasons(kubernetes, "kubernetes:monitoring.coreos.com/v1:ServiceMonitor", { spec: { any: "thing" } }), []);
      await assert.rejects(async () => kubernetes.resourceType("kubernetes:networking.k8s.io/v1:Ingres"), /is no resource type/);
      await assert.rejects(async () => kubernetes.resourceType("kubernetes:apps/v1:Deploymint"), /is no resource type/);
    });
  });

  for (const [name, locate] of [
    ["aws", locateAws],
    ["kubernetes", locateKubernetes],
  ] as const) {
    it(`finds the declaration of every resource of @pulumi/${name}`, function () {
      this.timeout(60_000);
      const root = path.join(PACKAGES, name);
      const tokens = resourceTokens(name);
      assert.ok(tokens.length > 200, `${tokens.length} resource classes found`);
      const lost = tokens.filter(({ token, file }) => {
        const place = locate(token, root);
        return (
          place === undefined || !existsSync(path.join(root, `${place.file}.d.ts`)) || path.normalize(place.file) !== path.normalize(file)
        );
      });
      assert.deepEqual(lost, []);
    });
  }
});
