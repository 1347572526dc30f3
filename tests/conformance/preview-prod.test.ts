import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parse } from "yaml";
import { cloudCost, costOutput } from "../../stacks/cloud/costs";
import { KNOWN_LATER } from "../../stacks/cloud/graph";
import { cloudPlan } from "../../stacks/cloud/sizing/plan";
import { loadConfig } from "../../stacks/config";
import { choosePulumi } from "../../toolchain/lib/pulumi-cli";
import { quoteForShell } from "../../toolchain/lib/shell";
import { UNKNOWN_TEXT, type Previewed } from "../../toolchain/preview/events";
import { type PreviewReport, reportOf, reportText } from "../../toolchain/preview/report";
import { type PreviewRun, runPreview } from "../../toolchain/preview/run";
import { underTest } from "./harness";
import { pluginCommand } from "./launch";

/** Anything that would let a plugin into an account; none of it may reach one. */
const LOGINS = {
  AWS_PROFILE: "production",
  AWS_ACCESS_KEY_ID: "AKIACANARY",
  AWS_SECRET_ACCESS_KEY: "canary",
  PULUMI_ACCESS_TOKEN: "pul-canary",
};

/** The configuration of the stack prod. */
const { config: PROD } = parse(readFileSync("Pulumi.prod.yaml", "utf8")) as { config: Record<string, string> };

describe(`F5 preview of production in the real engine (${underTest})`, function () {
  this.timeout(300_000);
  let directory: string;
  let run: PreviewRun;
  let report: PreviewReport;
  let environment: NodeJS.ProcessEnv;

  /** The engine takes plugins from PATH first; these write down with which logins they were started. */
  function prepare(): NodeJS.ProcessEnv {
    directory = mkdtempSync(path.join(tmpdir(), "preview-prod-"));
    const bin = path.join(directory, "bin");
    mkdirSync(bin);
    for (const name of ["language-nodejs", "aws", "random", "docker"]) {
      const file = path.join(bin, name.startsWith("language-") ? `pulumi-${name}` : `pulumi-resource-${name}`);
      const note = `env | grep -E '^(AWS_|PULUMI_ACCESS)' >> ${quoteForShell(path.join(directory, "logins"))}`;
      writeFileSync(file, `#!/bin/sh\n${note}\nexec ${pluginCommand(name).map(quoteForShell).join(" ")} "$@"\n`);
      chmodSync(file, 0o755);
    }
    const cli = choosePulumi();
    assert.ok(cli, "there is no Pulumi CLI on this machine: run npm run prepare-machine");
    const search = [bin, process.env["PATH"], path.dirname(cli.file)].join(path.delimiter);
    return { ...process.env, ...LOGINS, PATH: search, PULUMI_HOME: path.join(directory, "home") };
  }

  before(async function () {
    // Several hundred MB of the official plugin are no part of every test run.
    if (underTest === "official") this.skip();
    environment = prepare();
    run = await runPreview({ stack: "prod", settings: [] }, environment);
    report = reportOf("prod", run, [{ name: "aws", version: "7", kind: "stand-in" }]);
  });
  after(() => directory && rmSync(directory, { recursive: true }));

  it("shows the whole stack on ECS, with every rule kept", () => {
    assert.deepEqual([report.errors, report.violations], [[], []], run.tail);
    assert.equal(run.policiesRan, true, run.tail);
    assert.equal(report.ok, true);
    const counts = Object.entries({
      "ec2/natGateway:NatGateway": 3,
      "ec2/subnet:Subnet": 9,
      "rds/instance:Instance": 3,
      "rds/proxy:Proxy": 1,
      "elasticache/replicationGroup:ReplicationGroup": 2,
      "ecs/service:Service": 2,
      "lb/loadBalancer:LoadBalancer": 1,
      "cloudfront/distribution:Distribution": 1,
      "wafv2/webAcl:WebAcl": 2,
      "budgets/budget:Budget": 1,
    });
    for (const [type, count] of counts) assert.equal(report.create[`aws:${type}`], count, type);
    assert.equal(report.create["phased-stack:aws:Network"], undefined, "components are not counted");
  });

  it("reaches no account: no login of the caller gets to a plugin or the program", () => {
    const seen = readFileSync(path.join(directory, "logins"), "utf8");
    assert.match(seen, /^AWS_EC2_METADATA_DISABLED=true$/m);
    for (const [name, value] of Object.entries(LOGINS)) assert.ok(!seen.includes(name) && !seen.includes(value), seen);
  });

  it("prints the monthly cost, which is that of the inputs the engine was told", () => {
    const { users, zones, workers, ...config } = loadConfig({
      project: "phased-stack",
      stack: "prod",
      values: PROD,
      isSecret: () => false,
    });
    assert.ok(users !== undefined && workers === "auto" && config.awsRegion !== undefined);
    const plan = cloudPlan({ ...config, users, zones, workers: undefined });
    const told = costOutput(cloudCost(run.resources.map(withoutUnknown), config.awsRegion, plan));
    assert.deepEqual(report.cost, told);
    assert.ok(told.monthlyUsd > 1000);
    assert.match(reportText(report), new RegExp(`about ${told.monthlyUsd.toLocaleString("en-US")} US dollars a month`));
    assert.deepEqual(report.cost?.notPriced, {});
  });

  it("tells everything that is not set at once, each with an example", async () => {
    const { errors, ok } = reportOf("dev", await runPreview({ stack: "dev", settings: ["phase=cloud"] }, environment), []);
    assert.equal(ok, false);
    assert.equal(errors.length, 1, errors.join("\n"));
    for (const key of ["awsRegion", "awsAccountId", "alertEmail", "monthlyBudgetUsd", "users"]) {
      assert.match(errors[0]!, new RegExp(`- ${key} is not set.*Fix: pulumi config set ${key} \\S+`), key);
    }
  });

  it("tells what the rules could not judge", () => {
    assert.equal(report.notJudged.length, 1);
    assert.match(report.notJudged[0]!, /\d+ of \d+ checks could not be judged/);
  });
});

/** The resource with values that are not known as the program's own estimate has them. */
function withoutUnknown({ type, name, inputs }: Previewed): Previewed {
  const known = (value: unknown): unknown => {
    if (value === UNKNOWN_TEXT) return KNOWN_LATER;
    if (value === null || typeof value !== "object") return value;
    if (Array.isArray(value)) return value.map(known);
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, known(item)]));
  };
  return { type, name, inputs: known(inputs) as Record<string, unknown> };
}
