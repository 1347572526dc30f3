import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { transformed, type Transform } from "../../transform";
import { type AwsArgs, type AwsContext, type LogSettings, physicalName, tagsOf } from "../context";
import { OwnerRotation } from "../rotation";
import { GeneratedSecret, type SecretReplica } from "../secrets";
import { IAM_USER, type IamLogin, userArn } from "./iam";
import { DatabaseProxy, type DatabaseProxyArgs } from "./proxy";
import { BACKUP_WINDOW, serverArgs } from "./server";
import { ENGINE_VERSION, type Shared, sharedParts } from "./shared";

export { parameterFamily, serverParameters } from "./parameters";

const defaults = {
  databaseName: "app",
  /**
   * Owner of the tables; migrations run as it. Not `postgres`, which everybody tries, and no word of SQL: RDS refuses some of Postgres' own
   * (`admin`) and has no list of them.
   */
  owner: "app_owner",
  /** Whom the app works as. */
  user: "app",
  port: 5432,
} as const;

export interface DatabaseArgs extends AwsArgs {
  /** Data subnets, one a zone, in the order of {@link zones}. */
  readonly subnetIds: readonly pulumi.Input<string>[];
  readonly zones: readonly string[];
  readonly securityGroupId: pulumi.Input<string>;
  readonly kmsKeyArn: pulumi.Input<string>;
  /** How long the servers' logs are kept, and the key they are encrypted with. */
  readonly logs: LogSettings & { readonly kmsKeyArn: pulumi.Input<string> };
  /** Major version, or major and minor. A new major version upgrades IN PLACE, WITH DOWNTIME; see README. @default 17 */
  readonly engineVersion?: string | undefined;
  /** E.g. `db.m7g.large`; a change restarts the server (with a standby, after a failover). */
  readonly instanceClass: string;
  /** GiB at first. */
  readonly allocatedGb: number;
  /** GiB it grows to by itself, at least 1.5 times {@link allocatedGb}. */
  readonly maxAllocatedGb: number;
  /** Operations a second the storage is paid for beyond its own. @default none: gp3 has 3,000, and 12,000 from 400 GiB on */
  readonly iops?: number | undefined;
  /** Connections each server accepts: those of the proxy, of direct readers and of operators together. */
  readonly maxConnections: number;
  /** A standby in another zone, which takes over by itself within a minute or two. */
  readonly multiAz: boolean;
  /** Servers that answer reads, each in a zone of its own as far as they reach. */
  readonly replicas: number;
  /** @default {@link instanceClass} */
  readonly replicaInstanceClass?: string | undefined;
  /** Days of backups any moment of which can be restored. */
  readonly backupDays: number;
  /** Seconds between two samples of the operating system's figures: 0 (none), 1, 5, 10, 15, 30, 60. */
  readonly monitoringSeconds: number;
  /** Refuse deletion (Pulumi's `protect` and RDS' own), and take a last snapshot when it is deleted after all. */
  readonly protect: boolean;
  /** Days a deleted password can be brought back, 7 to 30; 0: it is gone at once. */
  readonly recoveryWindowDays: number;
  /** Login of the app that it shares with another database, whose migration makes the same in both. @default one of its own */
  readonly userSecret?: GeneratedSecret | undefined;
  /** Copies of both logins in other regions, one of which has a standby of this database. @default none */
  readonly secretReplicas?: readonly SecretReplica[] | undefined;
  /** Another server takes writes now: the owner's password, which is that one's, too, stays as it is. @default false */
  readonly succeeded?: boolean | undefined;
  /** The app logs in with tokens of IAM instead of its password, which stays there for people. @default false */
  readonly iamLogin?: boolean | undefined;
  /** The pool in front of the primary. @default none, the app connects to the primary */
  readonly proxy?: DatabaseProxyArgs["pool"] | undefined;
  /** Changes to the child resources before they are created. */
  readonly transform?: {
    /** Some changes REPLACE THE DATABASE: see RDS' documentation of what you change. */
    readonly primary?: Transform<aws.rds.InstanceArgs>;
    readonly replica?: Transform<aws.rds.InstanceArgs>;
    readonly parameterGroup?: Transform<aws.rds.ParameterGroupArgs>;
  };
}

/**
 * Postgres on RDS: a primary, with a standby in another zone, replicas that answer reads, and RDS Proxy as the pool in front of the primary.
 *
 * The owner's password is RDS' to keep and to change where it can be: RDS makes no replica of a server whose password it manages, so with
 * replicas the password is generated here and kept as a secret like any other.
 *
 * Cost: a standby doubles the server, each replica is another one. Storage and backups beyond its size are paid by the gigabyte.
 */
