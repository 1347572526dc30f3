/** Account and region that mocked resources live in. */
export const ACCOUNT = "123456789012";
export const REGION = "eu-central-1";

/** What AWS adds to the inputs of a resource, as far as programs read it. */
export function awsOutputs(type: string, name: string, inputs: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const [, service = "", kind = ""] = /^aws:(\w+)\/(\w+):/.exec(type) ?? [];
  const own = OUTPUTS[`${service}/${kind}`]?.(name, inputs) ?? {};
  // The provider gives a name to what has none.
  const physical = typeof inputs["name"] === "string" ? inputs["name"] : `${name}-1a2b3c4`;
  return { arn: `arn:aws:${service}:${REGION}:${ACCOUNT}:${kind}/${physical}`, name: physical, ...own };
}

/** The same of another region. */
export function awsOutputsIn(region: string): typeof awsOutputs {
  return (...args) => JSON.parse(JSON.stringify(awsOutputs(...args)).replaceAll(REGION, region)) as Record<string, unknown>;
}

type Inputs = Readonly<Record<string, unknown>>;

const host = (label: string, service: string): string => `${label}.abc123.${service}.${REGION}.amazonaws.com`;

const OUTPUTS: Readonly<Record<string, (name: string, inputs: Inputs) => Record<string, unknown>>> = {
  "iam/role": (name) => ({ arn: `arn:aws:iam::${ACCOUNT}:role/${name}` }),
  "kms/key": (name) => ({ arn: `arn:aws:kms:${REGION}:${ACCOUNT}:key/${name}`, keyId: name }),
  "cloudwatch/logGroup": (_, inputs) => ({ arn: `arn:aws:logs:${REGION}:${ACCOUNT}:log-group:${String(inputs["name"])}` }),
  "secretsmanager/secret": (name) => ({ arn: `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:${name}` }),
  "secretsmanager/secretVersion": (name) => ({
    secretArn: `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:${name.replace(/-version$/, "-secret")}`,
    versionId: "version-1",
  }),
  "rds/instance": (name, inputs) => ({
    address: host(String(inputs["identifier"]), "rds"),
    resourceId: `db-${name}`,
    masterUserSecrets:
      inputs["manageMasterUserPassword"] === true
        ? [{ secretArn: `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:rds!db-${name}`, secretStatus: "active", kmsKeyId: "" }]
        : [],
  }),
  "rds/proxy": (name) => ({ endpoint: host(name, "proxy"), arn: `arn:aws:rds:${REGION}:${ACCOUNT}:db-proxy:prx-${name}` }),
  "rds/proxyDefaultTargetGroup": () => ({ name: "default" }),
  "elasticache/replicationGroup": (name) => ({
    primaryEndpointAddress: host(name, "cache"),
    readerEndpointAddress: host(`${name}-ro`, "cache"),
  }),
  "ecr/repository": (name) => ({ repositoryUrl: `${ACCOUNT}.dkr.ecr.${REGION}.amazonaws.com/${name}` }),
  "s3/bucket": (name) => ({
    bucket: `${name}-1a2b3c4`,
    arn: `arn:aws:s3:::${name}-1a2b3c4`,
    bucketRegionalDomainName: `${name}-1a2b3c4.s3.${REGION}.amazonaws.com`,
  }),
  "lb/loadBalancer": (name) => ({
    dnsName: `${name}.${REGION}.elb.amazonaws.com`,
    zoneId: "Z215JYRZR1TBD5",
    arnSuffix: `app/${name}/50dc6c495c0c9188`,
  }),
  "lb/targetGroup": (name) => ({ arnSuffix: `targetgroup/${name}/73e2d6bc24d8a067` }),
  "cloudfront/distribution": (name) => ({
    arn: `arn:aws:cloudfront::${ACCOUNT}:distribution/${name}`,
    domainName: "d111111abcdef8.cloudfront.net",
    hostedZoneId: "Z2FDTNDATAQYW2",
  }),
  "ecs/taskDefinition": (_, inputs) => ({
    arn: `arn:aws:ecs:${REGION}:${ACCOUNT}:task-definition/${String(inputs["family"])}:1`,
    revision: 1,
  }),
  "acm/certificate": (name, inputs) => ({
    arn: `arn:aws:acm:${REGION}:${ACCOUNT}:certificate/${name}`,
    domainValidationOptions: [inputs["domainName"], ...((inputs["subjectAlternativeNames"] as string[] | undefined) ?? [])].map(
      (domain) => ({
        domainName: domain,
        resourceRecordName: `_x.${String(domain)}.`,
        resourceRecordType: "CNAME",
        resourceRecordValue: "_y.acm-validations.aws.",
      }),
    ),
  }),
  "route53/record": (_, inputs) => ({ fqdn: inputs["name"] }),
  "msk/configuration": () => ({ latestRevision: 1 }),
  "eks/cluster": (name, inputs) => ({
    endpoint: `https://${name}.gr7.${REGION}.eks.amazonaws.com`,
    certificateAuthority: { data: "Y2VydGlmaWNhdGU=" },
    vpcConfig: { ...(inputs["vpcConfig"] as object), clusterSecurityGroupId: `sg-${name}` },
  }),
  "sqs/queue": (name) => ({ url: `https://sqs.${REGION}.amazonaws.com/${ACCOUNT}/${name}` }),
  "msk/cluster": () => ({ bootstrapBrokersSaslIam: "b-1.kafka.example:9098,b-2.kafka.example:9098,b-3.kafka.example:9098" }),
};
