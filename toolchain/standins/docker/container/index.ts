import type Docker from "dockerode";
import { messageOf } from "../../../lib/errors";
import type { Properties } from "../../shared/values";
import { daemonMessage, statusOf } from "../client";
import { findImage } from "../remote-image";
import { InitializationError, flagOf, numberOf, objectsOf, textOf, textsOf, type Operation, type Resource, type State } from "../resource";
import { createOptions, updatableResources } from "./create-options";
import { logsOf } from "./logs";
import { inspect, stateOf } from "./read";
import { upload } from "./upload";
import { waitEnded, waitHealthy } from "./wait";

/** What Docker updates in place; other in-place changes only change the state, as in the official plugin. */
const UPDATABLE = [
  ...["restart", "maxRetryCount", "cpuShares", "memory", "memoryReservation", "cpuSet", "memorySwap"],
  ...["deviceReadBps", "deviceReadIops", "deviceWriteBps", "deviceWriteIops"],
];

/** What the official plugin writes into the state for these, left out by the program; elsewhere a default does not show in the state. */
const UNSAID: Properties = { attach: false, logs: false, wait: false };

/** docker.Container. */
export const container: Resource = {
  async create(inputs, operation) {
    const { docker } = operation;
    const image = textOf(inputs["image"]);
    try {
      await findImage(image, "", operation);
    } catch (error) {
      throw new Error(`Unable to create container with image ${image}: ${messageOf(error)}`, { cause: error });
    }
    const created = await docker.createContainer(createOptions(inputs)).catch((error: unknown) => {
      throw new Error(`Unable to create container: ${daemonMessage(error)}`, { cause: error });
    });
    // From here on the container exists: whatever fails, the engine has to hear of it.
    try {
      const logs = await bringUp(created, inputs, operation);
      const info = await inspect(docker, created.id);
      // `rm` and a program that ended: Docker has removed it already.
      if (info === undefined) return { id: created.id, outputs: { ...inputs, ...logs, id: created.id } };
      const { outputs } = stateOf(info, { ...UNSAID, ...inputs, ...logs });
      // Until the first refresh the official plugin keeps the program's spelling ("NET_ADMIN" for Docker's "CAP_NET_ADMIN").
      const given = inputs["capabilities"];
      return { id: created.id, outputs: { ...outputs, ...(given === undefined ? {} : { capabilities: given }) } };
    } catch (error) {
      throw new InitializationError(messageOf(error), await stateAfterFailure(docker, created.id, inputs));
    }
  },

  async read({ id, outputs }, { docker }) {
    const info = await inspect(docker, id);
    return info === undefined ? undefined : stateOf(info, outputs);
  },

  async update(id, olds, outputs, { docker }) {
    const changed = (key: string): boolean => JSON.stringify(olds[key]) !== JSON.stringify(outputs[key]);
    const existing = docker.getContainer(id);
    if (changed("mustRun") && !flagOf(olds["mustRun"]) && flagOf(outputs["mustRun"]) && flagOf(outputs["start"])) {
      await start(existing, outputs);
    }
    if (!UPDATABLE.some(changed)) return outputs;
    try {
      await existing.update({
        ...updatableResources(outputs),
        RestartPolicy: { Name: textOf(outputs["restart"]), MaximumRetryCount: numberOf(outputs["maxRetryCount"]) },
      });
    } catch (error) {
      throw new Error(`Unable to update a container: ${daemonMessage(error)}`, { cause: error });
    }
    return outputs;
  },

  async delete({ id, outputs }, { docker }) {
    const existing = docker.getContainer(id);
    if (!flagOf(outputs["attach"])) {
      // Without destroyGraceSeconds the program is killed at once, as by the official plugin.
      await ignoring([304, 404], existing.stop({ t: numberOf(outputs["destroyGraceSeconds"]) }), `Error stopping container ${id}`);
    }
    // The state of an import has no removeVolumes; the default is true.
    const volumes = outputs["removeVolumes"] === undefined || flagOf(outputs["removeVolumes"]);
    await ignoring([404, 409], existing.remove({ v: volumes, force: true }), `Error deleting container ${id}`);
    await ignoring([404], existing.wait({ condition: "removed" }), `Error waiting for container removal '${id}'`);
  },
};

