import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { transformed, type Transform } from "../../transform";
import { physicalName, tagsOf } from "../context";
import type { DatabaseArgs } from ".";
import { userArn } from "./iam";
import { BACKUP_WINDOW, serverArgs } from "./server";
import { ENGINE_VERSION, type Shared, sharedParts } from "./shared";

export interface StandbyDatabaseArgs extends Omit<
  DatabaseArgs,
  | "replicas"
  | "replicaInstanceClass"
  | "iamLogin"
  | "recoveryWindowDays"
  | "userSecret"
  | "secretReplicas"
  | "succeeded"
  | "proxy"
  | "transform"
> {
  /** ARN of the primary in the other region that it follows. `undefined`: it follows nobody any more and TAKES WRITES; there is no way back. */
  readonly sourceArn: pulumi.Input<string> | undefined;
  /** Changes to the child resources before they are created. */
  readonly transform?: {
    /** Some changes REPLACE IT: it then copies the whole database again. */
    readonly server?: Transform<aws.rds.InstanceArgs>;
    readonly parameterGroup?: Transform<aws.rds.ParameterGroupArgs>;
  };
}

/**
 * A copy of a database of another region, which answers reads and can take over: it has the primary's class, standby and protection from the
 * start, so that nothing but its promotion has to be waited for then. Encrypted with a key of its own region; backed up like the primary, since RDS
 * would make the first backup while it is promoted.
 *
 * Cost: as much as the primary, and the data that goes from region to region by the gigabyte.
 */
export class StandbyDatabase extends pulumi.ComponentResource {
  readonly host: pulumi.Output<string>;
  readonly identifier: string;
  /** The app's user for tokens on this server, as IAM names it. */
  readonly iamUserArn: pulumi.Output<string>;
  private readonly server: aws.rds.Instance;

  constructor(name: string, args: StandbyDatabaseArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:StandbyDatabase", name, {}, opts);
    this.identifier = physicalName(args.context, name);
    const { parameterGroup } = args.transform ?? {};
    const transform = parameterGroup === undefined ? {} : { parameterGroup };
    const shared = sharedParts(name, { ...args, transform }, [this.identifier], this);
    this.server = this.createServer(`${name}-server`, args, shared);
    this.host = this.server.address;
    this.iamUserArn = userArn(args.context, this.server.resourceId);
    this.registerOutputs({ host: this.host });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly server: aws.rds.Instance } {
    return { server: this.server };
  }

  private createServer(name: string, args: StandbyDatabaseArgs, shared: Shared): aws.rds.Instance {
    const { sourceArn, multiAz, protect } = args;
    // Made in good time: nothing else is to be made on the day it takes over.
    const suffix = new random.RandomId(`${name}-snapshot-suffix`, { byteLength: 4 }, { parent: this });
    const role =
      sourceArn === undefined
        ? {
            engineVersion: args.engineVersion ?? ENGINE_VERSION,
            allocatedStorage: args.allocatedGb,
            skipFinalSnapshot: !protect,
            finalSnapshotIdentifier: pulumi.interpolate`${this.identifier}-final-${suffix.hex}`,
          }
        : // RDS makes no last snapshot of a copy.
          { replicateSourceDb: sourceArn, skipFinalSnapshot: true };
    return new aws.rds.Instance(
      ...transformed(
        args.transform?.server,
        name,
        {
          ...serverArgs(args, shared),
          // A key of this region: that of the source is of no use here.
          kmsKeyId: args.kmsKeyArn,
          ...role,
          identifier: this.identifier,
          instanceClass: args.instanceClass,
          dbSubnetGroupName: shared.subnets.name,
          multiAz,
          ...(multiAz ? {} : { availabilityZone: args.zones[0] ?? "" }),
          allowMajorVersionUpgrade: true,
          backupRetentionPeriod: args.backupDays,
          backupWindow: BACKUP_WINDOW,
          deleteAutomatedBackups: !protect,
          tags: tagsOf(args.context, name),
        },
        { parent: this, protect, dependsOn: shared.dependsOn },
      ),
    );
  }
}
