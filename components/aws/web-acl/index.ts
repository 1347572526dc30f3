import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { transformed, type Transform } from "../../transform";
import { type AwsArgs, type LogSettings, physicalName, tagsOf } from "../context";
import { logGroup } from "../log-group";

/**
 * AWS' own groups of rules, in the order they are asked. Of the common rules one only counts: it blocks bodies over 8 KB, which orders and
 * uploads have; the app has limits of its own.
 */
const GROUPS = [
  { name: "AWSManagedRulesAmazonIpReputationList", onlyCounted: [] },
  { name: "AWSManagedRulesKnownBadInputsRuleSet", onlyCounted: [] },
  { name: "AWSManagedRulesCommonRuleSet", onlyCounted: ["SizeRestrictions_BODY"] },
  { name: "AWSManagedRulesSQLiRuleSet", onlyCounted: [] },
] as const;

const defaults = {
  /** Feature B7: 100 requests in 10 s and address. */
  requestsPerMinute: 600,
  windowSeconds: 60,
} as const;

export interface WebAclArgs extends AwsArgs {
  /** For the load balancer of the region, or for CloudFront (then the provider has to be that of us-east-1). */
  readonly scope: "REGIONAL" | "CLOUDFRONT";
  /** Who counts as a client for the rate: the address that connects, or the one a proxy in front reports in X-Forwarded-For. */
  readonly clientAddress: "connection" | "forwarded";
  /** Requests a minute and client; more are refused with 403. @default 600 */
  readonly requestsPerMinute?: number | undefined;
  /** How long its log is kept, and the key it is encrypted with, of the same region. */
  readonly logs: LogSettings & { readonly kmsKeyArn: pulumi.Input<string> };
  /** Changes to the child resources before they are created. */
  readonly transform?: { readonly webAcl?: Transform<aws.wafv2.WebAclArgs> };
}

/**
 * A web application firewall: AWS' lists of bad addresses and known attacks, and a limit of requests for each client. What it blocked is
 * logged, without cookies and credentials. Cost: by the rule and by the million requests.
 */
export class WebAcl extends pulumi.ComponentResource {
  readonly arn: pulumi.Output<string>;
  private readonly acl: aws.wafv2.WebAcl;

  constructor(name: string, args: WebAclArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:WebAcl", name, {}, opts);
    const { context, scope } = args;
    this.acl = new aws.wafv2.WebAcl(
      ...transformed(
        args.transform?.webAcl,
        `${name}-acl`,
        {
          scope,
          description: `${context.project} ${context.stack}: ${scope === "REGIONAL" ? "load balancer" : "CloudFront"}`,
          defaultAction: { allow: {} },
          rules: [...GROUPS.map(groupRule), rateRule(GROUPS.length, args)],
          visibilityConfig: visibility(name),
          tags: tagsOf(context, `${name}-acl`),
        },
        { parent: this },
      ),
    );
    this.log(name, args);
    this.arn = this.acl.arn;
    this.registerOutputs({ arn: this.arn });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly acl: aws.wafv2.WebAcl } {
    return { acl: this.acl };
  }

  private log(name: string, { context, logs }: WebAclArgs): void {
    const group = logGroup(
      `${name}-logs`,
      // WAF writes to groups of this prefix only.
      { context, logs, groupName: `aws-waf-logs-${physicalName(context, name)}` },
      { parent: this },
    );
    new aws.wafv2.WebAclLoggingConfiguration(
      `${name}-logging`,
      {
        resourceArn: this.acl.arn,
        logDestinationConfigs: [group.arn],
        redactedFields: ["authorization", "cookie"].map((header) => ({ singleHeader: { name: header } })),
        // What was let through is in the access logs.
        loggingFilter: {
          defaultBehavior: "DROP",
          filters: [
            {
              behavior: "KEEP",
              requirement: "MEETS_ANY",
              conditions: ["BLOCK", "COUNT"].map((action) => ({ actionCondition: { action } })),
            },
          ],
        },
      },
      { parent: this },
    );
  }
}

type Rule = aws.types.input.wafv2.WebAclRule;

function groupRule({ name, onlyCounted }: (typeof GROUPS)[number], priority: number): Rule {
  return {
    name,
    priority,
    // The group's own actions hold.
    overrideAction: { none: {} },
    statement: {
      managedRuleGroupStatement: {
        vendorName: "AWS",
        name,
        ruleActionOverrides: onlyCounted.map((rule) => ({ name: rule, actionToUse: { count: {} } })),
      },
    },
    visibilityConfig: visibility(name),
  };
}

function rateRule(priority: number, { clientAddress, requestsPerMinute }: WebAclArgs): Rule {
  const name = "RequestsPerClient";
  return {
    name,
    priority,
    action: { block: {} },
    statement: {
      rateBasedStatement: {
        limit: requestsPerMinute ?? defaults.requestsPerMinute,
        evaluationWindowSec: defaults.windowSeconds,
        ...(clientAddress === "connection"
          ? { aggregateKeyType: "IP" }
          : {
              aggregateKeyType: "FORWARDED_IP",
              forwardedIpConfig: { headerName: "X-Forwarded-For", fallbackBehavior: "MATCH" },
            }),
      },
    },
    visibilityConfig: visibility(name),
  };
}

function visibility(metricName: string): aws.types.input.wafv2.WebAclVisibilityConfig {
  return { metricName, cloudwatchMetricsEnabled: true, sampledRequestsEnabled: true };
}