async function bringUp(created: Docker.Container, inputs: Properties, { docker, signal }: Operation): Promise<Properties> {
  const networks = objectsOf(inputs["networksAdvanced"]);
  if (networks.length > 0) await connectNetworks(docker, created.id, networks);
  for (const file of objectsOf(inputs["uploads"])) await upload(created, file);
  if (!flagOf(inputs["start"])) return {};
  signal.throwIfAborted();
  await start(created, inputs);
  if (flagOf(inputs["wait"])) await waitHealthy(docker, created.id, numberOf(inputs["waitTimeout"]), signal);
  if (!flagOf(inputs["attach"])) return {};
  await waitEnded(created, signal);
  return flagOf(inputs["logs"]) ? { containerLogs: await logsOf(created, flagOf(inputs["tty"])) } : {};
}

async function connectNetworks(docker: Docker, id: string, networks: readonly Properties[]): Promise<void> {
  try {
    await docker.getNetwork("bridge").disconnect({ Container: id });
  } catch (error) {
    if (!daemonMessage(error).includes("is not connected to"))
      throw new Error(`Unable to disconnect the default network: ${daemonMessage(error)}`, { cause: error });
  }
  for (const attachment of networks) {
    const name = textOf(attachment["name"]);
    const driverOpts = Object.fromEntries(
      textsOf(attachment["driverOpts"])
        .filter((option) => option.includes("="))
        .map((option) => [option.slice(0, option.indexOf("=")), option.slice(option.indexOf("=") + 1)]),
    );
    const endpoint = {
      Aliases: textsOf(attachment["aliases"]),
      IPAMConfig: {
        IPv4Address: textOf(attachment["ipv4Address"]),
        IPv6Address: textOf(attachment["ipv6Address"]),
        LinkLocalIPs: textsOf(attachment["linkLocalIps"]),
      },
      MacAddress: textOf(attachment["macAddress"]),
      DriverOpts: driverOpts,
      GwPriority: numberOf(attachment["gwPriority"]),
    };
    try {
      await docker.getNetwork(name).connect({ Container: id, EndpointConfig: endpoint });
    } catch (error) {
      throw new Error(`Unable to connect to network '${name}': ${daemonMessage(error)}`, { cause: error });
    }
  }
}

async function start(existing: Docker.Container, inputs: Properties): Promise<void> {
  try {
    await existing.start();
  } catch (error) {
    // Already running: Docker answers 304.
    if (statusOf(error) === 304) return;
    const message = daemonMessage(error);
    const ports = objectsOf(inputs["ports"]).map((port) => `${textOf(port["ip"]) || "0.0.0.0"}:${numberOf(port["external"])}`);
    const taken = /port is already allocated|address already in use/.test(message);
    const hint = taken ? ` Container ${textOf(inputs["name"])} publishes ${ports.join(", ")}; free that port or choose another.` : "";
    throw new Error(`Unable to start container: ${message}${hint}`, { cause: error });
  }
}

async function stateAfterFailure(docker: Docker, id: string, inputs: Properties): Promise<State> {
  const info = await inspect(docker, id);
  // The official plugin keeps the inputs here, without the look whether it runs: the next update must not differ by that.
  return info === undefined ? { id, outputs: { ...inputs, id } } : { ...stateOf(info, inputs), outputs: { ...inputs, id } };
}

/** Waits for a call; answers that only say "that is so already" are fine. */
async function ignoring(statuses: readonly number[], call: Promise<unknown>, what: string): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!statuses.includes(statusOf(error) ?? 0)) throw new Error(`${what}: ${daemonMessage(error)}`, { cause: error });
  }
}
