import assert from "node:assert/strict";
import fc from "fast-check";
import { statements as documentStatements } from "../../../policy/iam-documents";
import { ACTIONS, PASSED_TO, UNSCOPED } from "../../../toolchain/deploy-policy/actions";
import {
  deployPolicies,
  POLICY_LIMIT,
  type PolicyScope,
  sizeOf,
  type Statement,
  type UsedResource,
} from "../../../toolchain/deploy-policy/policy";
import { UserError } from "../../../toolchain/lib/errors";
import { UNKNOWN_TEXT } from "../../../toolchain/preview/events";
import { decideBy, type Decision } from "../../support/iam-simulation";

const ACCOUNT = "123456789012";
const SCOPE: PolicyScope = { accountId: ACCOUNT, region: "eu-central-1", access: "deploy" };

const used = (type: string, name = "thing", inputs: UsedResource["inputs"] = {}): UsedResource => ({ type, name, inputs });
const EVERYTHING = Object.keys(ACTIONS).map((type) => used(type));

function statementsOf(resources: readonly UsedResource[], scope: PolicyScope = SCOPE): Statement[] {
  return deployPolicies(resources, scope).flatMap(({ Statement: all }) => [...all]);
}

const granting = (all: readonly Statement[], action: string): Statement[] => all.filter(({ Action }) => Action.includes(action));

