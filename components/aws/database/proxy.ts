import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { type AwsArgs, type LogSettings, physicalName, tagsOf } from "../context";
import { serviceRole } from "../iam";
import { logGroup } from "../log-group";
import { proxyResourceId } from "./iam";

/** Most of a server's connections a proxy may have, percent: the rest is for migrations and operators. */
const MOST_PERCENT = 90;

export interface DatabaseProxyArgs extends AwsArgs {
  readonly subnetIds: readonly pulumi.Input<string>[];
  /** Key of the secret. */
  readonly kmsKeyArn: pulumi.Input<string>;
  /** How long its log is kept, and the key it is encrypted with. */
  readonly logs: LogSettings & { readonly kmsKeyArn: pulumi.Input<string> };
  readonly pool: {
    readonly securityGroupId: pulumi.Input<string>;
    /** Part of the primary's connections the proxy may open, percent, at most 90. */
    readonly maxConnectionsPercent: number;
    /** Seconds a client waits for a free connection; no longer than a request may take. */
    readonly borrowSeconds: number;
  };
  /** Secret with `username` and `password` of whom clients log in as, and the proxy does. */
  readonly secretArn: pulumi.Input<string>;
  /** User whom clients and the proxy log in as with tokens of IAM, on the primary as IAM names it. @default none, passwords only */
  readonly iamUserArn?: pulumi.Input<string> | undefined;
  /** Identifier of the primary. */
  readonly instanceIdentifier: pulumi.Input<string>;
}

/**
 * RDS Proxy: the cloud's PgBouncer. Clients connect to it over TLS only; their transactions share its connections to the primary, and while
 * the standby takes over it holds them instead of ending them. Cost: by the hour and virtual CPU of the primary.
 */
export class DatabaseProxy extends pulumi.ComponentResource {
  readonly host: pulumi.Output<string>;
  /** By which IAM names it. */
  readonly resourceId: pulumi.Output<string>;
  private readonly proxy: aws.rds.Proxy;
  private readonly targets: aws.rds.ProxyDefaultTargetGroup;

  constructor(name: string, args: DatabaseProxyArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:DatabaseProxy", name, {}, opts);
    const { pool } = args;
    if (pool.maxConnectionsPercent < 1 || pool.maxConnectionsPercent > MOST_PERCENT) {
      throw new Error(`${name}: maxConnectionsPercent is ${pool.maxConnectionsPercent}; allowed: 1 to ${MOST_PERCENT}`);
    }
    this.proxy = this.createProxy(name, args);
    this.resourceId = proxyResourceId(this.proxy.arn);
    this.targets = new aws.rds.ProxyDefaultTargetGroup(
      `${name}-targets`,
      {
        dbProxyName: this.proxy.name,
        connectionPoolConfig: {
          maxConnectionsPercent: pool.maxConnectionsPercent,
          maxIdleConnectionsPercent: Math.max(1, Math.floor(pool.maxConnectionsPercent / 2)),
          connectionBorrowTimeout: pool.borrowSeconds,
        },
      },
      { parent: this },
    );
    const target = { dbProxyName: this.proxy.name, targetGroupName: this.targets.name, dbInstanceIdentifier: args.instanceIdentifier };
    const attached = new aws.rds.ProxyTarget(`${name}-target`, target, { parent: this });
    // Known only once something is behind it: whoever connects then finds a database.
    this.host = pulumi.all([this.proxy.endpoint, attached.id]).apply(([endpoint]) => endpoint);
    this.registerOutputs({ host: this.host });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly proxy: aws.rds.Proxy; readonly targets: aws.rds.ProxyDefaultTargetGroup } {
    return { proxy: this.proxy, targets: this.targets };
  }

  private createProxy(name: string, args: DatabaseProxyArgs): aws.rds.Proxy {
    const { context, logs } = args;
    const proxyName = physicalName(context, name);
    const ownLogs = logGroup(`${name}-logs`, { context, logs, groupName: `/aws/rds/proxy/${proxyName}` }, { parent: this });
    const { role, policy } = serviceRole(
      `${name}-role`,
      {
        context,
        service: "rds.amazonaws.com",
        description: "RDS Proxy reads the app's login",
        // RDS Proxy does not say which account it works for.
        onlyOwnAccount: false,
        statements: [
          { Sid: "ReadLogin", Effect: "Allow", Action: "secretsmanager:GetSecretValue", Resource: args.secretArn },
          {
            Sid: "DecryptLogin",
            Effect: "Allow",
            Action: "kms:Decrypt",
            Resource: args.kmsKeyArn,
            Condition: { StringEquals: { "kms:ViaService": `secretsmanager.${context.region}.amazonaws.com` } },
          },
          ...(args.iamUserArn === undefined
            ? []
            : [{ Sid: "LoginWithTokens", Effect: "Allow", Action: "rds-db:connect", Resource: args.iamUserArn } as const]),
        ],
      },
      this,
    );
    return new aws.rds.Proxy(
      `${name}-proxy`,
      {
        name: proxyName,
        engineFamily: "POSTGRESQL",
        requireTls: true,
        // Of whom it has no secret it takes tokens, and logs in with some of its own. Told in any case: left out, AWS would keep what was there.
        defaultAuthScheme: args.iamUserArn === undefined ? "NONE" : "IAM_AUTH",
        // Password of the app, which it finds in the same secret.
        auths: [
          { authScheme: "SECRETS", secretArn: args.secretArn, iamAuth: "DISABLED", clientPasswordAuthType: "POSTGRES_SCRAM_SHA_256" },
        ],
        roleArn: role.arn,
        vpcSubnetIds: [...args.subnetIds],
        vpcSecurityGroupIds: [args.pool.securityGroupId],
        tags: tagsOf(context, `${name}-proxy`),
      },
      { parent: this, dependsOn: [ownLogs, ...(policy === undefined ? [] : [policy])] },
    );
  }
}
