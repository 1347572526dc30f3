import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import type Docker from "dockerode";
import { pack } from "tar-stream";
import { messageOf } from "../../../lib/errors";
import type { Properties } from "../../shared/values";
import { daemonMessage } from "../client";
import { flagOf, textOf } from "../resource";
import { uploadProblem } from "../schema/container";

/** Writes one file into a container that is not running yet. */
export async function upload(container: Docker.Container, file: Properties): Promise<void> {
  const problem = uploadProblem(file);
  if (problem !== undefined) throw new Error(problem);
  const archive = pack();
  const permissions = textOf(file["permissions"]);
  const mode = permissions === "" ? (flagOf(file["executable"]) ? 0o744 : 0o644) : parseInt(permissions, 8);
  archive.entry({ name: textOf(file["file"]), mode, mtime: new Date() }, await contentOf(file));
  archive.finalize();
  try {
    await container.putArchive(await buffer(archive), { path: "/" });
  } catch (error) {
    throw new Error(`Unable to upload volume content: ${daemonMessage(error)}`, { cause: error });
  }
}

async function contentOf(file: Properties): Promise<Buffer> {
  const source = textOf(file["source"]);
  if (source !== "") {
    try {
      return await readFile(source);
    } catch (error) {
      throw new Error(`could not read file: ${messageOf(error)}`, { cause: error });
    }
  }
  const encoded = textOf(file["contentBase64"]);
  return encoded === "" ? Buffer.from(textOf(file["content"]), "utf8") : Buffer.from(encoded, "base64");
}
