import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { labels, transformed, type Transform } from "../common";

export interface NetworkArgs {
  /** Changes to the child resource before it is created. */
  readonly transform?: {
    /** A change of most properties replaces the network, and with it every container on it. */
    readonly network?: Transform<docker.NetworkArgs>;
  };
}

/** The private bridge network of one stack: its containers find each other by name here, and nobody else is on it. */
export class Network extends pulumi.ComponentResource {
  /** Physical name of the Docker network; unique on the host, chosen by Pulumi. */
  readonly networkName: pulumi.Output<string>;
  private readonly network: docker.Network;

  constructor(name: string, args: NetworkArgs = {}, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:local:Network", name, {}, opts);
    this.network = new docker.Network(
      ...transformed(args.transform?.network, `${name}-bridge`, { driver: "bridge", labels: labels("network") }, { parent: this }),
    );
    this.networkName = this.network.name;
    this.registerOutputs({ networkName: this.networkName });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly network: docker.Network } {
    return { network: this.network };
  }
}
