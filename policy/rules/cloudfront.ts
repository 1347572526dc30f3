import { statements } from "../iam-documents";
import type { Graph, Resource, Section } from "../graph";
import { inProd, isSet } from "../parts";
import { flag, isGiven, items, json, text } from "../read";
import { rulesOf, type Part } from "../rule";
import { rulesIn } from "../security-group-rules";
import { AWS } from "../types";

/** Ids that are the same in every account (CloudFront's documentation, "managed cache policies"). */
const CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
const TLS_VERSIONS = ["TLSv1.2_2021", "TLSv1.2_2025", "TLSv1.3_2025"];

const behaviours = (distribution: Resource): Section[] => [
  ...items(distribution, "defaultCacheBehavior"),
  ...items(distribution, "orderedCacheBehaviors"),
];

const pattern = (behaviour: Section): string => text(behaviour, "pathPattern") || "default";

/** A part about every behaviour; clauses begin with its path. */
const each =
  (judge: (behaviour: Section) => string | undefined): Part =>
  (distribution) =>
    behaviours(distribution).flatMap((behaviour) => {
      const clause = judge(behaviour);
      return clause === undefined ? [] : [`behaviour ${pattern(behaviour)}: ${clause}`];
    });

/** Origins that are buckets: those of other kinds say how they are spoken to. */
const isBucketOrigin = (origin: Section): boolean => !isGiven(origin, "customOriginConfig") && !isGiven(origin, "vpcOriginConfig");

const isApp = (origin: Section): boolean => !isBucketOrigin(origin);

const viewersByHttps: Part = each((behaviour) =>
  ["redirect-to-https", "https-only"].includes(text(behaviour, "viewerProtocolPolicy"))
    ? undefined
    : `viewerProtocolPolicy is ${text(behaviour, "viewerProtocolPolicy")}; allowed: redirect-to-https, https-only`,
);

/** CloudFront's own certificate is what a distribution without a domain has. */
const hasNoDomain = (distribution: Resource): boolean => flag(distribution, "viewerCertificate.cloudfrontDefaultCertificate");

const originsByHttps: Part = (distribution, _graph, { name }) => {
  const plain = items(distribution, "origins").filter(
    (origin) => isGiven(origin, "customOriginConfig") && text(origin, "customOriginConfig.originProtocolPolicy") !== "https-only",
  );
  if (plain.length === 0 || (name === "dev" && hasNoDomain(distribution))) return undefined;
  return plain.map(
    (origin) =>
      `origin ${text(origin, "originId")} is spoken to by ${text(origin, "customOriginConfig.originProtocolPolicy")}; allowed: https-only`,
  );
};

const bucketsClosed: Part = (distribution) =>
  items(distribution, "origins")
    .filter((origin) => isBucketOrigin(origin) && !isGiven(origin, "originAccessControlId"))
    .map((origin) => `origin ${text(origin, "originId")} has no originAccessControlId`);

/** CloudFront may read a bucket only on behalf of one's own distribution. */
const policyNamesDistribution: Part = (policy) =>
  statements(json(policy, "policy"))
    .filter(({ effect, principals }) => effect === "Allow" && principals.includes("cloudfront.amazonaws.com"))
    .filter(({ conditions }) => !conditions.some(({ key }) => key.toLowerCase() === "aws:sourcearn"))
    .map(() => "it lets in every distribution of CloudFront; allowed: AWS:SourceArn of one's own");

/** Nobody gets around CloudFront: the load balancer has no public address, or lets in CloudFront alone and asks for a secret header. */
const appClosed: Part = (distribution, graph, { name }) => {
  const open = items(distribution, "origins").filter((origin) => isApp(origin) && !isGiven(origin, "vpcOriginConfig"));
  const withoutHeader = open.filter((origin) => !isGiven(origin, "customHeaders"));
  const clauses = withoutHeader.map((origin) => `origin ${text(origin, "originId")} is neither a VPC origin nor has a secret header`);
  if (open.length === 0) return clauses;
  const asked = graph
    .ofType(AWS.listenerRule)
    .some((rule) => items(rule, "conditions").some((condition) => isGiven(condition, "httpHeader")));
  return [
    ...clauses,
    ...(asked ? [] : ["no listener rule asks for the secret header"]),
    ...(name === "dev" && asked ? [] : openGroups(graph)),
  ];
};

