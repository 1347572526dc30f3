import type * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";

/** Paths of files in the bucket of uploads. */
export const UPLOADS_PATH = "/uploads/*";

/** Seconds browsers ask by HTTPS only. */
export const HSTS_SECONDS = 31_536_000;

/** Files of the app's pages, whose headers say how long they may be kept (B6). */
const PAGE_FILES = ["/modules/*", "*.js", "*.css", "*.svg"] as const;

/**
 * Policies that AWS keeps for everybody, with the ids it documents (CloudFront developer guide, "Use managed cache policies" and "Use managed
 * origin request policies").
 */
const MANAGED = {
  /** Nothing is kept. */
  cachingDisabled: "4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
  /** Kept as the answer's headers say, at most a year, compressed, without cookies and query. */
  cachingOptimized: "658327ea-f89d-4fab-a63d-7e88639e58f6",
  /** Everything the viewer sent is passed on, Host too. */
  allViewer: "216adef6-5c7f-47e4-b989-5492eafa07d3",
} as const;

type Behavior = aws.types.input.cloudfront.DistributionOrderedCacheBehavior;

const READ = ["GET", "HEAD", "OPTIONS"];
const ALL = [...READ, "PUT", "POST", "PATCH", "DELETE"];

const common = { viewerProtocolPolicy: "redirect-to-https", compress: true, cachedMethods: ["GET", "HEAD"] };

/** The API, pages and WebSockets: passed on as they are, and nothing is kept. */
export function defaultBehavior(targetOriginId: string): Omit<Behavior, "pathPattern"> {
  const policies = { cachePolicyId: MANAGED.cachingDisabled, originRequestPolicyId: MANAGED.allViewer };
  return { ...common, targetOriginId, allowedMethods: ALL, ...policies };
}

/** Files of users: for who has a signed address. */
export function uploadsBehavior(targetOriginId: string, cachePolicyId: pulumi.Input<string>): Behavior {
  return { ...common, pathPattern: UPLOADS_PATH, targetOriginId, allowedMethods: READ, cachePolicyId };
}

/**
 * Files of users are kept by what they are, which is their path, and by what their answer is to say, which S3 says as the address asks it to. The
 * signature covers both. Whoever asks needs a signed address also for what is kept, and a file never changes under its path.
 */
export const UPLOADS_CACHE: Omit<aws.cloudfront.CachePolicyArgs, "name"> = {
  comment: "Files of users",
  minTtl: 0,
  defaultTtl: 86_400,
  maxTtl: 31_536_000,
  parametersInCacheKeyAndForwardedToOrigin: {
    cookiesConfig: { cookieBehavior: "none" },
    headersConfig: { headerBehavior: "none" },
    queryStringsConfig: {
      queryStringBehavior: "whitelist",
      queryStrings: { items: ["response-content-disposition", "response-content-type"] },
    },
    enableAcceptEncodingBrotli: true,
    enableAcceptEncodingGzip: true,
  },
};

/** They are downloads and nothing of ours: whatever opens one all the same runs nothing of it, and no cache but the browser's own keeps it. */
export const UPLOADS_HEADERS: Pick<aws.cloudfront.ResponseHeadersPolicyArgs, "securityHeadersConfig" | "customHeadersConfig"> = {
  securityHeadersConfig: {
    strictTransportSecurity: { accessControlMaxAgeSec: HSTS_SECONDS, includeSubdomains: true, override: true },
    contentTypeOptions: { override: true },
    frameOptions: { frameOption: "DENY", override: true },
    referrerPolicy: { referrerPolicy: "no-referrer", override: true },
    contentSecurityPolicy: { contentSecurityPolicy: "default-src 'none'; sandbox; frame-ancestors 'none'", override: true },
  },
  customHeadersConfig: { items: [{ header: "Cache-Control", value: "private, no-cache", override: true }] },
};

/**
 * Files of pages: kept where their headers say so.
 * @param own ask by the origin's own name: S3 takes no other. Else the viewer's Host is passed on, for a load balancer with a certificate for that.
 */
export function pageFilesBehaviors(targetOriginId: string, own: boolean): Behavior[] {
  return PAGE_FILES.map((pathPattern) => ({
    ...common,
    pathPattern,
    targetOriginId,
    allowedMethods: READ,
    cachePolicyId: MANAGED.cachingOptimized,
    ...(own ? {} : { originRequestPolicyId: MANAGED.allViewer }),
  }));
}
