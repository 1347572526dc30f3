import assert from "node:assert/strict";
import { Graph, type Resource } from "../../../policy/graph";
import { statements } from "../../../policy/iam-documents";
import { AWS } from "../../../policy/types";
import { arnOf, idOf, resource } from "../../support/aws-graph";
import { decide, decideBy, trusts, type Decision, type Request } from "../../support/iam-simulation";
import { PRODUCTION } from "./fixtures/production";

const graph = new Graph(PRODUCTION);
const role = (name: string): Resource => {
  const found = PRODUCTION.find((each) => each.name === name);
  assert.ok(found);
  return found;
};
const by = (statement: Record<string, unknown>, request: Request): Decision => decideBy(statements({ Statement: [statement] }), request);

describe("proof: what roles can do", () => {
  const events = arnOf("sqs", "queue", "events");

  it("the app's role can do its work", () => {
    const work: Request[] = [
      { action: "sqs:SendMessage", resource: events },
      { action: "s3:PutObject", resource: `${arnOf("s3", "bucket", "uploads")}/a/b.png` },
      { action: "cloudwatch:PutMetricData", resource: "*", context: { "cloudwatch:namespace": "phased-stack" } },
    ];
    for (const request of work) assert.equal(decide(role("task-role"), graph, request), "allowed", request.action);
  });

  it("and nothing else", () => {
    const rest: Request[] = [
      { action: "sqs:PurgeQueue", resource: events },
      { action: "sqs:SendMessage", resource: arnOf("sqs", "queue", "dead-letters") },
      { action: "s3:PutObject", resource: `${arnOf("s3", "bucket", "logs")}/a` },
      { action: "s3:DeleteObject", resource: `${arnOf("s3", "bucket", "uploads")}/a` },
      { action: "s3:PutObject", resource: arnOf("s3", "bucket", "uploads") },
      { action: "cloudwatch:PutMetricData", resource: "*", context: { "cloudwatch:namespace": "AWS/RDS" } },
      { action: "cloudwatch:PutMetricData", resource: "*" },
      { action: "secretsmanager:GetSecretValue", resource: arnOf("secretsmanager", "secret", "session-secret") },
      { action: "iam:PassRole", resource: arnOf("iam", "role", "task-role") },
    ];
    for (const request of rest) assert.equal(decide(role("task-role"), graph, request), "not allowed", JSON.stringify(request));
  });

  it("a role is passed on to the service it is for, and to no other", () => {
    const policy = PRODUCTION.find(({ name }) => name === "deploy-policy");
    const all = statements(JSON.parse(policy?.inputs["policy"] as string));
    const pass = (to: string, target: string): Decision =>
      decideBy(all, { action: "iam:PassRole", resource: arnOf("iam", "role", target), context: { "iam:PassedToService": to } });
    assert.equal(pass("ecs-tasks.amazonaws.com", "task-role"), "allowed");
    assert.equal(pass("ec2.amazonaws.com", "task-role"), "not allowed");
    assert.equal(pass("ecs-tasks.amazonaws.com", "monitoring-role"), "not allowed");
  });

  it("an explicit deny wins over any allow", () => {
    const all = statements({
      Statement: [
        { Effect: "Allow", Action: "s3:*", Resource: "*" },
        { Effect: "Deny", Action: "s3:Delete*", Resource: "arn:aws:s3:::keep/*" },
      ],
    });
    assert.equal(decideBy(all, { action: "s3:DeleteObject", resource: "arn:aws:s3:::keep/a" }), "denied");
    assert.equal(decideBy(all, { action: "s3:DeleteObject", resource: "arn:aws:s3:::other/a" }), "allowed");
  });

  it("wildcards: actions in any case, resources exactly; what is left out by name", () => {
    const get = { Effect: "Allow", Action: "S3:get*", Resource: "arn:aws:s3:::a?c/*" };
    assert.equal(by(get, { action: "s3:GetObject", resource: "arn:aws:s3:::abc/x/y" }), "allowed");
    assert.equal(by(get, { action: "s3:GetObject", resource: "arn:aws:s3:::ABC/x" }), "not allowed");
    assert.equal(by(get, { action: "s3:PutObject", resource: "arn:aws:s3:::abc/x" }), "not allowed");
    const others = { Effect: "Allow", NotAction: ["iam:*"], NotResource: "arn:aws:s3:::secret/*" };
    assert.equal(by(others, { action: "s3:GetObject", resource: "arn:aws:s3:::abc/x" }), "allowed");
    assert.equal(by(others, { action: "iam:CreateUser", resource: "arn:aws:s3:::abc/x" }), "not allowed");
    assert.equal(by(others, { action: "s3:GetObject", resource: "arn:aws:s3:::secret/x" }), "not allowed");
  });

  it("conditions: all of them have to hold, of several values one; a key that is not there is no", () => {
    const when = (condition: Record<string, unknown>, context: Record<string, string>): Decision =>
      by({ Effect: "Allow", Action: "a:B", Resource: "*", Condition: condition }, { action: "a:B", resource: "x", context });
    const cases: [Record<string, unknown>, Record<string, string>, Decision][] = [
      [{ StringEquals: { "aws:SourceAccount": ["1", "2"] } }, { "AWS:sourceaccount": "2" }, "allowed"],
      [{ StringEquals: { k: "1" }, Bool: { "aws:SecureTransport": "true" } }, { k: "1", "aws:SecureTransport": "false" }, "not allowed"],
      [{ StringEquals: { k: "1" } }, {}, "not allowed"],
      [{ StringEqualsIfExists: { k: "1" } }, {}, "allowed"],
      [{ StringNotEquals: { k: ["1", "2"] } }, { k: "2" }, "not allowed"],
      [{ StringNotEquals: { k: "1" } }, {}, "allowed"],
      [{ ArnLike: { "aws:SourceArn": "arn:aws:s3:::a*" } }, { "aws:SourceArn": "arn:aws:s3:::abc" }, "allowed"],
      [{ Null: { "aws:TokenIssueTime": "true" } }, {}, "allowed"],
      [{ NumericLessThanEquals: { "s3:max-keys": "10" } }, { "s3:max-keys": "11" }, "not allowed"],
      [{ "ForAnyValue:StringEquals": { "aws:TagKeys": "a" } }, { "aws:TagKeys": "a" }, "allowed"],
    ];
    for (const [condition, context, wanted] of cases) assert.equal(when(condition, context), wanted, JSON.stringify([condition, context]));
    assert.throws(() => when({ DateGreaterThan: { k: "1" } }, { k: "1" }), /operator DateGreaterThan is not known/);
  });

  it("attached policies count; one of AWS' own has to be spelled out", () => {
    const attach = (policyArn: string): Resource =>
      resource(AWS.iamRolePolicyAttachment, "attached", { role: idOf("monitoring-role"), policyArn });
    const own = resource(AWS.iamPolicy, "own", { policy: { Statement: { Effect: "Allow", Action: "a:B", Resource: "*" } } });
    const request = { action: "a:B", resource: "x" };
    assert.equal(
      decide(role("monitoring-role"), new Graph([...PRODUCTION, own, attach(arnOf("iam", "policy", "own"))]), request),
      "allowed",
    );
    const foreign = new Graph([...PRODUCTION, attach("arn:aws:iam::aws:policy/X")]);
    assert.throws(
      () => decide(role("monitoring-role"), foreign, request),
      /monitoring-role has the policy arn:aws:iam::aws:policy\/X, and what it allows is not known here/,
    );
    const known = { "arn:aws:iam::aws:policy/X": { Statement: [{ Effect: "Allow", Action: "a:*", Resource: "*" }] } };
    assert.equal(decide(role("monitoring-role"), foreign, request, known), "allowed");
  });

  it("trust: the service that is named, under the conditions that are named", () => {
    const trusting = (statement: Record<string, unknown>): Resource =>
      resource(AWS.iamRole, "r", {
        assumeRolePolicy: JSON.stringify({ Statement: [{ Effect: "Allow", Action: "sts:AssumeRole", ...statement }] }),
      });
    const tasks = trusting({ Principal: { Service: "ecs-tasks.amazonaws.com" } });
    assert.ok(trusts(tasks, "ecs-tasks.amazonaws.com"));
    assert.ok(!trusts(tasks, "lambda.amazonaws.com"));
    const account = trusting({
      Principal: { Service: "ecs-tasks.amazonaws.com" },
      Condition: { StringEquals: { "aws:SourceAccount": "1" } },
    });
    assert.ok(!trusts(account, "ecs-tasks.amazonaws.com"));
    assert.ok(trusts(account, "ecs-tasks.amazonaws.com", { "aws:SourceAccount": "1" }));
  });
});