export class Database extends pulumi.ComponentResource {
  /** Host of the pool, or of the primary where there is none. */
  readonly host: pulumi.Output<string>;
  /** Host of the primary itself, for migrations. */
  readonly primaryHost: pulumi.Output<string>;
  /** ARN of the primary, by which a standby in another region names it. */
  readonly primaryArn: pulumi.Output<string>;
  /** Hosts of the replicas. */
  readonly replicaHosts: readonly pulumi.Output<string>[];
  readonly port = defaults.port;
  readonly databaseName = defaults.databaseName;
  readonly owner = defaults.owner;
  readonly user = defaults.user;
  /** ARN of the secret of owner and app: JSON with `username` and `password`. */
  readonly secretArns: { readonly owner: pulumi.Output<string>; readonly user: pulumi.Output<string> };
  /** How the app logs in with tokens, here and at the replicas; `undefined`: with its password. */
  readonly iam: IamLogin | undefined;
  /** The app's password; secret. */
  readonly userPassword: pulumi.Output<string>;
  /** Identifiers of the servers, the primary first. */
  readonly identifiers: readonly string[];
  private readonly userSecret: GeneratedSecret;
  private readonly ownerSecret: GeneratedSecret | undefined;
  private readonly primary: aws.rds.Instance;
  private readonly replicas: readonly aws.rds.Instance[];
  private readonly proxy: DatabaseProxy | undefined;

  constructor(name: string, args: DatabaseArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:Database", name, {}, opts);
    refuse(name, args);
    const { context } = args;
    const identifier = physicalName(context, name);
    this.identifiers = [identifier, ...Array.from({ length: args.replicas }, (_, index) => `${identifier}-replica-${index + 1}`)];
    this.userSecret = args.userSecret ?? this.createSecret(`${name}-app`, "The app's login to Postgres", defaults.user, args);
    // RDS refuses replicas of a server whose password it manages itself.
    if (isCopied(args)) this.ownerSecret = this.createSecret(`${name}-owner`, "Login of the tables' owner", defaults.owner, args);
    const shared = sharedParts(name, args, this.identifiers, this);
    this.primary = this.createPrimary(`${name}-primary`, args, shared);
    this.replicas = this.identifiers.slice(1).map((_, index) => this.createReplica(`${name}-replica-${index + 1}`, index, args, shared));
    if (this.ownerSecret !== undefined && args.succeeded !== true) this.rotateOwner(`${name}-rotation`, args, this.ownerSecret, identifier);
    if (args.proxy !== undefined) this.proxy = this.createProxy(`${name}-proxy`, args, args.proxy);

    this.primaryHost = this.primary.address;
    this.primaryArn = this.primary.arn;
    this.host = this.proxy?.host ?? this.primaryHost;
    this.replicaHosts = this.replicas.map(({ address }) => address);
    const managed = this.primary.masterUserSecrets.apply((secrets) => secrets[0]?.secretArn ?? "");
    this.secretArns = { owner: this.ownerSecret?.arn ?? managed, user: this.userSecret.arn };
    this.userPassword = this.userSecret.generated;
    if (args.iamLogin === true) this.iam = this.iamLogin(context);
    this.registerOutputs({ host: this.host, primaryHost: this.primaryHost, replicaHosts: this.replicaHosts, secretArns: this.secretArns });
  }

  /** The resources this component is made of. */
  get nodes(): {
    readonly primary: aws.rds.Instance;
    readonly replicas: readonly aws.rds.Instance[];
    readonly proxy: DatabaseProxy | undefined;
    /** May be that of another database. */
    readonly userSecret: GeneratedSecret;
    readonly ownerSecret: GeneratedSecret | undefined;
  } {
    const { primary, replicas, proxy, userSecret, ownerSecret } = this;
    return { primary, replicas, proxy, userSecret, ownerSecret };
  }

  private iamLogin(context: AwsContext): IamLogin {
    const ids = [this.proxy?.resourceId ?? this.primary.resourceId, ...this.replicas.map(({ resourceId }) => resourceId)];
    return { user: IAM_USER, userArns: ids.map((id) => userArn(context, id)) };
  }

  private createSecret(name: string, description: string, username: string, args: DatabaseArgs): GeneratedSecret {
    const { context, kmsKeyArn, recoveryWindowDays, protect, secretReplicas: replicas } = args;
    // The form that RDS Proxy and rotation functions expect.
    const render = (password: pulumi.Output<string>): pulumi.Output<string> => pulumi.jsonStringify({ username, password });
    return new GeneratedSecret(name, { context, description, kmsKeyArn, recoveryWindowDays, protect, replicas, render }, { parent: this });
  }

