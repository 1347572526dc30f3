import { createHash } from "node:crypto";
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { transformed, type Transform } from "../../transform";
import { type AwsArgs, type AwsContext, logGroupName, type LogSettings, physicalName, tagsOf } from "../context";
import { logGroup } from "../log-group";
import { Secret } from "../secrets";

const defaults = {
  /** Speaks Redis' protocol; a fifth cheaper than ElastiCache for Redis OSS, whose last version is 7.1. */
  engine: "valkey",
  engineVersion: "8.0",
  family: "valkey8",
  port: 6379,
  /** ElastiCache takes 16 to 128 characters. */
  tokenLength: 64,
  /** Seconds until an idle connection is closed (feature B3). */
  idleSeconds: 300,
  /** UTC; apart from the maintenance window. */
  snapshotWindow: "03:00-04:00",
  maintenanceWindow: "sun:05:00-sun:06:00",
} as const;

/** Logs a node hands to CloudWatch. */
const LOG_TYPES = ["slow-log", "engine-log"] as const;

/** What a full server does, by what it is for: the cache gives up what expires, limits and queues must never lose anything. */
const EVICTION = { cache: "volatile-lru", limits: "noeviction" } as const;

export interface CacheArgs extends AwsArgs {
  /** What it holds: `cache` (cache, sessions, messages between instances) or `limits` (rate limits, job queues). */
  readonly role: keyof typeof EVICTION;
  /** E.g. `cache.r7g.large`. */
  readonly nodeType: string;
  /** Nodes, one of which takes writes; two or more fail over by themselves, each in another zone. */
  readonly nodes: number;
  /** Data subnets, one a zone. */
  readonly subnetIds: readonly pulumi.Input<string>[];
  readonly securityGroupId: pulumi.Input<string>;
  readonly kmsKeyArn: pulumi.Input<string>;
  /** How long the nodes' logs are kept, and the key they are encrypted with. */
  readonly logs: LogSettings & { readonly kmsKeyArn: pulumi.Input<string> };
  /** Days daily snapshots are kept; 0: none is made. */
  readonly snapshotDays: number;
  /** Refuse deletion (Pulumi's `protect`), and take a last snapshot when it is deleted after all. */
  readonly protect: boolean;
  /** Days the deleted address can be brought back, 7 to 30; 0: it is gone at once. */
  readonly recoveryWindowDays: number;
  /** Changes to the child resources before they are created. */
  readonly transform?: {
    /** Some changes REPLACE THE GROUP and lose what it holds. */
    readonly replicationGroup?: Transform<aws.elasticache.ReplicationGroupArgs>;
    readonly parameterGroup?: Transform<aws.elasticache.ParameterGroupArgs>;
  };
}

/**
 * One group of ElastiCache nodes: the first takes reads and writes, the others follow it and one of them takes over. Clients log in with a
 * token over TLS and know one name, which always leads to the node that takes writes. Not sharded: scripts of limits and queues use several
 * keys at once.
 */
export class Cache extends pulumi.ComponentResource {
  readonly host: pulumi.Output<string>;
  readonly port = defaults.port;
  /** ARN of the secret with the whole address, token included: `rediss://:TOKEN@HOST:PORT`. */
  readonly urlSecretArn: pulumi.Output<string>;
  /** Identifiers of the nodes, as metrics know them: `GROUP-001` … */
  readonly nodeIds: readonly string[];
  private readonly group: aws.elasticache.ReplicationGroup;
  private readonly parameters: aws.elasticache.ParameterGroup;
  private readonly token: random.RandomPassword;
  private readonly url: Secret;

  constructor(name: string, args: CacheArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:Cache", name, {}, opts);
    const { context, kmsKeyArn, recoveryWindowDays } = args;
    if (!Number.isInteger(args.nodes) || args.nodes < 1 || args.nodes > 6) {
      throw new Error(`${name}: nodes is ${args.nodes}; allowed: an integer from 1 to 6`);
    }
    const groupId = groupIdentifier(context, name);
    this.nodeIds = Array.from({ length: args.nodes }, (_, index) => `${groupId}-${String(index + 1).padStart(3, "0")}`);
    this.parameters = this.createParameters(`${name}-${defaults.family}`, args);
    // Letters and digits only: they may stand in an address as they are.
    this.token = new random.RandomPassword(`${name}-token`, { length: defaults.tokenLength, special: false }, { parent: this });
    this.group = this.createGroup(`${name}-group`, groupId, args);
    this.host = this.group.primaryEndpointAddress;
    const content = pulumi.interpolate`rediss://:${this.token.result}@${this.host}:${this.port}`;
    const description = `Address, with token, of the Redis for ${args.role}`;
    this.url = new Secret(`${name}-url`, { context, kmsKeyArn, recoveryWindowDays, description, content }, { parent: this });
    this.urlSecretArn = this.url.arn;
    this.registerOutputs({ host: this.host, urlSecretArn: this.urlSecretArn });
  }

