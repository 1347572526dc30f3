import path from "node:path";
import type Docker from "dockerode";
import { messageOf } from "../../../lib/errors";
import { isObject, type Properties } from "../../shared/values";
import { daemonMessage } from "../client";
import { mapOf, textOf, textsOf, type Operation, type State } from "../resource";
import { packContext } from "./context";
import { pushImage } from "./push";

/** One line of Docker's build or push output. */
export interface ProgressLine {
  readonly stream?: string;
  readonly status?: string;
  readonly error?: string;
  readonly aux?: { readonly ID?: string; readonly Digest?: string };
}

/**
 * Builds an image, and pushes it unless `skipPush`. Done by Docker's classic builder: the official plugin uses BuildKit, of which
 * `RUN --mount`, here-documents and parallel stages are not to be had here.
 * @throws Error with the builder's own words and its last lines.
 */
export async function buildImage(inputs: Properties, preview: boolean, operation: Operation): Promise<State> {
  const { docker, log } = operation;
  const name = textOf(inputs["imageName"]);
  const build = isObject(inputs["build"]) ? inputs["build"] : {};
  const context = textOf(build["context"]) || ".";
  const dockerfile = textOf(build["dockerfile"]) || path.join(context, "Dockerfile");
  log("info", "Starting Docker build (classic builder)", true);
  await runBuild(name, build, { context, dockerfile }, operation);
  const info = await docker.getImage(name).inspect();
  const registry = isObject(inputs["registry"]) ? inputs["registry"] : {};
  const push = inputs["skipPush"] !== true && !preview;
  return {
    id: name,
    outputs: {
      dockerfile: path.relative(context, dockerfile).split(path.sep).join("/"),
      context,
      baseImageName: name,
      registryServer: textOf(registry["server"]),
      imageName: name,
      platform: textOf(build["platform"]),
      repoDigest: push ? await pushImage(name, registry, operation) : info.Id,
    },
  };
}

async function runBuild(
  name: string,
  build: Properties,
  files: { context: string; dockerfile: string },
  operation: Operation,
): Promise<void> {
  const { docker, log, signal } = operation;
  const packed = await packContext(files);
  const cacheFrom = isObject(build["cacheFrom"]) ? textsOf(build["cacheFrom"]["images"]) : [];
  const addHosts = textsOf(build["addHosts"]);
  const network = textOf(build["network"]);
  const target = textOf(build["target"]);
  const options: Docker.ImageBuildOptions = {
    t: name,
    dockerfile: packed.dockerfile,
    buildargs: mapOf(build["args"]),
    platform: textOf(build["platform"]),
    ...(target === "" ? {} : { target }),
    ...(cacheFrom.length === 0 ? {} : { cachefrom: JSON.stringify(cacheFrom) }),
    ...(network === "" ? {} : { networkmode: network }),
    // An empty list is refused by the engine as a host of a bad format.
    ...(addHosts.length === 0 ? {} : { extrahosts: addHosts.join(",") }),
    rm: true,
    forcerm: true,
    version: "1",
    abortSignal: signal,
  };
  try {
    const [stream] = await Promise.all([docker.buildImage(packed.archive, options), packed.written]);
    await followLines(docker, stream, (line) => {
      const text = (line.stream ?? line.status ?? "").trim();
      if (text !== "") log("info", text, true);
    });
  } catch (error) {
    throw new Error(`error building image: ${daemonMessage(error)}${buildkitHint(messageOf(error))}`, { cause: error });
  }
}

function buildkitHint(message: string): string {
  return /requires BuildKit|unknown (flag|instruction)/i.test(message)
    ? ". This docker stand-in uses Docker's classic builder; the official plugin has BuildKit."
    : "";
}

/** Reads Docker's progress output to its end. @throws Error with the error that Docker wrote into it, after the last lines of output. */
export async function followLines(docker: Docker, stream: NodeJS.ReadableStream, onLine: (line: ProgressLine) => void): Promise<void> {
  const modem = docker.modem as {
    followProgress(stream: NodeJS.ReadableStream, done: (error: Error | null) => void, progress: (line: ProgressLine) => void): void;
  };
  const recent: string[] = [];
  await new Promise<void>((resolve, reject) => {
    let refusal: Error | null = null;
    const done = (broken: Error | null): void => {
      // docker-modem passes on what breaks the stream; an error of the engine is a line of it like any other.
      const error = broken ?? refusal;
      if (error === null) resolve();
      else
        reject(
          new Error([error.message, ...(recent.length > 0 ? ["Last lines of the output:", ...recent] : [])].join("\n    "), {
            cause: error,
          }),
        );
    };
    modem.followProgress(stream, done, (line) => {
      const text = (line.stream ?? "").trim();
      if (text !== "") recent.splice(0, recent.push(text) > 20 ? 1 : 0);
      if (line.error !== undefined) refusal = new Error(line.error);
      onLine(line);
    });
  });
}
