import { setTimeout as delay } from "node:timers/promises";
import type Docker from "dockerode";
import type { Properties } from "../shared/values";
import { daemonMessage, ifFound, statusOf } from "./client";
import { flagOf, labelList, labelsOf, mapOf, objectsOf, textOf, type Resource } from "./resource";

/** How long a network that containers still use is asked to go, milliseconds: the official plugin's limit. */
const REMOVE_TIMEOUT_MS = 30_000;
/** Between two such attempts, milliseconds. Docker has no call that waits for a network's last endpoint. */
const REMOVE_RETRY_MS = 500;

/** docker.Network. */
export const network: Resource = {
  async create(inputs, { docker }) {
    const ipamConfigs = objectsOf(inputs["ipamConfigs"]).map((config) => ({
      ...optional("Subnet", textOf(config["subnet"])),
      ...optional("IPRange", textOf(config["ipRange"])),
      ...optional("Gateway", textOf(config["gateway"])),
      AuxiliaryAddresses: mapOf(config["auxAddress"]),
    }));
    const options: Docker.NetworkCreateOptions = {
      Name: textOf(inputs["name"]),
      // Otherwise Docker makes a second network of the same name; the official plugin's client asks for this as well.
      CheckDuplicate: true,
      Labels: labelsOf(inputs["labels"]),
      ...optional("Driver", textOf(inputs["driver"])),
      Options: mapOf(inputs["options"]),
      Internal: flagOf(inputs["internal"]),
      Attachable: flagOf(inputs["attachable"]),
      Ingress: flagOf(inputs["ingress"]),
      EnableIPv6: flagOf(inputs["ipv6"]),
      IPAM: {
        Driver: textOf(inputs["ipamDriver"]) || "default",
        Options: mapOf(inputs["ipamOptions"]),
        ...(ipamConfigs.length > 0 ? { Config: ipamConfigs } : {}),
      },
    };
    try {
      const created = await docker.createNetwork(options);
      const info = (await created.inspect()) as NetworkInfo;
      return { id: created.id, outputs: outputsOf(created.id, info) };
    } catch (error) {
      throw new Error(`Unable to create network: ${daemonMessage(error)}`, { cause: error });
    }
  },

  async read({ id }, { docker }) {
    const info = await ifFound(docker.getNetwork(id).inspect() as Promise<NetworkInfo>);
    return info === undefined ? undefined : { id, outputs: outputsOf(id, info) };
  },

  async delete({ id }, { docker, signal }) {
    const deadline = Date.now() + REMOVE_TIMEOUT_MS;
    for (;;) {
      try {
        await ifFound(docker.getNetwork(id).remove() as Promise<unknown>);
        return;
      } catch (error) {
        const inUse = statusOf(error) === 403 && daemonMessage(error).includes("has active endpoints");
        if (!inUse || Date.now() > deadline) throw new Error(daemonMessage(error), { cause: error });
      }
      await delay(REMOVE_RETRY_MS, undefined, { signal });
    }
  },
};

/** What Docker says about a network; dockerode's type lacks parts. */
interface NetworkInfo {
  readonly Name: string;
  readonly Labels: Record<string, string> | null;
  readonly Driver: string;
  readonly Options: Record<string, string> | null;
  readonly Internal: boolean;
  readonly Attachable: boolean;
  readonly Ingress: boolean;
  readonly EnableIPv6: boolean;
  readonly Scope: string;
  readonly IPAM: {
    readonly Driver: string;
    readonly Options: Record<string, string> | null;
    readonly Config: readonly { Subnet?: string; IPRange?: string; Gateway?: string; AuxiliaryAddresses?: Record<string, string> }[] | null;
  };
}

function outputsOf(id: string, info: NetworkInfo): Properties {
  return {
    id,
    name: info.Name,
    labels: labelList(info.Labels),
    driver: info.Driver,
    options: info.Options ?? {},
    internal: info.Internal,
    attachable: info.Attachable,
    ingress: info.Ingress,
    ipv6: info.EnableIPv6,
    ipamDriver: info.IPAM.Driver,
    ipamOptions: info.IPAM.Options ?? {},
    ipamConfigs: (info.IPAM.Config ?? []).map((config) => ({
      subnet: config.Subnet ?? "",
      ipRange: config.IPRange ?? "",
      gateway: config.Gateway ?? "",
      auxAddress: config.AuxiliaryAddresses ?? {},
    })),
    scope: info.Scope,
  };
}

function optional(key: string, value: string): Record<string, string> {
  return value === "" ? {} : { [key]: value };
}
