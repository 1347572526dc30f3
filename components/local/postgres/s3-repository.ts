/** A place in an object storage that speaks the protocol of Amazon S3, over TLS. Nothing of it is secret. */
export interface S3Repository {
  readonly bucket: string;
  /** Within the bucket, from its root: `/shop`. One database each. */
  readonly path: string;
  /** `host` or `host:port`. */
  readonly endpoint: string;
  /** What requests are signed for; servers that have none take any. */
  readonly region: string;
  /** Where a request has the bucket: in the host's name, or first in the path, for servers that have one name only. */
  readonly uriStyle: "host" | "path";
  /** Authorities that sign the server's certificate, PEM. @default those every Debian trusts */
  readonly certificates?: string | undefined;
}

/** What opens an {@link S3Repository}. */
export interface S3RepositoryKeys {
  readonly key: string;
  readonly keySecret: string;
  /** What is stored is encrypted with it (AES-256, by the nodes themselves): without it nothing can be restored, and it cannot be changed. */
  readonly passphrase: string;
}

/** File below the directory of secrets. pgBackRest reads it with its configuration each time: new keys need no restart. */
export const REPOSITORY_KEYS_FILE = "pgbackrest.conf";

/** Where the image has {@link S3Repository.certificates}. */
export const REPOSITORY_CERTIFICATES_FILE = "repository-ca.pem";

/**
 * Seconds without any progress after which a connection counts as broken. A request is tried nine times in all (measured with a server that
 * was gone), so that a command fails after three minutes, and not after nine as with pgBackRest's own 60.
 */
const IO_SECONDS = 20;

/** Lines of pgbackrest.conf. */
export function s3Options(repository: S3Repository): Readonly<Record<string, string | number>> {
  const { bucket, path, endpoint, region, uriStyle, certificates } = repository;
  return {
    "repo1-type": "s3",
    "repo1-path": path,
    "repo1-s3-bucket": bucket,
    "repo1-s3-endpoint": endpoint,
    "repo1-s3-region": region,
    "repo1-s3-uri-style": uriStyle,
    ...(certificates !== undefined && { "repo1-storage-ca-file": `/etc/pgbackrest/${REPOSITORY_CERTIFICATES_FILE}` }),
    "repo1-cipher-type": "aes-256-cbc",
    "io-timeout": IO_SECONDS,
  };
}

/** {@link REPOSITORY_KEYS_FILE}. @throws RangeError for what is not one line, without the value. */
export function renderRepositoryKeys(keys: S3RepositoryKeys): string {
  for (const [name, value] of Object.entries(keys) as [string, string][]) {
    if (!/^[!-~]+$/.test(value))
      throw new RangeError(`repository ${name}: not usable; use letters, digits and signs of ASCII without spaces.`);
  }
  const { key, keySecret, passphrase } = keys;
  return `[global]\nrepo1-s3-key=${key}\nrepo1-s3-key-secret=${keySecret}\nrepo1-cipher-pass=${passphrase}\n`;
}
