import type { Graph, Resource } from "../graph";
import { inProd, isTrue } from "../parts";
import { flag, isGiven, items, number, text } from "../read";
import { rulesOf, type Part } from "../rule";
import { AWS } from "../types";

/** Policies without anything older than TLS 1.2 (AWS' table of security policies for Application Load Balancers). */
const TLS_POLICY = /^ELBSecurityPolicy-(TLS13-1-[23]-|FS-1-2-|TLS-1-2-)/;
/** Groups that AWS keeps, by name. */
const MANAGED_RULES = [
  "AWSManagedRulesCommonRuleSet",
  "AWSManagedRulesKnownBadInputsRuleSet",
  "AWSManagedRulesSQLiRuleSet",
  "AWSManagedRulesAmazonIpReputationList",
];
/** Seconds after which an Application Load Balancer closes an idle connection where nothing is said. */
const DEFAULT_IDLE_SECONDS = 60;

const isInternal = (balancer: Resource): boolean => flag(balancer, "internal");

/** Plain HTTP only redirects; behind CloudFront's own network (VPC origin) an internal load balancer may speak it. */
const redirects: Part = (listener, graph, { name }) => {
  if (text(listener, "protocol") !== "HTTP") return undefined;
  const [balancer] = graph.targets(listener, "loadBalancerArn", AWS.loadBalancer);
  if (balancer !== undefined && isInternal(balancer)) return undefined;
  if (name === "dev" && balancer !== undefined && !speaksTls(balancer, graph)) return undefined;
  const wrong = items(listener, "defaultActions").filter(
    (action) =>
      text(action, "type") !== "redirect" ||
      text(action, "redirect.statusCode") !== "HTTP_301" ||
      text(action, "redirect.protocol") !== "HTTPS",
  );
  return wrong.length === 0 ? undefined : "it answers plain HTTP; allowed: a redirect to HTTPS with HTTP_301";
};

const speaksTls = (balancer: Resource, graph: Graph): boolean =>
  graph.referrers(balancer, "loadBalancerArn", AWS.listener).some((listener) => text(listener, "protocol") === "HTTPS");

const tls: Part = (listener) => {
  if (!["HTTPS", "TLS"].includes(text(listener, "protocol"))) return undefined;
  const policy = text(listener, "sslPolicy");
  return TLS_POLICY.test(policy) ? undefined : `sslPolicy is ${policy || "not set"}; allowed: e.g. ELBSecurityPolicy-TLS13-1-2-2021-06`;
};

const hasFirewall: Part = (balancer, graph) => {
  if (isInternal(balancer) || graph.referrers(balancer, "resourceArn", AWS.webAclAssociation).length > 0) return undefined;
  return "no web ACL is associated with it";
};

const managedRules: Part = (acl) => {
  const rules = items(acl, "rules");
  const groups = rules.filter((rule) => isGiven(rule, "statement.managedRuleGroupStatement"));
  const missing = MANAGED_RULES.filter((name) => !groups.some((rule) => text(rule, "statement.managedRuleGroupStatement.name") === name));
  const counted = groups.filter((rule) => isGiven(rule, "overrideAction.count")).map((rule) => text(rule, "name"));
  return [
    ...(missing.length === 0 ? [] : [`it lacks ${missing.join(", ")}`]),
    ...(counted.length === 0 ? [] : [`${counted.join(", ")} only count, and block nothing`]),
    ...(rules.some((rule) => isGiven(rule, "statement.rateBasedStatement")) ? [] : ["it has no rate-based rule"]),
  ];
};

const isLogged = (acl: Resource, graph: Graph): boolean => graph.referrers(acl, "resourceArn", AWS.webAclLogging).length > 0;

/** Rules of the load balancer and the web application firewall. */
export const albWaf = rulesOf("alb-waf", {
  "alb-redirect": {
    title: "Plain HTTP is answered with a redirect to HTTPS",
    cites: ["CKV_AWS_2", "CKV2_AWS_20", "ELB.1"],
    devRelaxation: "without a domain there is no certificate, and plain HTTP is answered",
    remediation: "Give the listener of port 80 a default action redirect with statusCode HTTP_301 and protocol HTTPS.",
    types: [AWS.listener],
    scope: "graph",
    parts: [redirects],
  },
  "alb-tls": {
    title: "TLS is 1.2 or 1.3",
    cites: ["CKV_AWS_103", "ELB.17"],
    remediation: "Set sslPolicy to ELBSecurityPolicy-TLS13-1-2-2021-06 or newer.",
    types: [AWS.listener],
    parts: [tls],
  },
  "alb-invalid-headers": {
    title: "Requests with invalid headers lose them before they reach the app",
    cites: ["CKV_AWS_131", "ELB.4"],
    remediation: "Set dropInvalidHeaderFields.",
    types: [AWS.loadBalancer],
    parts: [isTrue("dropInvalidHeaderFields")],
  },
  "alb-access-logs": {
    title: "Requests are in access logs",
    cites: ["CKV_AWS_91", "ELB.5"],
    remediation: "Set accessLogs with enabled and a bucket.",
    types: [AWS.loadBalancer],
    parts: [isTrue("accessLogs.enabled")],
  },
  "alb-deletion-protection": {
    title: "AWS refuses to delete the load balancer",
    cites: ["CKV_AWS_150", "ELB.6"],
    devRelaxation: "it may be deleted",
    remediation: "Set enableDeletionProtection; to delete on purpose set protect to false first (pulumi config set protect false).",
    types: [AWS.loadBalancer],
    parts: [inProd(isTrue("enableDeletionProtection"))],
  },
  "alb-idle-timeout": {
    title: "The load balancer closes idle connections before the app does, which would fail a request on its way",
    remediation: "Set idleTimeout below the app's keep-alive time.",
    types: [AWS.loadBalancer],
    parts: [
      (balancer, _graph, { keepAliveSeconds }) => {
        const idle = number(balancer, "idleTimeout") ?? DEFAULT_IDLE_SECONDS;
        return idle < keepAliveSeconds ? undefined : `idleTimeout is ${idle} s; allowed: less than the app's ${keepAliveSeconds} s`;
      },
    ],
  },
  "alb-firewall": {
    title: "A load balancer on the internet is behind a web application firewall",
    cites: ["CKV2_AWS_28", "ELB.16"],
    remediation: "Associate a web ACL with it, by aws.wafv2.WebAclAssociation.",
    types: [AWS.loadBalancer],
    scope: "graph",
    parts: [hasFirewall],
  },
  "waf-rules": {
    title: "The firewall has AWS' rules for common attacks, known bad inputs, SQL injection and bad addresses, and a rate limit",
    cites: ["CKV_AWS_192"],
    remediation: "Add the managed rule groups with overrideAction none, and a rule with rateBasedStatement.",
    types: [AWS.webAcl],
    parts: [managedRules],
  },
  "waf-logging": {
    title: "The firewall writes logs",
    cites: ["CKV2_AWS_31", "WAF.11"],
    remediation: "Add an aws.wafv2.WebAclLoggingConfiguration.",
    types: [AWS.webAcl],
    scope: "graph",
    parts: [(acl, graph) => (isLogged(acl, graph) ? undefined : "it has no logging configuration")],
  },
});
