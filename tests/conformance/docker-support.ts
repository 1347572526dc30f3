import Docker from "dockerode";

import type { Properties } from "../../toolchain/standins/shared/values";
import { Plugin, underTest, type ResourceState } from "./harness";

export const CONTAINER = "docker:index/container:Container";
export const NETWORK = "docker:index/network:Network";
export const VOLUME = "docker:index/volume:Volume";
export const REMOTE_IMAGE = "docker:index/remoteImage:RemoteImage";
export const IMAGE = "docker:index/image:Image";
export const BASE = "debian:trixie-slim";
/** In the name of everything that these suites make. */
export const PREFIX = `conformance-${process.pid}`;

let counter = 0;
/** A name nobody else uses; the sweep after a suite finds it. */
export const unique = (): string => `${PREFIX}-${++counter}`;

/** A container that exists and is never started: enough to see its configuration. */
export const idle = () => ({ image: BASE, name: unique(), start: false, mustRun: false });

/** A container without any network: most cases need none, and start faster for it. */
export const running = (script: string) => ({ image: BASE, name: unique(), command: ["sh", "-c", script], networkMode: "none" });

export const docker = new Docker({ socketPath: "/var/run/docker.sock" });

/** A docker plugin for the suite around it, and the removal of what its cases leave. */
export class DockerSuite {
  #plugin: Plugin | undefined;

  constructor() {
    before("start the plugin", async () => {
      this.#plugin = await Plugin.start("docker", { host: "unix:///var/run/docker.sock" });
    });
    after("stop it and remove what cases left", async () => {
      await this.#plugin?.stop();
      const mine = { filters: { name: [PREFIX] } };
      for (const { Id } of await docker.listContainers({ all: true, ...mine }))
        await docker.getContainer(Id).remove({ force: true, v: true });
      for (const { Id } of await docker.listNetworks(mine)) await docker.getNetwork(Id).remove();
      for (const { Name } of (await docker.listVolumes(mine)).Volumes) await docker.getVolume(Name).remove();
      const images = await docker.listImages({ filters: { reference: [`${PREFIX}-*`] } });
      for (const { Id } of images) await docker.getImage(Id).remove({ force: true });
    });
  }

  get plugin(): Plugin {
    if (this.#plugin === undefined) throw new Error("the plugin is started before the first case");
    return this.#plugin;
  }

  /** Creates a resource, lends it, and deletes it again. */
  async withResource(type: string, inputs: Properties, use: (state: ResourceState) => Promise<void>): Promise<void> {
    const state = await this.plugin.create(type, inputs);
    try {
      await use(state);
    } finally {
      await this.plugin.delete(type, state, inputs);
    }
  }
}

export const title = (what: string): string => `docker provider (${underTest}): ${what}`;
