import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { transformed, type Transform } from "../../transform";
import { type AwsArgs, physicalName, tagsOf } from "../context";
import type { Bucket } from "../storage";
import { defaultBehavior, HSTS_SECONDS, pageFilesBehaviors, UPLOADS_CACHE, UPLOADS_HEADERS, uploadsBehavior } from "./behaviors";
import { CdnLogs } from "./logs";
import type { PublicSigningKey } from "./signing-keys";

export { UPLOADS_PATH } from "./behaviors";

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
} as const;

/** Ids of what a distribution leads to. */
const ORIGIN = {
  ...{ app: "app", assets: "assets", uploads: "uploads" },
  ...{ standbyApp: "standby-app", standbyUploads: "standby-uploads" },
} as const;

/**
 * Answers with which CloudFront asks another origin within the same request, but for requests that only read; it refuses groups to behaviours with
 * other methods (aws/aws-cdk#32450). With two regions the name of the app itself has to lead those to the region that answers.
 */
const MISSING_OR_AWAY = { statusCodes: [403, 404, 500, 502, 503, 504] };

/** Files of pages are in the app's image, too: what S3 does not have, or while it fails, the app answers, with two regions that of the other one. */
const assetsOrApp = (app: string) => ({
  originId: "assets-or-app",
  failoverCriteria: MISSING_OR_AWAY,
  members: [{ originId: ORIGIN.assets }, { originId: app }],
});

/** What the first region does not have may not have come back from the second one yet. */
const UPLOADS_OR_STANDBY = {
  originId: "uploads-or-standby",
  failoverCriteria: MISSING_OR_AWAY,
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
    /** Ask S3 for files of pages, and the app for those it does not have. Else only the app is asked. */
    readonly failover: boolean;
    readonly header: { readonly name: string; readonly value: pulumi.Input<string> };
    /** Load balancer of the second region, which knows the same header and has a certificate for {@link CdnArgs.domain}. @default none */
    readonly standbyDnsName?: pulumi.Input<string> | undefined;
  };
  /** Files of pages whose names hold a hash, by the paths they have at the app. */
  readonly assets: Bucket;
  /**
   * Uploaded files, below `/uploads/`, for who has an address signed by one of these keys, the first of which signs from now on. @default not by
   * CloudFront: downloads go through the app
   */
  readonly uploads?:
    | {
        readonly bucket: Bucket;
        /** Its copy in the second region. @default none */ readonly standby?: Bucket | undefined;
        readonly publicKeys: readonly PublicSigningKey[];
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
 * are, as long as their headers say: those whose names hold a hash for a year. The provider has to be that of {@link CDN_REGION}.
 */
export class Cdn extends pulumi.ComponentResource {
  /** CloudFront's own name of the distribution. */
  readonly dnsName: pulumi.Output<string>;
  /** Route 53's zone of {@link dnsName}, for aliases. */
  readonly zoneId: pulumi.Output<string>;
  readonly distributionId: pulumi.Output<string>;
  /** Id of the key that signs addresses of uploads, as they name it. Known once the distribution believes them. */
  readonly signerId: pulumi.Output<string> | undefined;
  private readonly distribution: aws.cloudfront.Distribution;
  private readonly logs: CdnLogs;

  constructor(name: string, args: CdnArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:Cdn", name, {}, opts);
    if (args.app.port === 443 && args.domain === undefined) {
      throw new Error(`${name}: the load balancer has a certificate, but the CDN has no domain; allowed: both or neither`);
    }
    const accessControl = this.createAccessControl(`${name}-s3`, args);
    const headers = this.createHeaders(`${name}-headers`, args);
    const signed = args.uploads === undefined ? undefined : this.createSigned(name, args, args.uploads.publicKeys);
    this.distribution = this.createDistribution(`${name}-distribution`, args, { accessControl, headers, signed });
    this.signerId = signed && pulumi.all([signed.signerId, this.distribution.id]).apply(([id]) => id);
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
          strictTransportSecurity: { accessControlMaxAgeSec: HSTS_SECONDS, includeSubdomains: true, override: true },
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

  /** What files for signed addresses have of their own. */
  private createSigned(name: string, { context }: CdnArgs, publicKeys: readonly PublicSigningKey[]): Signed {
    const comment = "Signs addresses of uploads";
    const keys = publicKeys.map(({ generation, pem }) => {
      // A key cannot be changed: another generation is another resource with another name, trusted before the old one goes.
      const keyName = `${name}-signer-${generation}`;
      return new aws.cloudfront.PublicKey(keyName, { name: physicalName(context, keyName), comment, encodedKey: pem }, { parent: this });
    });
    const [signer] = keys;
    if (signer === undefined) throw new Error(`${name}: uploads are for signed addresses, but there is no key`);
    const group = { name: physicalName(context, `${name}-signers`), comment, items: keys.map(({ id }) => id) };
    const keyGroup = new aws.cloudfront.KeyGroup(`${name}-signers`, group, { parent: this });
    const cachePolicy = new aws.cloudfront.CachePolicy(
      `${name}-uploads`,
      { name: physicalName(context, `${name}-uploads`), ...UPLOADS_CACHE },
      { parent: this },
    );
    const headers = new aws.cloudfront.ResponseHeadersPolicy(
      `${name}-uploads-headers`,
      { name: physicalName(context, `${name}-uploads-headers`), comment: "Files of users", ...UPLOADS_HEADERS },
      { parent: this },
    );
    return { signerId: signer.id, keyGroup, cachePolicy, headers };
  }

  private createDistribution(name: string, args: CdnArgs, parts: Parts): aws.cloudfront.Distribution {
    const { context, domain } = args;
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
            ...(parts.signed === undefined
              ? []
              : [
                  {
                    ...uploadsBehavior(uploadsOrigin(args), parts.signed.cachePolicy.id),
                    trustedKeyGroups: [parts.signed.keyGroup.id],
                    responseHeadersPolicyId: parts.signed.headers.id,
                  },
                ]),
            ...pageFilesBehaviors(args.app.failover ? assetsOrApp(ORIGIN.app).originId : ORIGIN.app, args.app.failover).map((behavior) => ({
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
  readonly signed: Signed | undefined;
}

interface Signed {
  readonly signerId: pulumi.Output<string>;
  readonly keyGroup: aws.cloudfront.KeyGroup;
  readonly cachePolicy: aws.cloudfront.CachePolicy;
  readonly headers: aws.cloudfront.ResponseHeadersPolicy;
}

type Origin = aws.types.input.cloudfront.DistributionOrigin;

function originGroups({ app, uploads }: CdnArgs): Partial<aws.cloudfront.DistributionArgs> {
  const groups = [
    ...(app.failover ? [assetsOrApp(app.standbyDnsName === undefined ? ORIGIN.app : ORIGIN.standbyApp)] : []),
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
    ...(app.failover ? [ofBucket(ORIGIN.assets, assets)] : []),
    ...(uploads === undefined ? [] : [ofBucket(ORIGIN.uploads, uploads.bucket)]),
    ...(uploads?.standby === undefined ? [] : [ofBucket(ORIGIN.standbyUploads, uploads.standby)]),
  ];
}