function openGroups(graph: Graph): string[] {
  const balancers = graph.ofType(AWS.loadBalancer).filter((balancer) => !flag(balancer, "internal"));
  const groups = new Set(balancers.flatMap((balancer) => graph.targets(balancer, "securityGroups", AWS.securityGroup)));
  const sources = graph.ofType(AWS.securityGroup, AWS.securityGroupIngress, AWS.securityGroupRule);
  const open = sources
    .flatMap((source) => rulesIn(source, graph))
    .filter(({ group, direction, peer }) => groups.has(group) && direction === "ingress" && peer.kind === "cidr");
  return open.map(({ group }) => `${group.name} lets in more than CloudFront; allowed: its prefix list`);
}

const apiUncached: Part = (distribution) => {
  const ofApi = behaviours(distribution).filter((behaviour) => text(behaviour, "pathPattern").startsWith("/api"));
  const judged = ofApi.length > 0 ? ofApi : items(distribution, "defaultCacheBehavior");
  return judged
    .filter((behaviour) => text(behaviour, "cachePolicyId") !== CACHING_DISABLED)
    .map((behaviour) => `behaviour ${pattern(behaviour)} caches the API; allowed: CachingDisabled`);
};

const failsOver: Part = (distribution, graph) => {
  const apps = items(distribution, "origins").filter(isApp);
  const byDns = graph.ofType("aws:route53/record:Record").some((record) => isGiven(record, "failoverRoutingPolicies"));
  if (apps.length < 2 || isGiven(distribution, "originGroups") || byDns) return undefined;
  return `it has ${apps.length} origins of the app, and no origin group between them`;
};

const logged: Part = (distribution, graph) => {
  if (isGiven(distribution, "loggingConfig.bucket")) return undefined;
  const sources = graph.referrers(distribution, "resourceArn", "aws:cloudwatch/logDeliverySource:LogDeliverySource");
  return sources.length > 0 ? undefined : "it has no access logs";
};

/** Where `/` is a page of the app itself, a root object would hide it. */
const rootObject: Part = (distribution) => {
  const [standard] = items(distribution, "defaultCacheBehavior");
  const target = standard === undefined ? "" : text(standard, "targetOriginId");
  const origin = items(distribution, "origins").find((candidate) => text(candidate, "originId") === target);
  return origin === undefined || isApp(origin) || isGiven(distribution, "defaultRootObject") ? undefined : "defaultRootObject is not set";
};

const types = [AWS.distribution];

