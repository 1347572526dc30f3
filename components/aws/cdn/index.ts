import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { transformed, type Transform } from "../../transform";
import { type AwsArgs, physicalName, tagsOf } from "../context";
import type { Bucket } from "../storage";
import { assetsBehavior, defaultBehavior, pageFilesBehaviors, uploadsBehavior } from "./behaviors";
import { CdnLogs } from "./logs";

export { ASSETS_PATH, UPLOADS_PATH } from "./behaviors";

/** CloudFront is one service for the whole world; its certificates, firewalls and log deliveries live in this region, which AWS has fixed. */
export const CDN_REGION = "us-east-1";

const defaults = {
  /** Least protocol of viewers (CKV_AWS_174). */
  tlsProtocol: "TLSv1.2_2021",
  /** Seconds the app has for an answer; its own limits end sooner. */
  originReadSeconds: 60,
  /** Seconds an idle connection to the load balancer is kept; below the 60 s after which that closes it. */
  originKeepAliveSeconds: 55,
  /** With a second region: so often, and for so many seconds each, a connection to the first is tried before it is asked. CloudFront's own are 3 and 10. */
  failover: { connectionAttempts: 2, connectionTimeout: 3 },
  hstsSeconds: 31_536_000,
} as const;

/** Ids of what a distribution leads to. */
const ORIGIN = {
  ...{ app: "app", assets: "assets", uploads: "uploads" },
  ...{ standbyApp: "standby-app", standbyUploads: "standby-uploads" },
} as const;

/** Static files are in the app's image, too: what S3 does not have, or while it fails, the app answers. */
const ASSETS_OR_APP = {
  originId: "assets-or-app",
  failoverCriteria: { statusCodes: [403, 404, 500, 502, 503, 504] },
  members: [{ originId: ORIGIN.assets }, { originId: ORIGIN.app }],
};

/** Answers with which CloudFront asks the other region. Of files also those that say that there is none: it may not have been copied yet. */
const AWAY = [500, 502, 503, 504];

/**
 * Groups of origins of two regions. CloudFront asks the second one within the same request, but for requests that only read, and refuses groups to
 * behaviours with other methods (aws/aws-cdk#32450): for those the name of the app itself has to lead to the region that answers.
 */
const APP_OR_STANDBY = {
  originId: "app-or-standby",
  failoverCriteria: { statusCodes: AWAY },
  members: [{ originId: ORIGIN.app }, { originId: ORIGIN.standbyApp }],
};
const UPLOADS_OR_STANDBY = {
  originId: "uploads-or-standby",
  failoverCriteria: { statusCodes: [403, 404, ...AWAY] },
  members: [{ originId: ORIGIN.uploads }, { originId: ORIGIN.standbyUploads }],
};

export interface CdnArgs extends AwsArgs {
  /** The app's load balancer. */
  readonly app: {
    /**
     * With port 443 a name that the load balancer's certificate is for, or its own name if that certificate is for {@link CdnArgs.domain}: then
     * only requests that pass on the viewer's Host are answered, and `failover` has to be false.
     */
    readonly dnsName: pulumi.Input<string>;
    readonly port: 80 | 443;
    /** Ask the app for static files that S3 does not have. */
    readonly failover: boolean;
    readonly header: { readonly name: string; readonly value: pulumi.Input<string> };
    /** Load balancer of the second region, which knows the same header and has a certificate for {@link CdnArgs.domain}. @default none */
    readonly standbyDnsName?: pulumi.Input<string> | undefined;
  };
  /** Static files, below `/assets/`. */
  readonly assets: Bucket;
  /**
   * Uploaded files, below `/uploads/`, for who has a signed address; the public half of the key that signs, in PEM. @default not by CloudFront:
   * the app hands out addresses signed for S3
   */
  readonly uploads?:
    | {
        readonly bucket: Bucket;
        /** Its copy in the second region. @default none */ readonly standby?: Bucket | undefined;
        readonly publicKeyPem: string;
      }
    | undefined;
  /** Own name, with its certificate of {@link CDN_REGION}. @default CloudFront's name and certificate */
  readonly domain?: { readonly name: string; readonly certificateArn: pulumi.Input<string> } | undefined;
  /** The firewall, of scope CLOUDFRONT. @default none */
  readonly webAclArn?: pulumi.Input<string> | undefined;
  /** Bucket of its logs, which go below `cdn/`. */
  readonly logs: Bucket;
  /** Where in the world it answers: PriceClass_100 is North America and Europe, PriceClass_All everywhere. */
  readonly priceClass: "PriceClass_100" | "PriceClass_200" | "PriceClass_All";
  /** Refuse to delete it: Pulumi's `protect`. */
  readonly protect: boolean;
  /** Changes to the child resources before they are created. */
  readonly transform?: { readonly distribution?: Transform<aws.cloudfront.DistributionArgs> };
}

