/** Where in AWS a component's resources belong; the same object for all components of one region. */
export interface AwsContext {
  /** Name of the Pulumi project; first part of every name and a tag of every resource. */
  readonly project: string;
  /** Name of the stack. */
  readonly stack: string;
  /** Region of the provider the component is given, e.g. `eu-central-1`. */
  readonly region: string;
  /** Account the stack lives in, 12 digits: policies name resources that do not exist yet. */
  readonly accountId: string;
  /** More tags for every resource. @default none */
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

/** What every component of this folder is told. */
export interface AwsArgs {
  readonly context: AwsContext;
}

/** Tags of one resource: whose it is, by what it was made, what it is called. @param name logical name of the resource */
export function tagsOf({ project, stack, tags = {} }: AwsContext, name: string): Record<string, string> {
  return { ...tags, Project: project, Stack: stack, ManagedBy: "pulumi", Name: `${project}-${stack}-${name}` };
}

/**
 * Name of a resource whose name others must know before it exists, unique in account and region: `PROJECT-STACK-SUFFIX`, in what all
 * services of AWS take: small letters, digits and single dashes, a letter first.
 */
export function physicalName({ project, stack }: AwsContext, suffix: string): string {
  const name = `${project}-${stack}-${suffix}`.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  return name.replace(/^[^a-z]+|-$/g, "");
}

/** Group of AWS regions with own account names: `aws`, and those of China and the US government. */
export function partitionOf(region: string): string {
  if (region.startsWith("cn-")) return "aws-cn";
  return region.startsWith("us-gov-") ? "aws-us-gov" : "aws";
}

/** ARN of a resource of this account and region. @param resource what comes after the account, e.g. `log-group:/shop/*` */
export function arnOf({ region, accountId }: AwsContext, service: string, resource: string): string {
  return `arn:${partitionOf(region)}:${service}:${region}:${accountId}:${resource}`;
}

/** The same ARN in another region: that of a secret's copy. */
export function arnIn(region: string, arn: string): string {
  return arn.replace(/^(arn:[^:]*:[^:]*:)[^:]*/, `$1${region}`);
}

/** Name of a CloudWatch log group of the stack: `/PROJECT/STACK/SUFFIX`. The key of logs may be used by groups of this prefix. */
export function logGroupName({ project, stack }: AwsContext, suffix: string): string {
  return `/${project}/${stack}/${suffix}`;
}

/** Log groups whose names services of AWS decide, of this stack alone; with `*` for what differs. */
export function serviceLogGroups(context: AwsContext): readonly string[] {
  const stack = physicalName(context, "");
  return ["/aws/rds/*", "/aws/lambda/", "aws-waf-logs-", "/aws/eks/", "/aws/containerinsights/"].map((prefix) => `${prefix}${stack}-*`);
}

/** Settings of the stack's log groups. */
export interface LogSettings {
  /** Days entries are kept; one of the numbers CloudWatch knows (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, …). */
  readonly retentionDays: number;
}
