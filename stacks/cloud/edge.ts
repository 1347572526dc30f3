import type * as pulumi from "@pulumi/pulumi";
import { Cdn } from "../../components/aws/cdn";
import type { SigningKeys } from "../../components/aws/cdn/signing-keys";
import { Certificate, Domain, FailoverDomain } from "../../components/aws/certificate";
import { clusterTags } from "../../components/aws/cluster/name";
import type { LogSettings } from "../../components/aws/context";
import { Keys } from "../../components/aws/keys";
import { LoadBalancer, type LoadBalancerArgs } from "../../components/aws/load-balancer";
import type { Network } from "../../components/aws/network";
import type { SecurityGroups } from "../../components/aws/security-groups";
import type { Storage } from "../../components/aws/storage";
import { WebAcl } from "../../components/aws/web-acl";
import type { CloudTarget, Region } from "./target";
import type { StackConfig } from "../config";

/** What the way from clients to the app needs of a region. */
interface RegionParts {
  readonly network: Network;
  readonly groups: SecurityGroups;
  /** Logs of the region. */
  readonly logs: LogSettings & { readonly kmsKeyArn: pulumi.Input<string> };
  readonly storage: Pick<Storage, "uploads" | "logs">;
}

/** What it needs of all. */
export interface EdgeParts extends RegionParts {
  readonly storage: Storage;
  /** Keys by which the app signs addresses of uploads; with a CDN. */
  readonly signingKeys: SigningKeys | undefined;
  /** The second region, and the health check by which it takes over. @default none */
  readonly second?: (RegionParts & { readonly region: Region; readonly healthCheckId: pulumi.Input<string> }) | undefined;
}

/** What the app signs addresses of uploads with. */
export interface SignedDownloads {
  /** Where they begin. */
  readonly url: pulumi.Output<string>;
  readonly keyId: pulumi.Output<string>;
  /** Secret with the private key. */
  readonly privateKeyArn: pulumi.Output<string>;
  /** The secrets of all keys that tasks may still be given. */
  readonly secretArns: readonly pulumi.Output<string>[];
}

/** The way from clients to the app. */
export interface Edge {
  readonly loadBalancer: LoadBalancer;
  /** That of the second region. */
  readonly standby: LoadBalancer | undefined;
  readonly cdn: Cdn | undefined;
  /** By what the app signs addresses of uploads at the CDN. @default nothing: they go through the app */
  readonly downloads: SignedDownloads | undefined;
  /** Address of the app. */
  readonly url: pulumi.Output<string>;
  /** Proxies between client and app, whose X-Forwarded-For it may believe. */
  readonly proxies: number;
}

/** Domain, certificates, firewalls, load balancers and CDN. */
export function cloudEdge(config: StackConfig, target: CloudTarget, parts: EdgeParts): Edge {
  const { provider } = target.home;
  const { second } = parts;
  const origin = originName(config);
  const certificates = certificatesOf(config, target, origin);
  const loadBalancer = balancer(config, target, target.home, parts, { certificateArn: certificates.home });
  // Whichever of the two CloudFront asks, it sends the same header.
  const { originHeader } = loadBalancer;
  const standby = second && balancer(config, target, second.region, second, { certificateArn: certificates.second, originHeader });
  const { domainName, hostedZoneId: zoneId } = config;
  const home = { dnsName: loadBalancer.dnsName, zoneId: loadBalancer.zoneId, evaluateHealth: true };
  if (origin !== undefined && zoneId !== undefined) {
    if (second === undefined || standby === undefined)
      new Domain("origin-domain", { domainName: origin, zoneId, target: home }, { provider });
    else {
      const primary = { ...home, healthCheckId: second.healthCheckId };
      new FailoverDomain("origins-domain", { domainName: origin, zoneId, primary, secondary: standby }, { provider });
    }
  }
  const cdn = cdnOf(config, target, parts, { loadBalancer, standby, origin }, certificates.edge);
  const front = cdn ?? loadBalancer;
  if (domainName !== undefined && zoneId !== undefined) {
    const alias = cdn === undefined ? home : { dnsName: cdn.dnsName, zoneId: cdn.zoneId, evaluateHealth: false };
    new Domain("domain", { domainName, zoneId, target: alias }, { provider });
  }
  const secure = cdn !== undefined || loadBalancer.port === 443;
  const url = front.dnsName.apply((dnsName) => `${secure ? "https" : "http"}://${domainName ?? dnsName}`);
  const keyId = cdn?.signerId;
  const downloads = keyId === undefined || parts.signingKeys === undefined ? undefined : { url, keyId, ...secretsOf(parts.signingKeys) };
  return { loadBalancer, standby, cdn, downloads, url, proxies: cdn === undefined ? 1 : 2 };
}

const secretsOf = ({ privateKeyArn, secretArns }: SigningKeys) => ({ privateKeyArn, secretArns });