/**
 * CloudFront in front of the load balancer and the buckets. Answers of the API are never kept (B6: the app's own cache is); files of the pages
 * are, as long as their headers say; `/assets/` for a year. The provider has to be that of {@link CDN_REGION}.
 */
export class Cdn extends pulumi.ComponentResource {
  /** CloudFront's own name of the distribution. */
  readonly dnsName: pulumi.Output<string>;
  /** Route 53's zone of {@link dnsName}, for aliases. */
  readonly zoneId: pulumi.Output<string>;
  readonly distributionId: pulumi.Output<string>;
  private readonly distribution: aws.cloudfront.Distribution;
  private readonly logs: CdnLogs;

  constructor(name: string, args: CdnArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:Cdn", name, {}, opts);
    if (args.app.port === 443 && args.domain === undefined) {
      throw new Error(`${name}: the load balancer has a certificate, but the CDN has no domain; allowed: both or neither`);
    }
    const accessControl = this.createAccessControl(`${name}-s3`, args);
    const headers = this.createHeaders(`${name}-headers`, args);
    const keyGroup = args.uploads === undefined ? undefined : this.createKeyGroup(name, args, args.uploads.publicKeyPem);
    this.distribution = this.createDistribution(`${name}-distribution`, args, { accessControl, headers, keyGroup });
    this.logs = new CdnLogs(
      `${name}-logs`,
      { context: args.context, distributionArn: this.distribution.arn, bucketArn: args.logs.arn },
      { parent: this },
    );
    this.dnsName = this.distribution.domainName;
    this.zoneId = this.distribution.hostedZoneId;
    this.distributionId = this.distribution.id;
    this.registerOutputs({ dnsName: this.dnsName, zoneId: this.zoneId, distributionId: this.distributionId });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly distribution: aws.cloudfront.Distribution; readonly logs: CdnLogs } {
    return { distribution: this.distribution, logs: this.logs };
  }

  /** CloudFront signs what it asks of S3; nobody else can read the buckets. */
  private createAccessControl(name: string, { context }: CdnArgs): aws.cloudfront.OriginAccessControl {
    return new aws.cloudfront.OriginAccessControl(
      name,
      {
        name: physicalName(context, name),
        description: `${context.project} ${context.stack}: reads of S3`,
        originAccessControlOriginType: "s3",
        signingBehavior: "always",
        signingProtocol: "sigv4",
      },
      { parent: this },
    );
  }

  /** What the app says itself holds; files from S3 have no other. */
  private createHeaders(name: string, { context }: CdnArgs): aws.cloudfront.ResponseHeadersPolicy {
    return new aws.cloudfront.ResponseHeadersPolicy(
      name,
      {
        name: physicalName(context, name),
        comment: "Security headers",
        securityHeadersConfig: {
          strictTransportSecurity: { accessControlMaxAgeSec: defaults.hstsSeconds, includeSubdomains: true, override: true },
          contentTypeOptions: { override: true },
          frameOptions: { frameOption: "DENY", override: false },
          referrerPolicy: { referrerPolicy: "strict-origin-when-cross-origin", override: false },
          contentSecurityPolicy: {
            contentSecurityPolicy: "default-src 'self'; object-src 'none'; frame-ancestors 'none'",
            override: false,
          },
        },
      },
      { parent: this },
    );
  }

  private createKeyGroup(name: string, { context }: CdnArgs, encodedKey: string): aws.cloudfront.KeyGroup {
    const key = new aws.cloudfront.PublicKey(
      `${name}-signer`,
      { name: physicalName(context, `${name}-signer`), comment: "Signs addresses of uploads", encodedKey },
      { parent: this },
    );
    const group = { name: physicalName(context, `${name}-signers`), comment: "Signs addresses of uploads", items: [key.id] };
    return new aws.cloudfront.KeyGroup(`${name}-signers`, group, { parent: this });
  }