describe("F5 policy of the deploying role", () => {
  it("the table is well-formed: actions by service, nothing twice, marks that are used", () => {
    const all = new Set<string>();
    for (const [type, text] of Object.entries(ACTIONS)) {
      assert.match(text, /^[a-z0-9-]+: [A-Z]\w+( [A-Z]\w+)*(; [a-z0-9-]+: [A-Z]\w+( [A-Z]\w+)*)*$/, type);
      const own = text
        .split("; ")
        .flatMap((part) => (part.split(": ")[1] ?? "").split(" ").map((name) => `${part.split(": ")[0] ?? ""}:${name}`));
      assert.equal(new Set(own).size, own.length, `${type} names an action twice`);
      for (const action of own) all.add(action);
    }
    for (const [service, names] of Object.entries(UNSCOPED))
      for (const name of names.split(" ")) assert.ok(all.has(`${service}:${name}`), `${service}:${name}`);
    for (const [type, text] of Object.entries(ACTIONS)) assert.equal(text.includes("PassRole"), type in PASSED_TO, type);
  });

  it("grants what the resources need and nothing of other services; no wildcard in an action", () => {
    const all = statementsOf([
      used("aws:sqs/queue:Queue"),
      used("random:index/randomPassword:RandomPassword"),
      used("phased-stack:aws:Queue"),
    ]);
    assert.deepEqual(all.flatMap(({ Action }) => Action).sort(), [
      ...["kms:DescribeKey", "sqs:CreateQueue", "sqs:DeleteQueue", "sqs:GetQueueAttributes", "sqs:GetQueueUrl"],
      ...["sqs:ListQueueTags", "sqs:SetQueueAttributes", "sqs:TagQueue", "sqs:UntagQueue"],
    ]);
    assert.ok(statementsOf(EVERYTHING).every(({ Action }) => Action.every((action) => !action.includes("*"))));
  });

  it("every resource is in the account; what cannot be scoped is in the stack's region and us-east-1", () => {
    for (const { Sid, Resource, Condition } of statementsOf([...EVERYTHING, used("aws:iam/role:Role", "app-task-role")])) {
      const regions = Condition?.["StringEquals"]?.["aws:RequestedRegion"];
      if (Resource.includes("*")) assert.deepEqual([Resource, regions], [["*"], ["eu-central-1", "us-east-1"]], Sid);
      else if (Sid.startsWith("s3")) assert.deepEqual(Condition, { StringEquals: { "aws:ResourceAccount": [ACCOUNT] } });
      else
        assert.ok(
          Resource.every((arn) => arn.includes(`:${ACCOUNT}:`) || arn.startsWith("arn:aws:route53:::")),
          `${Sid} ${Resource.join()}`,
        );
    }
  });

  it("roles are this stack's by name, passed to the services it has, with AWS' policies it attaches", () => {
    const all = statementsOf([
      used("aws:iam/role:Role", "app-task-role"),
      used("aws:iam/role:Role", "fixed", { name: "shop-prod-fixed" }),
      used("aws:iam/role:Role", "later", { name: UNKNOWN_TEXT }),
      used("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "managed", { policyArn: "arn:aws:iam::aws:policy/X" }),
      used("aws:ecs/taskDefinition:TaskDefinition"),
    ]);
    const roles = ["app-task-role-*", "later-*", "shop-prod-fixed"].map((name) => `arn:aws:iam::${ACCOUNT}:role/${name}`);
    for (const action of ["iam:CreateRole", "iam:PassRole", "iam:AttachRolePolicy"]) {
      assert.deepEqual(
        granting(all, action).map(({ Resource }) => Resource),
        [roles],
        action,
      );
    }
    assert.deepEqual(granting(all, "iam:PassRole")[0]?.Condition, { StringEquals: { "iam:PassedToService": ["ecs-tasks.amazonaws.com"] } });
    assert.deepEqual(granting(all, "iam:AttachRolePolicy")[0]?.Condition, {
      ArnEquals: { "iam:PolicyARN": ["arn:aws:iam::aws:policy/X"] },
    });
  });

  it("records are in the stack's zone", () => {
    const all = statementsOf([used("aws:route53/record:Record", "a", { zoneId: "Z012" })]);
    assert.deepEqual(all[0]?.Resource, ["arn:aws:route53:::hostedzone/Z012", "arn:aws:route53:::change/*"]);
  });

  it("A16 of two regions it is good for both, and for the health check between them", () => {
    const all = statementsOf(
      [
        used("aws:rds/instance:Instance"),
        used("aws:route53/record:Record", "a", { zoneId: "Z012" }),
        used("aws:route53/healthCheck:HealthCheck"),
      ],
      { ...SCOPE, secondRegion: "us-west-2" },
    );
    const regions = granting(all, "rds:PromoteReadReplica")[0]?.Resource.map((arn) => arn.split(":")[3]);
    assert.deepEqual(regions, ["eu-central-1", "us-east-1", "us-west-2"]);
    assert.deepEqual(granting(all, "route53:GetHealthCheck")[0]?.Resource, [
      "arn:aws:route53:::hostedzone/Z012",
      "arn:aws:route53:::change/*",
      "arn:aws:route53:::healthcheck/*",
    ]);
    assert.deepEqual(granting(all, "ec2:DescribeVpcs")[0]?.Condition, {
      StringEquals: { "aws:RequestedRegion": ["eu-central-1", "us-east-1", "us-west-2"] },
    });
  });

  it("for reading it has nothing that changes anything", () => {
    const all = statementsOf(EVERYTHING, { ...SCOPE, access: "read" }).flatMap(({ Action }) => Action);
    assert.ok(all.includes("ec2:DescribeVpcs") && all.includes("rds:DescribeDBInstances"));
    assert.deepEqual(
      all.filter((action) => /:(Create|Delete|Put|Update|Modify|Attach|Pass|Run|Invoke|Tag|Set|Authorize|Add)/.test(action)),
      [],
    );
  });

  it("who reads a secret may decrypt it, through Secrets Manager in the stack's regions and in no other way", () => {
    const reader: PolicyScope = { ...SCOPE, secondRegion: "us-west-2", access: "read" };
    const all = statementsOf([used("aws:secretsmanager/secretVersion:SecretVersion")], reader);
    assert.ok(granting(all, "secretsmanager:GetSecretValue").length > 0);
    const allows = (resource: string, via?: string): Decision =>
      decideBy(documentStatements({ Statement: all }), {
        action: "kms:Decrypt",
        resource,
        context: via === undefined ? {} : { "kms:ViaService": via },
      });
    const key = `arn:aws:kms:eu-central-1:${ACCOUNT}:key/1`;
    assert.equal(allows(key, "secretsmanager.eu-central-1.amazonaws.com"), "allowed");
    assert.equal(allows(`arn:aws:kms:us-west-2:${ACCOUNT}:key/1`, "secretsmanager.us-west-2.amazonaws.com"), "allowed");
    assert.equal(allows(key), "not allowed", "by itself");
    assert.equal(allows(key, "s3.eu-central-1.amazonaws.com"), "not allowed");
    assert.equal(allows(key, "secretsmanager.eu-west-1.amazonaws.com"), "not allowed");
    assert.equal(allows("arn:aws:kms:eu-central-1:210987654321:key/1", "secretsmanager.eu-central-1.amazonaws.com"), "not allowed");
    assert.deepEqual(granting(statementsOf([used("aws:kms/key:Key")], reader), "kms:Decrypt"), [], "where no secret is read");
  });

  it("fits into managed policies of which a role takes ten, whatever is used, and loses no action", () => {
    const types = Object.keys(ACTIONS);
    const complete = new Set(statementsOf(EVERYTHING).flatMap(({ Action }) => Action));
    assert.ok(complete.size > 300 && deployPolicies(EVERYTHING, SCOPE).length <= 10);
    fc.assert(
      fc.property(fc.subarray(types), (chosen) => {
        for (const { Statement: all } of deployPolicies(
          chosen.map((type) => used(type)),
          SCOPE,
        ))
          assert.ok(sizeOf(all) <= POLICY_LIMIT);
      }),
    );
  });

  it("names every type it knows no actions of", () => {
    assert.throws(
      () => deployPolicies([used("aws:quantum/computer:Computer"), used("aws:a/b:B"), used("aws:sqs/queue:Queue")], SCOPE),
      (error) => error instanceof UserError && error.message === "actions of aws:a/b:B, aws:quantum/computer:Computer are not known",
    );
  });
});
