import { setTimeout as delay } from "node:timers/promises";
import type Docker from "dockerode";
import type { Properties } from "../shared/values";
import { daemonMessage, ifFound, statusOf } from "./client";
import { labelList, labelsOf, mapOf, textOf, type Resource } from "./resource";

/** How long a volume that a container still uses is asked to go, milliseconds: the official plugin's limit. */
const REMOVE_TIMEOUT_MS = 30_000;
/** Between two such attempts, milliseconds. Docker has no call that waits for a volume's last user. */
const REMOVE_RETRY_MS = 500;

/** docker.Volume. */
export const volume: Resource = {
  async create(inputs, { docker }) {
    const driver = textOf(inputs["driver"]);
    try {
      const created = await docker.createVolume({
        Name: textOf(inputs["name"]),
        Labels: labelsOf(inputs["labels"]),
        ...(driver === "" ? {} : { Driver: driver }),
        DriverOpts: mapOf(inputs["driverOpts"]),
      });
      const info = await created.inspect();
      return { id: info.Name, outputs: outputsOf(info) };
    } catch (error) {
      throw new Error(`Unable to create volume: ${daemonMessage(error)}`, { cause: error });
    }
  },

  async read({ id }, { docker }) {
    const info = await ifFound(docker.getVolume(id).inspect());
    return info === undefined ? undefined : { id, outputs: outputsOf(info) };
  },

  async delete({ id }, { docker, signal }) {
    const deadline = Date.now() + REMOVE_TIMEOUT_MS;
    for (;;) {
      try {
        await ifFound(docker.getVolume(id).remove({ force: true }) as Promise<unknown>);
        return;
      } catch (error) {
        const inUse = statusOf(error) === 409 && daemonMessage(error).includes("volume is in use");
        if (!inUse || Date.now() > deadline) throw new Error(daemonMessage(error), { cause: error });
      }
      await delay(REMOVE_RETRY_MS, undefined, { signal });
    }
  },
};

function outputsOf(info: Docker.VolumeInspectInfo): Properties {
  return {
    id: info.Name,
    name: info.Name,
    driver: info.Driver,
    labels: labelList(info.Labels),
    driverOpts: info.Options ?? {},
    mountpoint: info.Mountpoint,
  };
}