/** Firewall and load balancer of a region. */
function balancer(
  config: StackConfig,
  target: CloudTarget,
  { context, provider, prefix }: Region,
  parts: RegionParts,
  own: Pick<LoadBalancerArgs, "certificateArn" | "originHeader">,
): LoadBalancer {
  const clientAddress = config.cdn ? "forwarded" : "connection";
  const firewall = new WebAcl(`${prefix}firewall`, { context, scope: "REGIONAL", clientAddress, logs: parts.logs }, { provider });
  return new LoadBalancer(
    `${prefix}load-balancer`,
    {
      ...own,
      context,
      vpcId: parts.network.vpcId,
      subnetIds: parts.network.subnetIds.public,
      securityGroupId: parts.groups.id("load-balancer"),
      behindCdn: config.cdn,
      logBucket: parts.storage.logs.name,
      deregistrationSeconds: target.profile.deregistrationSeconds,
      targetGroupTags: config.cloudRuntime === "eks" ? clusterTags(context, `${prefix}cluster`) : undefined,
      webAclArn: firewall.arn,
      protect: config.protect,
    },
    { provider },
  );
}

/**
 * Name of the load balancer for CloudFront, whose requests for static files carry no Host that a certificate could be for. Only where the stack
 * has the zone: elsewhere it would be one more record to make by hand. With two regions it leads to either, and is another name: Route 53 does not let
 * a name lead to one and to one of two at the same time, and there would be neither while it is changed.
 */
function originName({ cdn, domainName, hostedZoneId, secondRegion }: StackConfig): string | undefined {
  if (!cdn || domainName === undefined || hostedZoneId === undefined) return undefined;
  return `${secondRegion === undefined ? "origin" : "origins"}.${domainName}`;
}

/** Certificates of all regions: made where the stack has the zone of the domain, given otherwise, and none without a domain. */
function certificatesOf(config: StackConfig, { home, second, edge }: CloudTarget, origin: string | undefined) {
  const { domainName, hostedZoneId, certificateArn, cdnCertificateArn, cdn } = config;
  const none = { home: undefined, second: undefined, edge: undefined };
  if (domainName === undefined) return none;
  if (hostedZoneId === undefined) return { ...none, home: certificateArn, edge: cdnCertificateArn };
  const { context, provider } = home;
  const otherNames = origin === undefined ? [] : [origin];
  const own = new Certificate("certificate", { context, domainName, otherNames, provenBy: { zoneId: hostedZoneId } }, { provider });
  // The record is in Route 53, which has no region: that of the first proves all.
  const there =
    second &&
    new Certificate(
      `${second.prefix}certificate`,
      { context: second.context, domainName, otherNames, provenBy: own },
      { provider: second.provider },
    );
  const issued = { home: own.arn, second: there?.arn };
  if (!cdn || edge.provider === provider) return { ...issued, edge: own.arn };
  if (edge.provider === second?.provider) return { ...issued, edge: there?.arn };
  const atEdge = new Certificate("cdn-certificate", { context: edge.context, domainName, provenBy: own }, { provider: edge.provider });
  return { ...issued, edge: atEdge.arn };
}

interface Origins {
  readonly loadBalancer: LoadBalancer;
  readonly standby: LoadBalancer | undefined;
  readonly origin: string | undefined;
}

function cdnOf(
  config: StackConfig,
  target: CloudTarget,
  { storage, logs, second, signingKeys }: EdgeParts,
  { loadBalancer, standby, origin }: Origins,
  certificateArn: pulumi.Input<string> | undefined,
): Cdn | undefined {
  const { originHeader: header } = loadBalancer;
  if (header === undefined) return undefined;
  const { context, provider } = target.edge;
  const { domainName, protect } = config;
  const firewall = new WebAcl(
    "cdn-firewall",
    { context, scope: "CLOUDFRONT", clientAddress: "connection", logs: { ...logs, kmsKeyArn: edgeLogsKey(config, target, logs) } },
    { provider },
  );
  return new Cdn(
    "cdn",
    {
      context,
      app: {
        dnsName: origin ?? loadBalancer.dnsName,
        port: loadBalancer.port,
        header,
        // With a certificate of one's own, the load balancer has no name it is for.
        failover: loadBalancer.port === 80 || origin !== undefined,
        standbyDnsName: standby?.dnsName,
      },
      assets: storage.assets,
      uploads: signingKeys && { bucket: storage.uploads, standby: second?.storage.uploads, publicKeys: signingKeys.publicKeys },
      domain: domainName === undefined || certificateArn === undefined ? undefined : { name: domainName, certificateArn },
      webAclArn: firewall.arn,
      logs: storage.logs,
      priceClass: target.profile.priceClass,
      protect,
    },
    { provider },
  );
}

/** A key works in its own region only. */
function edgeLogsKey({ protect }: StackConfig, { home, edge, profile }: CloudTarget, logs: EdgeParts["logs"]): pulumi.Input<string> {
  if (edge.provider === home.provider) return logs.kmsKeyArn;
  const { context, provider } = edge;
  const args = { context, purposes: ["logs"], deletionWindowDays: profile.keyDeletionDays, protect } as const;
  return new Keys("cdn-keys", args, { provider }).arns.logs;
}
