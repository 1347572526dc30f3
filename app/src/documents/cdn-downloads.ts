import { getSignedUrl } from "../aws/aws-sdk";
import type { CdnConfig } from "./config";
import type { ContentAddress, DirectDownloads, DownloadAs } from "./storage";

/** Seconds within which a client has to ask for what it was sent to: CloudFront looks when a request begins. */
export const ADDRESS_SECONDS = 120;

/**
 * Downloads from CloudFront, by addresses that are signed for one content and the way it presents itself. S3 gives its answer the type and the
 * disposition that the address names; they are signed with it, so nobody makes a page of somebody's document.
 */
export class CdnDownloads implements DirectDownloads {
  /** @param keyOf key of a content in the bucket, which is its path at the CDN. */
  constructor(
    private readonly cdn: CdnConfig,
    private readonly keyOf: (address: ContentAddress) => string,
  ) {}

  addressOf(address: ContentAddress, { contentType, contentDisposition }: DownloadAs): string {
    const as = { "response-content-disposition": contentDisposition, "response-content-type": contentType };
    // Percent signs only: a plus is a space to some and not to others.
    const query = Object.entries(as).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
    return getSignedUrl({
      url: `${this.cdn.url}/${this.keyOf(address)}?${query.join("&")}`,
      keyPairId: this.cdn.keyId,
      privateKey: this.cdn.privateKey,
      dateLessThan: new Date(Date.now() + ADDRESS_SECONDS * 1000),
      algorithm: "SHA256",
    });
  }
}
