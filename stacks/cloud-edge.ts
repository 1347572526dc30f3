import { readFileSync } from "node:fs";
import type * as pulumi from "@pulumi/pulumi";
import { Cdn } from "../components/aws/cdn";
import { Certificate, Domain } from "../components/aws/certificate";
import { clusterTags } from "../components/aws/cluster/name";
import type { LogSettings } from "../components/aws/context";
import { Keys } from "../components/aws/keys";
import { LoadBalancer } from "../components/aws/load-balancer";
import type { Network } from "../components/aws/network";
import type { SecurityGroups } from "../components/aws/security-groups";
import type { Storage } from "../components/aws/storage";
import { WebAcl } from "../components/aws/web-acl";
import type { CloudTarget } from "./cloud-target";
import type { StackConfig } from "./config";

/** What the way from clients to the app needs of the rest. */
export interface EdgeParts {
  readonly network: Network;
  readonly groups: SecurityGroups;
  readonly storage: Storage;
  /** Logs of the home region. */
  readonly logs: LogSettings & { readonly kmsKeyArn: pulumi.Input<string> };
}

/** The way from clients to the app. */
export interface Edge {
  readonly loadBalancer: LoadBalancer;
  readonly cdn: Cdn | undefined;
  /** Address of the app. */
  readonly url: pulumi.Output<string>;
  /** Proxies between client and app, whose X-Forwarded-For it may believe. */
  readonly proxies: number;
}

/** Domain, certificates, firewalls, load balancer and CDN. */
export function cloudEdge(config: StackConfig, target: CloudTarget, parts: EdgeParts): Edge {
  const { context, provider } = target.home;
  const origin = originName(config);
  const certificates = certificatesOf(config, target, origin);
  const clientAddress = config.cdn ? "forwarded" : "connection";
  const firewall = new WebAcl("firewall", { context, scope: "REGIONAL", clientAddress, logs: parts.logs }, { provider });
  const loadBalancer = new LoadBalancer(
    "load-balancer",
    {
      context,
      vpcId: parts.network.vpcId,
      subnetIds: parts.network.subnetIds.public,
      securityGroupId: parts.groups.id("load-balancer"),
      certificateArn: certificates.home,
      behindCdn: config.cdn,
      logBucket: parts.storage.logs.name,
      deregistrationSeconds: target.profile.deregistrationSeconds,
      targetGroupTags: config.cloudRuntime === "eks" ? clusterTags(context) : undefined,
      webAclArn: firewall.arn,
      protect: config.protect,
    },
    { provider },
  );
  const { domainName, hostedZoneId: zoneId } = config;
  const balancer = { dnsName: loadBalancer.dnsName, zoneId: loadBalancer.zoneId, evaluateHealth: true };
  if (origin !== undefined && zoneId !== undefined) {
    new Domain("origin-domain", { domainName: origin, zoneId, target: balancer }, { provider });
  }
  const cdn = cdnOf(config, target, parts, { loadBalancer, origin }, certificates.edge);
  const front = cdn ?? loadBalancer;
  if (domainName !== undefined && zoneId !== undefined) {
    const alias = cdn === undefined ? balancer : { dnsName: cdn.dnsName, zoneId: cdn.zoneId, evaluateHealth: false };
    new Domain("domain", { domainName, zoneId, target: alias }, { provider });
  }
  const secure = cdn !== undefined || loadBalancer.port === 443;
  const url = front.dnsName.apply((dnsName) => `${secure ? "https" : "http"}://${domainName ?? dnsName}`);
  return { loadBalancer, cdn, url, proxies: cdn === undefined ? 1 : 2 };
}

/**
 * Name of the load balancer for CloudFront, whose requests for static files carry no Host that a certificate could be for. Only where the stack
 * has the zone: elsewhere it would be one more record to make by hand.
 */
function originName({ cdn, domainName, hostedZoneId }: StackConfig): string | undefined {
  return cdn && domainName !== undefined && hostedZoneId !== undefined ? `origin.${domainName}` : undefined;
}

/** Certificates of both regions: made where the stack has the zone of the domain, given otherwise, and none without a domain. */
function certificatesOf(config: StackConfig, { home, edge }: CloudTarget, origin: string | undefined) {
  const { domainName, hostedZoneId, certificateArn, cdnCertificateArn, cdn } = config;
  if (domainName === undefined) return { home: undefined, edge: undefined };
  if (hostedZoneId === undefined) return { home: certificateArn, edge: cdnCertificateArn };
  const { context, provider } = home;
  const own = new Certificate(
    "certificate",
    { context, domainName, otherNames: origin === undefined ? [] : [origin], provenBy: { zoneId: hostedZoneId } },
    { provider },
  );
  if (!cdn || edge.provider === provider) return { home: own.arn, edge: own.arn };
  // The record is in Route 53, which has no region: that of the first proves both.
  const atEdge = new Certificate("cdn-certificate", { context: edge.context, domainName, provenBy: own }, { provider: edge.provider });
  return { home: own.arn, edge: atEdge.arn };
}

function cdnOf(
  config: StackConfig,
  target: CloudTarget,
  { storage, logs }: EdgeParts,
  { loadBalancer, origin }: { readonly loadBalancer: LoadBalancer; readonly origin: string | undefined },
  certificateArn: pulumi.Input<string> | undefined,
): Cdn | undefined {
  const { originHeader: header } = loadBalancer;
  if (header === undefined) return undefined;
  const { context, provider } = target.edge;
  const { domainName, cdnPublicKeyFile, protect } = config;
  const firewall = new WebAcl(
    "cdn-firewall",
    { context, scope: "CLOUDFRONT", clientAddress: "connection", logs: { ...logs, kmsKeyArn: edgeLogsKey(config, target, logs) } },
    { provider },
  );
  const publicKeyPem = cdnPublicKeyFile === undefined ? undefined : readFileSync(cdnPublicKeyFile, "utf8");
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
      },
      assets: storage.assets,
      uploads: publicKeyPem === undefined ? undefined : { bucket: storage.uploads, publicKeyPem },
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
