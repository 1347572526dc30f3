import assert from "node:assert/strict";

import { CliProject } from "./cli";
import { underTest } from "./harness";

/** A network in AWS and a workload in Kubernetes; `config.get("mistake")` chooses what is wrong. */
const PROGRAM = `
const mistake = config.get("mistake");
const aws = require("@pulumi/aws");
const k8s = require("@pulumi/kubernetes");
const vpc = new aws.ec2.Vpc("vpc", { cidrBlock: mistake === "type" ? 10 : "10.0.0.0/16" });
const subnet = new aws.ec2.Subnet("subnet", { vpcId: vpc.id, cidrBlock: "10.0.0.0/24" });
if (mistake === "invoke") exports.zones = aws.getAvailabilityZonesOutput().names;
const labels = { app: "web" };
const container = { name: "web", image: "web:1", env: [{ name: "SUBNET", value: subnet.id }] };
const web = new k8s.apps.v1.Deployment("web", {
  spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [container] } } },
});
exports.arn = vpc.arn;
exports.name = web.metadata.name;
`;

describe(`aws and kubernetes, previews only (${underTest})`, function () {
  this.timeout(120_000);
  let project: CliProject;

  before(async function () {
    // The official plugins want credentials and a cluster: a preview without them is what these stand-ins are for.
    if (underTest === "official") this.skip();
    project = new CliProject(["aws", "kubernetes"]);
    await project.ok("stack", "init", "prod");
    project.program(PROGRAM);
  });
  after(() => project?.remove());

  it("previews without credentials: outputs are not known yet", async () => {
    const output = await project.ok("preview");
    assert.match(output, /\+ 4 to create/);
    assert.match(output, /arn *: \[?(output<string>|unknown)/);
    assert.match(output, /name *: \[?(output<string>|unknown)/);
    assert.match(output, /aws: using this project's stand-in for the official plugin .*previews only/);
    assert.match(output, /kubernetes: using this project's stand-in for the official plugin .*previews only/);
  });

  for (const [mistake, message] of [
    ["type", /cidrBlock is 10; it has to be text\./],
    ["invoke", /getAvailabilityZones is not part of this stand-in; it needs the official aws plugin/],
  ] as const) {
    it(`names a mistake: ${mistake}`, async () => {
      await project.ok("config", "set", "mistake", mistake);
      const { code, output } = await project.run("preview");
      await project.ok("config", "rm", "mistake");
      assert.notEqual(code, 0);
      assert.match(output, message);
    });
  }

  it("up is refused in one sentence that says what to install", async () => {
    const { code, output } = await project.run("up", "--yes", "--skip-preview");
    assert.notEqual(code, 0);
    assert.match(output, /aws resources are only previewed by this project's stand-in: .*pulumi plugin install resource aws \d/);
    const { resources = [] } = (await project.exported()).deployment;
    assert.deepEqual(
      resources.filter(({ type }) => /^(aws|kubernetes):/.test(type)),
      [],
    );
  });
});
