import type * as aws from "@pulumi/aws";

/** Paths of files in the bucket of static files. */
export const ASSETS_PATH = "/assets/*";
/** Paths of files in the bucket of uploads. */
export const UPLOADS_PATH = "/uploads/*";

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

/** Files whose names change with their content. */
export function assetsBehavior(targetOriginId: string): Behavior {
  return { ...common, pathPattern: ASSETS_PATH, targetOriginId, allowedMethods: READ, cachePolicyId: MANAGED.cachingOptimized };
}

/** Files of users: for who has a signed address. */
export function uploadsBehavior(targetOriginId: string): Behavior {
  return { ...common, pathPattern: UPLOADS_PATH, targetOriginId, allowedMethods: READ, cachePolicyId: MANAGED.cachingOptimized };
}

/** Files of pages, from the app: kept where it says so. */
export function pageFilesBehaviors(targetOriginId: string): Behavior[] {
  return PAGE_FILES.map((pathPattern) => ({
    ...common,
    pathPattern,
    targetOriginId,
    allowedMethods: READ,
    cachePolicyId: MANAGED.cachingOptimized,
    originRequestPolicyId: MANAGED.allViewer,
  }));
}