  private createPrimary(name: string, args: DatabaseArgs, shared: Shared): aws.rds.Instance {
    const { context } = args;
    // Never the same twice: a snapshot outlives its database, and one of the same name would keep the next from being deleted.
    const suffix = new random.RandomId(`${name}-snapshot-suffix`, { byteLength: 4 }, { parent: this });
    const [identifier = ""] = this.identifiers;
    const password =
      this.ownerSecret === undefined
        ? { manageMasterUserPassword: true, masterUserSecretKmsKeyId: args.kmsKeyArn }
        : { passwordWo: this.ownerSecret.generated, passwordWoVersion: 1 };
    return new aws.rds.Instance(
      ...transformed(
        args.transform?.primary,
        name,
        {
          ...serverArgs(args, shared),
          kmsKeyId: args.kmsKeyArn,
          identifier,
          engine: "postgres",
          engineVersion: args.engineVersion ?? ENGINE_VERSION,
          instanceClass: args.instanceClass,
          allocatedStorage: args.allocatedGb,
          dbName: defaults.databaseName,
          username: defaults.owner,
          ...password,
          port: defaults.port,
          dbSubnetGroupName: shared.subnets.name,
          multiAz: args.multiAz,
          ...(args.multiAz ? {} : { availabilityZone: args.zones[0] ?? "" }),
          allowMajorVersionUpgrade: true,
          backupRetentionPeriod: args.backupDays,
          backupWindow: BACKUP_WINDOW,
          deleteAutomatedBackups: !args.protect,
          skipFinalSnapshot: !args.protect,
          finalSnapshotIdentifier: pulumi.interpolate`${identifier}-final-${suffix.hex}`,
          tags: tagsOf(context, name),
        },
        { parent: this, protect: args.protect, dependsOn: shared.dependsOn },
      ),
    );
  }

  private createReplica(name: string, index: number, args: DatabaseArgs, shared: Shared): aws.rds.Instance {
    return new aws.rds.Instance(
      ...transformed(
        args.transform?.replica,
        name,
        {
          ...serverArgs(args, shared),
          identifier: this.identifiers[index + 1] ?? "",
          replicateSourceDb: this.primary.identifier,
          instanceClass: args.replicaInstanceClass ?? args.instanceClass,
          // The zone after the primary's: where that one is with a standby, RDS decides.
          availabilityZone: args.zones[(index + 1) % args.zones.length] ?? "",
          // Nothing is lost with a replica.
          skipFinalSnapshot: true,
          tags: tagsOf(args.context, name),
        },
        { parent: this, dependsOn: shared.dependsOn },
      ),
    );
  }

  /** After the server: its password can be changed only then. */
  private rotateOwner(name: string, args: DatabaseArgs, secret: GeneratedSecret, instanceIdentifier: string): void {
    const { context, kmsKeyArn, logs } = args;
    const secretArn = pulumi.all([secret.arn, this.primary.id]).apply(([arn]) => arn);
    const rotation = { context, kmsKeyArn, logs, secretArn, instanceIdentifier, replicas: args.secretReplicas };
    new OwnerRotation(name, rotation, { parent: this });
  }

  private createProxy(name: string, args: DatabaseArgs, pool: DatabaseProxyArgs["pool"]): DatabaseProxy {
    const { context, subnetIds, kmsKeyArn, logs } = args;
    const { arn: secretArn } = this.userSecret;
    const iamUserArn = args.iamLogin === true ? userArn(context, this.primary.resourceId) : undefined;
    const proxy = { context, subnetIds, kmsKeyArn, logs, pool, secretArn, iamUserArn, instanceIdentifier: this.primary.identifier };
    return new DatabaseProxy(name, proxy, { parent: this });
  }
}

/** Whether other servers follow the primary, here or in another region. */
function isCopied({ replicas, secretReplicas = [] }: DatabaseArgs): boolean {
  return replicas > 0 || secretReplicas.length > 0;
}

/** @throws Error naming everything that does not go together. */
function refuse(name: string, args: DatabaseArgs): void {
  const problems: string[] = [];
  if (args.maxAllocatedGb < 1.5 * args.allocatedGb) {
    problems.push(
      `maxAllocatedGb is ${args.maxAllocatedGb}; allowed: at least 1.5 times allocatedGb, ${Math.ceil(1.5 * args.allocatedGb)}`,
    );
  }
  if (!Number.isInteger(args.replicas) || args.replicas < 0 || args.replicas > 15) {
    problems.push(`replicas is ${args.replicas}; allowed: an integer from 0 to 15`);
  }
  if (isCopied(args) && args.backupDays === 0)
    problems.push("backupDays is 0; allowed: at least 1 with replicas, which start from a backup");
  if (problems.length > 0) throw new Error(`${name}: ${problems.join("; ")}`);
}