  /** The resources this component is made of. */
  get nodes(): {
    readonly group: aws.elasticache.ReplicationGroup;
    readonly parameters: aws.elasticache.ParameterGroup;
    readonly token: random.RandomPassword;
    readonly url: Secret;
  } {
    return { group: this.group, parameters: this.parameters, token: this.token, url: this.url };
  }

  private createParameters(name: string, { context, role, transform }: CacheArgs): aws.elasticache.ParameterGroup {
    return new aws.elasticache.ParameterGroup(
      ...transformed(
        transform?.parameterGroup,
        name,
        {
          family: defaults.family,
          description: `${context.project} ${context.stack}: ${role}`,
          parameters: [
            { name: "maxmemory-policy", value: EVICTION[role] },
            { name: "timeout", value: String(defaults.idleSeconds) },
          ],
          tags: tagsOf(context, name),
        },
        { parent: this },
      ),
    );
  }

  private createGroup(name: string, groupId: string, args: CacheArgs): aws.elasticache.ReplicationGroup {
    const { context, role, nodes, protect } = args;
    const subnets = new aws.elasticache.SubnetGroup(
      `${name}-subnets`,
      { description: "Data subnets", subnetIds: [...args.subnetIds], tags: tagsOf(context, `${name}-subnets`) },
      { parent: this },
    );
    const suffix = new random.RandomId(`${name}-snapshot-suffix`, { byteLength: 4 }, { parent: this });
    const failover = nodes > 1;
    return new aws.elasticache.ReplicationGroup(
      ...transformed(
        args.transform?.replicationGroup,
        name,
        {
          replicationGroupId: groupId,
          description: `${context.project} ${context.stack}: Redis for ${role}`,
          engine: defaults.engine,
          engineVersion: defaults.engineVersion,
          parameterGroupName: this.parameters.name,
          nodeType: args.nodeType,
          numCacheClusters: nodes,
          automaticFailoverEnabled: failover,
          multiAzEnabled: failover,
          port: this.port,
          subnetGroupName: subnets.name,
          securityGroupIds: [args.securityGroupId],
          atRestEncryptionEnabled: true,
          kmsKeyId: args.kmsKeyArn,
          transitEncryptionEnabled: true,
          authToken: pulumi.secret(this.token.result),
          autoMinorVersionUpgrade: true,
          maintenanceWindow: defaults.maintenanceWindow,
          snapshotRetentionLimit: args.snapshotDays,
          ...(args.snapshotDays === 0 ? {} : { snapshotWindow: defaults.snapshotWindow }),
          ...(protect ? { finalSnapshotIdentifier: pulumi.interpolate`${groupId}-final-${suffix.hex}` } : {}),
          logDeliveryConfigurations: LOG_TYPES.map((logType) => ({
            logType,
            logFormat: "json",
            destinationType: "cloudwatch-logs",
            destination: this.createLogGroup(`${name}-${logType}`, args, logType).name,
          })),
          tags: tagsOf(context, name),
        },
        { parent: this, protect },
      ),
    );
  }

  private createLogGroup(name: string, { context, role, logs }: CacheArgs, type: string): aws.cloudwatch.LogGroup {
    return logGroup(name, { context, logs, groupName: logGroupName(context, `redis-${role}/${type}`) }, { parent: this });
  }
}

/** Most characters of a group's identifier. */
const LONGEST_IDENTIFIER = 40;

/** Identifier of a group: the stack's name in what fits, with a hash in place of what does not. */
function groupIdentifier(context: AwsContext, name: string): string {
  const whole = physicalName(context, name);
  if (whole.length <= LONGEST_IDENTIFIER) return whole;
  const hash = createHash("sha256").update(whole).digest("hex").slice(0, 6);
  return `${whole.slice(0, LONGEST_IDENTIFIER - 7).replace(/-$/, "")}-${hash}`;
}