/** Rules of CloudFront. */
export const cloudfront = rulesOf("cloudfront", {
  "cloudfront-https": {
    title: "Viewers and origins are spoken to by HTTPS",
    cites: ["CKV_AWS_34", "CloudFront.3", "CloudFront.9"],
    devRelaxation: "without a domain the load balancer has no certificate, and is spoken to by HTTP",
    remediation: "Set viewerProtocolPolicy to redirect-to-https and originProtocolPolicy to https-only.",
    types,
    parts: [viewersByHttps, originsByHttps],
  },
  "cloudfront-tls": {
    title: "Viewers use TLS 1.2 or newer",
    cites: ["CKV_AWS_174", "CloudFront.7"],
    devRelaxation: "CloudFront's own name and certificate",
    remediation: "Give viewerCertificate a certificate and minimumProtocolVersion TLSv1.2_2021.",
    types,
    parts: [
      (distribution, _graph, { name }) => {
        if (name === "dev" && hasNoDomain(distribution)) return undefined;
        const version = text(distribution, "viewerCertificate.minimumProtocolVersion");
        return TLS_VERSIONS.includes(version)
          ? undefined
          : `minimumProtocolVersion is ${version || "not set"}; allowed: ${TLS_VERSIONS.join(", ")}`;
      },
    ],
  },
  "cloudfront-origin-access": {
    title: "Buckets are read by one's own distribution and nobody else",
    cites: ["CKV2_AWS_46", "CloudFront.13"],
    remediation: "Set originAccessControlId of the origin, and the condition AWS:SourceArn in the bucket's policy.",
    types: [AWS.distribution, AWS.bucketPolicy],
    parts: [
      (resource, ...rest) => (resource.type === AWS.distribution ? bucketsClosed(resource, ...rest) : undefined),
      (resource, ...rest) => (resource.type === AWS.bucketPolicy ? policyNamesDistribution(resource, ...rest) : undefined),
    ],
  },
  "cloudfront-origin-closed": {
    title: "The app is reached through CloudFront only",
    devRelaxation: "a secret header is enough, where CloudFront's addresses are not known",
    remediation: "Use a VPC origin; or a secret header that a listener rule asks for, with CloudFront's prefix list in the security group.",
    types,
    scope: "graph",
    parts: [appClosed],
  },
  "cloudfront-cache-policies": {
    title: "What is cached is decided by cache policies, and the API is not cached",
    remediation: "Set cachePolicyId of every behaviour; for the API the managed CachingDisabled.",
    types,
    parts: [
      each((behaviour) => (isGiven(behaviour, "cachePolicyId") ? undefined : "cachePolicyId is not set")),
      each((behaviour) => (isGiven(behaviour, "forwardedValues") ? "forwardedValues is set; allowed: cachePolicyId alone" : undefined)),
      apiUncached,
    ],
  },
  "cloudfront-compression": {
    title: "What is cached is compressed",
    remediation: "Set compress.",
    types,
    // Without caching CloudFront compresses nothing: the app does.
    parts: [
      each((behaviour) =>
        flag(behaviour, "compress") || text(behaviour, "cachePolicyId") === CACHING_DISABLED ? undefined : "compress is not true",
      ),
    ],
  },
  "cloudfront-http3": {
    title: "Viewers may use HTTP/3",
    remediation: "Set httpVersion to http2and3.",
    types,
    parts: [
      (distribution) =>
        ["http2and3", "http3"].includes(text(distribution, "httpVersion"))
          ? undefined
          : `httpVersion is ${text(distribution, "httpVersion") || "not set"}; allowed: http2and3`,
    ],
  },
  "cloudfront-security-headers": {
    title: "Answers have security headers",
    cites: ["CKV2_AWS_32"],
    remediation: "Set responseHeadersPolicyId of every behaviour.",
    types,
    parts: [each((behaviour) => (isGiven(behaviour, "responseHeadersPolicyId") ? undefined : "responseHeadersPolicyId is not set"))],
  },
  "cloudfront-logs": {
    title: "Requests are in access logs",
    cites: ["CKV_AWS_86", "CloudFront.5"],
    remediation: "Set loggingConfig, or add an aws.cloudwatch.LogDeliverySource.",
    types,
    scope: "graph",
    parts: [logged],
  },
  "cloudfront-firewall": {
    title: "The distribution is behind a web application firewall",
    cites: ["CKV_AWS_68", "CKV2_AWS_47", "CloudFront.6"],
    remediation: "Set webAclId to an ACL with scope CLOUDFRONT.",
    types,
    parts: [isSet("webAclId")],
  },
  "cloudfront-root-object": {
    title: "A distribution of files has a root object",
    cites: ["CKV_AWS_305", "CloudFront.1"],
    remediation: "Set defaultRootObject.",
    types,
    parts: [rootObject],
  },
  "cloudfront-failover": {
    title: "With two regions, the second answers when the first does not",
    cites: ["CKV_AWS_310", "CloudFront.4"],
    devRelaxation: "no failover",
    remediation: "Put both origins into originGroups, or use Route 53 failover records.",
    types,
    scope: "graph",
    parts: [inProd(failsOver)],
  },
});
