import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import type Docker from "dockerode";
import { dockerClient, isGone } from "../lib/docker";
import { UserError, messageOf } from "../lib/errors";
import { formatDuration } from "../lib/exec";
import { interrupted, stopIfInterrupted } from "../lib/interrupt";
import { ROOT, executable } from "../lib/paths";
import type { Progress } from "../lib/progress";
import { rootFilesystem } from "./root-filesystem";
import type { Context, State, Step } from "./types";

/** Label of images that were built here instead of being pulled. */
export const STANDIN_LABEL = "phased-stack.standin";
/** Base of the project's service images. */
export const DEBIAN_IMAGE = "debian:trixie-slim";
/** Base of the app's image. */
export const NODE_IMAGE = "node:24-trixie-slim";

/** No news from the registry for this long while pulling means that it cannot be reached. */
const PULL_SILENCE_MS = 20_000;
const PULL_TIMEOUT_MS = 10 * 60_000;
const BUILD_TIMEOUT_MS = 5 * 60_000;
const PATH_IN_IMAGE = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The steps for both base images. @param docker default: the engine of DOCKER_HOST or the default socket */
export function baseImageSteps(
  docker: () => Promise<Docker> = () => dockerClient(),
  tag: (image: string) => string = (image) => image,
): Step[] {
  const debian = baseImage(tag(DEBIAN_IMAGE), docker, (engine, progress) => importDebian(engine, tag(DEBIAN_IMAGE), progress));
  const node = baseImage(tag(NODE_IMAGE), docker, async (engine, progress, context) => {
    if ((await debian.check()).kind === "missing") await debian.ensure(context);
    await buildNode(engine, tag(DEBIAN_IMAGE), tag(NODE_IMAGE), progress);
  });
  return [debian, node];
}

/**
 * A step that pulls an image, and where that is not possible builds a stand-in of the same name.
 * @param source what the stand-in is made of, in words
 */
export function baseImage(
  name: string,
  client: () => Promise<Docker>,
  standIn: (docker: Docker, progress: Progress, context: Context) => Promise<void>,
  source = "Debian packages",
): Step {
  const retry = "when the registry can be reached: npm run prepare-machine -- --official";
  const check = async (): Promise<State> => {
    const labels = await imageLabels(await client(), name);
    if (labels instanceof Error) return { kind: "missing", detail: `not known: ${labels.message}`, fix: "start Docker first" };
    if (!labels) return { kind: "missing", detail: "not on this Docker Engine", fix: `npm run prepare-machine, or docker pull ${name}` };
    if (STANDIN_LABEL in labels) return { kind: "stand-in", detail: `stand-in built from ${source}`, fix: retry };
    return { kind: "ok", detail: "present" };
  };
  return {
    id: `image-${name}`,
    title: `Base image ${name}`,
    check,
    ensure: async (context) => {
      const docker = await client();
      const before = await check();
      if (before.kind === "ok" || (before.kind === "stand-in" && !context.official)) return;
      try {
        await pull(docker, name, context.progress);
        return;
      } catch (error) {
        stopIfInterrupted();
        context.progress.line(`cannot be pulled (${reasonOf(error)})`);
        if (before.kind === "stand-in") return;
      }
      await standIn(docker, context.progress, context);
      context.progress.line(`stand-in for the official image ${name}, built here from ${source}`);
    },
  };
}

/** Labels of an image, undefined when it is absent, an error when the engine does not answer. */
async function imageLabels(docker: Docker, name: string): Promise<Record<string, string> | undefined | Error> {
  try {
    const { Config: config } = await docker.getImage(name).inspect();
    // Config.Labels is null in images without labels.
    return { ...config.Labels };
  } catch (error) {
    if (isGone(error)) return undefined;
    return new Error(messageOf(error));
  }
}

async function pull(docker: Docker, name: string, progress: Progress): Promise<void> {
  progress.detail("pulling");
  const stop = new AbortController();
  await follow(docker, await docker.pull(name, { abortSignal: stop.signal }), stop, PULL_TIMEOUT_MS, progress, PULL_SILENCE_MS);
}

/** Loads the root file system as an image, the way `docker import` does. */
async function importDebian(docker: Docker, name: string, progress: Progress): Promise<void> {
  const archive = await rootFilesystem(progress);
  progress.detail("importing");
  const [repo, tag] = splitTag(name);
  const changes = ['CMD ["bash"]', `ENV PATH=${PATH_IN_IMAGE}`, `LABEL ${STANDIN_LABEL}=true`];
  const stream = await docker.importImage(createReadStream(archive), { repo, tag, changes });
  await follow(docker, stream, new AbortController(), BUILD_TIMEOUT_MS, progress);
}

