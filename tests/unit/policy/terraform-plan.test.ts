import assert from "node:assert/strict";
import { AWS } from "../../../policy/types";
import { arnOf, idOf, resource } from "../../support/aws-graph";
import { PlanConverter, type PlannedResource } from "../../support/terraform-plan";
import { TERRAFORM_TYPES } from "../../support/terraform-types";
import { locateAws } from "../../../toolchain/standins/aws/definition";
import path from "node:path";
import { PRODUCTION } from "./fixtures/production";

const PACKAGE = path.resolve(__dirname, "../../../node_modules/@pulumi/aws");

describe("proof: resources as a Terraform plan", () => {
  let converter: PlanConverter;
  before(async () => {
    converter = await PlanConverter.open();
  });
  const planned = (...args: Parameters<typeof resource>): PlannedResource => {
    const [found] = converter.convert([resource(...args)]).planned_values.root_module.resources;
    assert.ok(found);
    return found;
  };

  it("types map one to one, are types of the package, and every type that rules know is among them", () => {
    assert.equal(new Set(TERRAFORM_TYPES.values()).size, TERRAFORM_TYPES.size);
    for (const [type, terraform] of TERRAFORM_TYPES) {
      assert.ok(locateAws(type, PACKAGE), type);
      assert.match(terraform, /^aws_[a-z0-9_]+$/);
    }
    for (const type of Object.values(AWS)) assert.ok(TERRAFORM_TYPES.has(type), type);
    assert.equal(TERRAFORM_TYPES.get("aws:rds/instance:Instance"), "aws_db_instance");
  });

  it("names have underscores, plain values and maps stay as they are", () => {
    const { address, type, name, values } = planned(AWS.dbInstance, "database.a-b", {
      kmsKeyId: "k",
      multiAz: true,
      vpcSecurityGroupIds: ["sg"],
      tags: { "a:B": "c" },
    });
    assert.deepEqual([address, type, name], ["aws_db_instance.database_a_b", "aws_db_instance", "database_a_b"]);
    assert.deepEqual(values, { kms_key_id: "k", multi_az: true, vpc_security_group_ids: ["sg"], tags: { "a:B": "c" } });
  });

  it("an object is a block, which Terraform keeps as a list of one; lists of objects are blocks of the singular name, at any depth", () => {
    const { values } = planned(AWS.webAcl, "acl", {
      defaultAction: { allow: {} },
      rules: [
        {
          name: "r",
          priority: 1,
          overrideAction: { none: {} },
          statement: { managedRuleGroupStatement: { name: "n", vendorName: "AWS" } },
        },
      ],
    });
    assert.deepEqual(values, {
      default_action: [{ allow: [{}] }],
      rule: [
        {
          name: "r",
          priority: 1,
          override_action: [{ none: [{}] }],
          statement: [{ managed_rule_group_statement: [{ name: "n", vendor_name: "AWS" }] }],
        },
      ],
    });
    const plurals = planned(AWS.ecsService, "service", {
      capacityProviderStrategies: [{ capacityProvider: "FARGATE" }],
      loadBalancers: [{ containerName: "a", containerPort: 1 }],
    });
    assert.deepEqual(Object.keys(plurals.values), ["capacity_provider_strategy", "load_balancer"]);
    const kept = planned(AWS.securityGroup, "group", { ingress: [{ protocol: "tcp", fromPort: 1, toPort: 1 }] });
    assert.deepEqual(Object.keys(kept.values), ["ingress"]);
  });

  it("says what refers to what, which rules over several resources follow", () => {
    const plan = converter.convert([
      resource(AWS.kmsKey, "key"),
      resource(AWS.queue, "queue", { kmsMasterKeyId: arnOf("kms", "key", "key") }),
      resource(AWS.bucket, "files"),
      resource(AWS.bucketVersioning, "versions", { bucket: idOf("files"), versioningConfiguration: { status: "Enabled" } }),
    ]);
    const { resources } = plan.configuration.root_module;
    assert.deepEqual(resources.find(({ name }) => name === "queue")?.expressions, {
      kms_master_key_id: { references: ["aws_kms_key.key.arn", "aws_kms_key.key"] },
    });
    assert.deepEqual(resources.find(({ name }) => name === "versions")?.expressions, {
      bucket: { references: ["aws_s3_bucket.files.id", "aws_s3_bucket.files"] },
    });
  });

  it("converts the whole production stack, each resource to be created", () => {
    const plan = converter.convert(PRODUCTION);
    const own = PRODUCTION.filter(({ type }) => type.startsWith("aws:"));
    assert.equal(plan.planned_values.root_module.resources.length, own.length);
    assert.equal(new Set(plan.resource_changes.map(({ address }) => address)).size, own.length);
    assert.ok(plan.resource_changes.every(({ change }) => change.actions.join() === "create"));
  });

  it("leaves nothing out without saying so: unknown types and inputs are refused", () => {
    assert.throws(
      () => converter.convert([resource("aws:sqs/queue:Queue", "q"), resource("aws:dax/cluster:Cluster", "c")]),
      /has no Terraform type for aws:dax\/cluster:Cluster/,
    );
    assert.throws(
      () => planned(AWS.queue, "q", { colour: "red" }),
      /aws:sqs\/queue:Queue q has an input colour, which the package does not know/,
    );
  });
});
