import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import type Docker from "dockerode";

/** How many of a container's last lines an error carries. */
const ERROR_LINES = 20;

/** Everything a container printed, or its last lines. */
export async function logsOf(container: Docker.Container, tty: boolean, lines?: number): Promise<string> {
  const raw = await container.logs({ stdout: true, stderr: true, ...(lines === undefined ? {} : { tail: lines }) });
  if (tty) return raw.toString("utf8");
  const merged = new PassThrough();
  const collected = text(merged);
  const source = new PassThrough();
  // dockerode leaves the modem untyped.
  const modem = container.modem as { demuxStream(from: NodeJS.ReadableStream, out: PassThrough, err: PassThrough): void };
  modem.demuxStream(source, merged, merged);
  source.once("end", () => merged.end());
  source.end(raw);
  return await collected;
}

/** The end of a container's log as part of an error message; says so when it cannot be read or is empty. */
export async function logExcerpt(container: Docker.Container, tty: boolean): Promise<string> {
  try {
    const lines = (await logsOf(container, tty, ERROR_LINES)).trimEnd();
    return lines === "" ? "The container printed nothing." : `Its last log lines:\n${lines.replace(/^/gm, "    ")}`;
  } catch (error) {
    return `Its log cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}
