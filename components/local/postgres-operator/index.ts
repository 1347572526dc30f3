import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { hardened, labels, transformed, type Transform } from "../common";
import { Image } from "../image";
import type { ContextFile } from "../image/context-hash";
import { SecretFiles } from "../secret-files";
import { operatorEnvironment, type OperatorSettings, OPERATOR_ALIAS, OPERATOR_PORT, SECRET_FILES } from "./settings";

export { operatorEnvironment, type OperatorSettings, OPERATOR_ALIAS, OPERATOR_PORT, SECRET_FILES } from "./settings";
export { postgresOperatorContext } from "./context";
export type { MemberStatus, PoolStatus, PostgresStatus, ReaperStatus, SwitchoverResult } from "./src/status-types";

const defaults = {
  /** 45 MiB were measured; V8's heap is limited to 32. */
  memoryMb: 96,
  /**
   * A switchover under way is finished, or undone, first: a checkpoint (7 s at most), the pause (7 s), the hand-over (15 s), and the answers of
   * etcd and PgBouncer before, between and after.
   */
  stopSeconds: 45,
  bootTimeoutSeconds: 60,
  tmpMb: 1,
} as const;

export interface PostgresOperatorArgs extends OperatorSettings {
  /** What {@link postgresOperatorContext} gave; made before the first resource, so that a mistake in it leaves no half stack. */
  readonly program: readonly ContextFile[];
  /** Password of Patroni's REST API; also what `POST /switchover` of the operator asks for as Bearer. */
  readonly patroniPassword: pulumi.Input<string>;
  /** Password of `monitor` in Postgres, as whom it has the primary write a checkpoint before a switchover. */
  readonly monitorPassword: pulumi.Input<string>;
  /** PgBouncer in front of the proxy, and the password of its user `operator`. */
  readonly pgbouncer: OperatorSettings["pgbouncer"] & { readonly operatorPassword: pulumi.Input<string> };
  /** Name of the network to be on. */
  readonly networkName: pulumi.Input<string>;
  /** Platform of the Docker host, e.g. `linux/amd64`. */
  readonly platform: string;
  /** Directory for the image's build context, relative to the project. */
  readonly contextDirectory: string;
  /** Word from the configuration that, changed, has the image built anew with the packages of that day; see `builtAnew`. @default none */
  readonly imagesOf?: string | undefined;
  /** Memory limit in MiB; swap is off. @default 96 */
  readonly memoryMb?: number | undefined;
  /** CPU limit in cores. @default no limit */
  readonly cpus?: number | undefined;
  /** Changes to the child resources before they are created. */
  readonly transform?: {
    readonly image?: Transform<docker.ImageArgs>;
    readonly container?: Transform<docker.ContainerArgs>;
  };
}

/**
 * What makes the change of the primary fast: it frees the lease of a primary that is certainly dead, and conducts planned switchovers
 * such that no statement fails (PgBouncer holds them back meanwhile). Without it everything works, only slower: then Patroni's ttl applies.
 */
export class PostgresOperator extends pulumi.ComponentResource {
  /** Name under which it answers in the network. */
  readonly host: string = OPERATOR_ALIAS;
  /** Port of health, metrics, status and `POST /switchover`. */
  readonly port: number = OPERATOR_PORT;
  private readonly image: Image;
  private readonly secrets: SecretFiles<never, (typeof SECRET_FILES)[keyof typeof SECRET_FILES]>;
  private readonly container: docker.Container;

  constructor(name: string, args: PostgresOperatorArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:local:PostgresOperator", name, {}, opts);
    this.image = this.createImage(name, args);
    this.secrets = this.createSecrets(name, args);
    this.container = this.createContainer(name, args);
    this.registerOutputs({ host: this.host, port: this.port });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly image: Image; readonly secrets: pulumi.ComponentResource; readonly container: docker.Container } {
    return { image: this.image, secrets: this.secrets, container: this.container };
  }

  private createImage(name: string, args: PostgresOperatorArgs): Image {
    const { contextDirectory, platform, imagesOf } = args;
    const source = { repository: "postgres-operator", files: args.program, contextDirectory, platform, imagesOf };
    const transform = args.transform?.image === undefined ? {} : { transform: { image: args.transform.image } };
    return new Image(`${name}-image`, { source, ...transform }, { parent: this });
  }

  private createSecrets(name: string, args: PostgresOperatorArgs): PostgresOperator["secrets"] {
    return new SecretFiles(
      `${name}-secrets`,
      {
        generate: [],
        render: () => ({
          [SECRET_FILES.patroni]: args.patroniPassword,
          [SECRET_FILES.monitor]: args.monitorPassword,
          [SECRET_FILES.pgbouncer]: args.pgbouncer.operatorPassword,
        }),
        image: this.image.reference,
      },
      { parent: this },
    );
  }

  private createContainer(name: string, args: PostgresOperatorArgs): docker.Container {
    const { memoryMb = defaults.memoryMb, cpus } = args;
    const environment = operatorEnvironment(args, this.secrets.mount.containerPath);
    return new docker.Container(
      ...transformed(
        args.transform?.container,
        `${name}-container`,
        {
          ...hardened({ service: "postgres-operator", ...defaults, memoryMb, cpus }),
          labels: [...labels("postgres-operator"), { label: "phased-stack.secrets", value: this.secrets.revision }],
          image: this.image.reference,
          envs: Object.entries(environment).map(([key, value]) => `${key}=${value}`),
          networksAdvanced: [{ name: args.networkName, aliases: [OPERATOR_ALIAS] }],
          volumes: [{ ...this.secrets.mount }],
          wait: true,
          waitTimeout: defaults.bootTimeoutSeconds,
        },
        // The new one is there before the old one ends: there is always one that frees a dead primary's lease. A switchover takes one of
        // them at a time, by a lock in etcd.
        { parent: this, deleteBeforeReplace: false },
      ),
    );
  }
}
