/**
 * Logging in at Amazon RDS as an IAM role instead of with a password: the password of a new connection is a token, signed here with the role's
 * credentials, which is good for that user on that server for 15 minutes. A connection that is there does not end with its token.
 */

/** How RDS names its servers and its proxies: the region is in it. */
const RDS_HOST = /\.([a-z]{2}(?:-[a-z]+){1,3}-\d)\.rds\.amazonaws\.com(?:\.cn)?$/;

/** Postgres' own port. */
const PORT = 5432;

/** Region of the server of an address; tokens are signed for it. @param fallback for servers that have another name */
function regionOf(address: URL, fallback: string | undefined): string | undefined {
  return RDS_HOST.exec(address.hostname)?.[1] ?? fallback;
}

/** What keeps an address from being logged in at with tokens, as the rest of a sentence. @param hasAuthorities DATABASE_CA is set. */
export function iamViolation(url: string, hasAuthorities: boolean, awsRegion: string | undefined): string | undefined {
  const address = new URL(url);
  if (address.password !== "") return "it has a password, but DATABASE_LOGIN iam logs in as a role; remove the password.";
  if (address.username === "") return "it has no user, but DATABASE_LOGIN iam signs a token for one; write it before the host.";
  const mode = address.searchParams.get("sslmode") ?? "disable";
  const isVerified = mode.startsWith("verify-") || (mode === "require" && hasAuthorities);
  if (!isVerified) return "DATABASE_LOGIN iam needs sslmode=verify-full, because a token is as good as a password.";
  if (regionOf(address, awsRegion) !== undefined) return undefined;
  return "its host has no region of AWS in its name, which DATABASE_LOGIN iam needs; set AWS_REGION, such as eu-central-1.";
}

/**
 * Passwords for one server: a token for each call. Signing takes no request; the credentials behind it are asked for by the SDK when they are
 * about to expire. It is loaded with the first one.
 * @param url passed {@link iamViolation}.
 * @throws the returned function: the SDK's error when there are no credentials, each time anew.
 */
export function iamPassword(url: string, awsRegion: string | undefined): () => Promise<string> {
  const address = new URL(url);
  const server = {
    hostname: address.hostname,
    port: Number(address.port) || PORT,
    username: decodeURIComponent(address.username),
    region: regionOf(address, awsRegion) ?? "",
  };
  const load = async () => new (await import("../aws/aws-sdk.js")).Signer(server);
  let signer: ReturnType<typeof load> | undefined;
  return async () => (await (signer ??= load())).getAuthToken();
}
