import type Docker from "dockerode";
import { messageOf } from "../../lib/errors";
import type { RegistryLogin } from "./config";
import { daemonMessage, ifFound } from "./client";
import { flagOf, textOf, type Operation, type Resource, type State } from "./resource";

/** docker.RemoteImage: uses the image that is there, pulls it otherwise, removes it at the end unless `keepLocally`. */
export const remoteImage: Resource = {
  importRefused: "docker.RemoteImage cannot be imported, in the official plugin neither; pulumi up finds a local image by its name",

  async create(inputs, operation) {
    const name = textOf(inputs["name"]);
    try {
      const info = await findImage(name, textOf(inputs["platform"]), operation);
      return stateOf(name, info, inputs);
    } catch (error) {
      throw new Error(`Unable to read Docker image into resource: ${messageOf(error)}`, { cause: error });
    }
  },

  async read({ outputs }, { docker }) {
    const name = textOf(outputs["name"]);
    const info = await ifFound(docker.getImage(name).inspect());
    return info === undefined ? undefined : stateOf(name, info, outputs);
  },

  async update(_id, _olds, outputs, operation) {
    const name = textOf(outputs["name"]);
    return stateOf(name, await findImage(name, textOf(outputs["platform"]), operation), outputs).outputs;
  },

  async delete({ outputs }, { docker }) {
    if (flagOf(outputs["keepLocally"])) return;
    try {
      await ifFound(docker.getImage(textOf(outputs["name"])).remove({ force: flagOf(outputs["forceRemove"]) }));
    } catch (error) {
      throw new Error(`Unable to remove Docker image: ${daemonMessage(error)}`, { cause: error });
    }
  },
};

function stateOf(name: string, info: Docker.ImageInspectInfo, outputs: State["outputs"]): State {
  // The official id is the image's id followed by the name.
  const id = info.Id + name;
  const digests = (info.RepoDigests as string[] | null) ?? [];
  const repository = name.replace(/@.*$/, "").replace(/:[^/:]*$/, "");
  const repoDigest = digests.find((digest) => digest.startsWith(`${repository}@`)) ?? digests[0] ?? "";
  return { id, outputs: { ...outputs, id, imageId: info.Id, repoDigest } };
}

/**
 * A local image of that name or id, pulled when there is none.
 * @throws Error with Docker's words when it cannot be pulled either.
 */
export async function findImage(name: string, platform: string, operation: Operation): Promise<Docker.ImageInspectInfo> {
  const { docker, signal, registryAuth } = operation;
  const local = await ifFound(docker.getImage(name).inspect());
  if (local !== undefined) return local;
  try {
    const login = loginFor(name, registryAuth);
    const stream = await docker.pull(name, {
      ...(platform === "" ? {} : { platform }),
      ...(login === undefined ? {} : { authconfig: { username: login.username, password: login.password, serveraddress: login.address } }),
      abortSignal: signal,
    });
    await pulled(docker, stream, operation);
  } catch (error) {
    throw new Error(`unable to pull image ${name}: error pulling image ${name}: ${daemonMessage(error)}`, { cause: error });
  }
  const fresh = await ifFound(docker.getImage(name).inspect());
  if (fresh === undefined) throw new Error(`unable to find or pull image ${name}`);
  return fresh;
}

/** Resolves when a pull has ended; rejects with the error that Docker wrote into the stream. */
function pulled(docker: Docker, stream: NodeJS.ReadableStream, { log }: Operation): Promise<void> {
  const modem = docker.modem as {
    followProgress(
      stream: NodeJS.ReadableStream,
      done: (error: Error | null) => void,
      progress: (line: { status?: string; id?: string }) => void,
    ): void;
  };
  return new Promise((resolve, reject) => {
    modem.followProgress(
      stream,
      (error) => (error === null ? resolve() : reject(error)),
      ({ id, status }) => {
        if (status !== undefined) log("info", id === undefined ? status : `${id}: ${status}`, true);
      },
    );
  });
}

function loginFor(name: string, logins: readonly RegistryLogin[]): RegistryLogin | undefined {
  const first = name.split("/")[0] ?? "";
  const isRegistry = name.includes("/") && (/[.:]/.test(first) || first === "localhost");
  const registries = isRegistry ? [first] : ["registry-1.docker.io", "index.docker.io", "docker.io"];
  return logins.find((login) => registries.includes(login.address));
}
