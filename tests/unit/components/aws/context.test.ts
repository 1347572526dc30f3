import assert from "node:assert/strict";
import fc from "fast-check";
import { arnOf, partitionOf, physicalName, serviceLogGroups, tagsOf } from "../../../../components/aws/context";
import { CONTEXT } from "./support";

describe("names and tags in AWS", () => {
  it("are of letters, digits and single dashes, whatever project and stack are called, and tell stacks apart", () => {
    const word = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_.-]{0,20}$/);
    fc.assert(
      fc.property(word, word, (project, stack) => {
        const name = physicalName({ ...CONTEXT, project, stack }, "database");
        assert.match(name, /^[a-z](-?[a-z0-9])*$/);
        assert.ok(name.endsWith("database"));
      }),
    );
    assert.notEqual(physicalName({ ...CONTEXT, stack: "prod" }, "x"), physicalName({ ...CONTEXT, stack: "dev" }, "x"));
  });

  it("say whose a resource is, and nobody's own tag changes that", () => {
    const tags = tagsOf({ ...CONTEXT, tags: { CostCentre: "42", Project: "other" } }, "web-service");
    assert.deepEqual(tags, {
      CostCentre: "42",
      Project: "phased-stack",
      Stack: "dev",
      ManagedBy: "pulumi",
      Name: "phased-stack-dev-web-service",
    });
  });

  it("know the partitions of AWS", () => {
    assert.deepEqual(["eu-central-1", "cn-north-1", "us-gov-west-1"].map(partitionOf), ["aws", "aws-cn", "aws-us-gov"]);
    assert.equal(arnOf({ ...CONTEXT, region: "cn-north-1" }, "rds", "db:x"), "arn:aws-cn:rds:cn-north-1:123456789012:db:x");
  });

  it("cover the log groups that services of AWS name, of this stack alone", () => {
    assert.deepEqual(serviceLogGroups(CONTEXT), [
      "/aws/rds/*phased-stack-dev-*",
      "/aws/lambda/phased-stack-dev-*",
      "aws-waf-logs-phased-stack-dev-*",
      "/aws/eks/phased-stack-dev-*",
      "/aws/containerinsights/phased-stack-dev-*",
    ]);
  });
});