/** Base image plus the Node binary that npm brought: the same files an image build sees, without `npm`. */
async function buildNode(docker: Docker, base: string, name: string, progress: Progress): Promise<void> {
  const { pack } = await import("tar-stream");
  const file = path.join(ROOT, "node_modules", "node", "bin", executable("node"));
  if (process.platform !== "linux") {
    throw new UserError(
      `a stand-in for ${name} can only be built on Linux: node_modules has a Node for ${process.platform}`,
      `docker pull ${name}`,
    );
  }
  const { version } = JSON.parse(await readFile(path.join(ROOT, "node_modules", "node", "package.json"), "utf8")) as { version: string };
  const dockerfile = [
    `FROM ${base}`,
    "RUN groupadd --gid 1000 node && useradd --uid 1000 --gid node --shell /bin/bash --create-home node",
    `ENV NODE_VERSION=${version}`,
    "COPY node /usr/local/bin/node",
    // Official images have this name too.
    "RUN ln -s node /usr/local/bin/nodejs && node --version",
    `LABEL ${STANDIN_LABEL}=true`,
    'CMD ["node"]',
    "",
  ].join("\n");
  progress.detail("building");
  const context = pack();
  context.entry({ name: "Dockerfile" }, dockerfile);
  context.entry({ name: "node", mode: 0o755 }, await readFile(file));
  context.finalize();
  await buildImage(docker, context as unknown as NodeJS.ReadableStream, name, BUILD_TIMEOUT_MS, progress);
}

/** Builds an image from a packed context. On the host's network: an engine without a default bridge builds as well. */
export async function buildImage(
  docker: Docker,
  context: NodeJS.ReadableStream,
  name: string,
  limitMs: number,
  progress: Progress,
): Promise<void> {
  const stream = await docker.buildImage(context, { t: name, forcerm: true, rm: true, networkmode: "host" });
  await follow(docker, stream, new AbortController(), limitMs, progress);
}

interface EngineEvent {
  readonly error?: string;
  readonly stream?: string;
  readonly status?: string;
  readonly id?: string;
  readonly progress?: string;
}

/** Reads the engine's report to its end; an error in it, too long a silence or a time limit rejects. */
function follow(
  docker: Docker,
  stream: NodeJS.ReadableStream,
  stop: AbortController,
  limitMs: number,
  progress: Progress,
  silenceMs: number = limitMs,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (error: Error): void => {
      stop.abort();
      (stream as NodeJS.ReadableStream & { destroy(): void }).destroy();
      finish(error);
    };
    const silent = (): void => end(new Error(`no answer from the registry for ${formatDuration(silenceMs)}`));
    const onInterrupt = (): void => end(new Error("interrupted"));
    const limit = setTimeout(() => end(new Error(`not finished within ${formatDuration(limitMs)}`)), limitMs);
    let silence = setTimeout(silent, silenceMs);
    interrupted.addEventListener("abort", onInterrupt, { once: true });
    const finish = (error?: Error | null): void => {
      clearTimeout(limit);
      clearTimeout(silence);
      interrupted.removeEventListener("abort", onInterrupt);
      if (error) reject(error);
      else resolve();
    };
    const modem = docker.modem as {
      followProgress(from: NodeJS.ReadableStream, done: (error: Error | null) => void, event: (event: EngineEvent) => void): void;
    };
    modem.followProgress(
      stream,
      (error) => finish(error),
      (event) => {
        // The engine reports a failed build as an event of a stream that ends well.
        if (event.error !== undefined) {
          end(new Error(event.error));
          return;
        }
        clearTimeout(silence);
        silence = setTimeout(silent, silenceMs);
        progress.detail([event.id, event.status, event.progress, event.stream].filter(Boolean).join(" "));
      },
    );
  });
}

function splitTag(name: string): [string, string] {
  const colon = name.lastIndexOf(":");
  return [name.slice(0, colon), name.slice(colon + 1)];
}

/** The engine's own words, without what the client library puts around them. */
function reasonOf(error: unknown): string {
  const [line = ""] = messageOf(error).split("\n");
  return line.replace(/^\(HTTP code \d+\) [a-z ]+ - /, "").trim();
}