  private createDistribution(name: string, args: CdnArgs, parts: Parts): aws.cloudfront.Distribution {
    const { context, domain, uploads } = args;
    const responseHeadersPolicyId = parts.headers.id;
    return new aws.cloudfront.Distribution(
      ...transformed(
        args.transform?.distribution,
        name,
        {
          enabled: true,
          comment: `${context.project} ${context.stack}`,
          ...(domain === undefined ? {} : { aliases: [domain.name] }),
          httpVersion: "http2and3",
          isIpv6Enabled: true,
          defaultRootObject: "index.html",
          priceClass: args.priceClass,
          origins: origins(args, parts),
          ...originGroups(args),
          defaultCacheBehavior: { ...defaultBehavior(ORIGIN.app), responseHeadersPolicyId },
          orderedCacheBehaviors: [
            { ...assetsBehavior(args.app.failover ? ASSETS_OR_APP.originId : ORIGIN.assets), responseHeadersPolicyId },
            ...(uploads === undefined || parts.keyGroup === undefined
              ? []
              : [{ ...uploadsBehavior(uploadsOrigin(args)), trustedKeyGroups: [parts.keyGroup.id], responseHeadersPolicyId }]),
            ...pageFilesBehaviors(args.app.standbyDnsName === undefined ? ORIGIN.app : APP_OR_STANDBY.originId).map((behavior) => ({
              ...behavior,
              responseHeadersPolicyId,
            })),
          ],
          viewerCertificate:
            domain === undefined
              ? { cloudfrontDefaultCertificate: true }
              : {
                  acmCertificateArn: domain.certificateArn,
                  sslSupportMethod: "sni-only",
                  minimumProtocolVersion: defaults.tlsProtocol,
                },
          restrictions: { geoRestriction: { restrictionType: "none" } },
          ...(args.webAclArn === undefined ? {} : { webAclId: args.webAclArn }),
          tags: tagsOf(context, name),
        },
        { parent: this, protect: args.protect },
      ),
    );
  }
}

interface Parts {
  readonly accessControl: aws.cloudfront.OriginAccessControl;
  readonly headers: aws.cloudfront.ResponseHeadersPolicy;
  readonly keyGroup: aws.cloudfront.KeyGroup | undefined;
}

type Origin = aws.types.input.cloudfront.DistributionOrigin;

function originGroups({ app, uploads }: CdnArgs): Partial<aws.cloudfront.DistributionArgs> {
  const groups = [
    ...(app.failover ? [ASSETS_OR_APP] : []),
    ...(app.standbyDnsName === undefined ? [] : [APP_OR_STANDBY]),
    ...(uploads?.standby === undefined ? [] : [UPLOADS_OR_STANDBY]),
  ];
  return groups.length === 0 ? {} : { originGroups: groups };
}

function uploadsOrigin({ uploads }: CdnArgs): string {
  return uploads?.standby === undefined ? ORIGIN.uploads : UPLOADS_OR_STANDBY.originId;
}

function origins({ app, assets, uploads }: CdnArgs, { accessControl }: Parts): Origin[] {
  const inTwoRegions = app.standbyDnsName === undefined ? {} : defaults.failover;
  const ofBucket = (originId: string, bucket: Bucket): Origin => ({
    originId,
    domainName: bucket.domainName,
    originAccessControlId: accessControl.id,
    ...inTwoRegions,
  });
  const ofApp = (originId: string, domainName: pulumi.Input<string>): Origin => ({
    originId,
    domainName,
    customHeaders: [{ name: app.header.name, value: app.header.value }],
    customOriginConfig: {
      httpPort: 80,
      httpsPort: 443,
      originProtocolPolicy: app.port === 443 ? "https-only" : "http-only",
      originSslProtocols: ["TLSv1.2"],
      originReadTimeout: defaults.originReadSeconds,
      originKeepaliveTimeout: defaults.originKeepAliveSeconds,
    },
    ...inTwoRegions,
  });
  return [
    ofApp(ORIGIN.app, app.dnsName),
    ...(app.standbyDnsName === undefined ? [] : [ofApp(ORIGIN.standbyApp, app.standbyDnsName)]),
    ofBucket(ORIGIN.assets, assets),
    ...(uploads === undefined ? [] : [ofBucket(ORIGIN.uploads, uploads.bucket)]),
    ...(uploads?.standby === undefined ? [] : [ofBucket(ORIGIN.standbyUploads, uploads.standby)]),
  ];
}
