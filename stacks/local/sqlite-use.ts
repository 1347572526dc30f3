import * as pulumi from "@pulumi/pulumi";
import { APP_PORT } from "../../components/contract";
import { dockerEndpoint, type EndpointSettings, programSettings } from "./docker-endpoint";
import { executeIn, quoted } from "./docker-exec";
import { dockerCommand, dockerRequest, isSsh } from "./docker-request";

/**
 * What the running instances do with the SQLite file of phase `cluster`: `sealed`, where one reads it and may not write, because its rows were
 * moved to Postgres; `writes`; `none`, where all are on another database, there is none, or it cannot be told (an image of the user's own, an
 * engine that does not answer).
 */
export type SqliteUse = "sealed" | "writes" | "none";

/** Asks the app from inside of its container, with nothing but bash. */
const ASK = ["/ready", "/health"]
  .map((path) => `exec 3<>/dev/tcp/127.0.0.1/${APP_PORT} && printf 'GET ${path} HTTP/1.0\\r\\n\\r\\n' >&3 && timeout 1 cat <&3`)
  .join("; ");

/** Looks at this stack's app instances before an update. */
export async function sqliteUse(settings: EndpointSettings = programSettings()): Promise<SqliteUse> {
  const labels = [`phased-stack.project=${pulumi.getProject()}`, `phased-stack.stack=${pulumi.getStack()}`, "phased-stack.service=app"];
  try {
    const endpoint = dockerEndpoint(settings);
    if (isSsh(endpoint)) {
      const list = ["docker ps --quiet", ...labels.map((label) => `--filter ${quoted(`label=${label}`)}`)].join(" ");
      return useIn(await dockerCommand(endpoint, `for id in $(${list}); do docker exec "$id" bash -c ${quoted(ASK)}; done; true`));
    }
    const query = encodeURIComponent(JSON.stringify({ label: labels }));
    const running = JSON.parse(await dockerRequest(endpoint, `/containers/json?filters=${query}`)) as readonly { readonly Id: string }[];
    const answers = running.map(({ Id }) => executeIn(endpoint, Id, ASK).catch(() => ""));
    return useIn((await Promise.all(answers)).join("\n"));
  } catch {
    return "none";
  }
}

/** Exported for tests. @param answers of all instances, to `GET /ready` and `GET /health`, heads and all */
export function useIn(answers: string): SqliteUse {
  const kindIn = (text: string): string | undefined => /"database":\s*\{\s*"kind":\s*"(\w+)"/.exec(text)?.[1];
  // On the way back to phase cluster it is Postgres whose rows were moved.
  const moved = [...answers.matchAll(/\{"status":\s*"moved"\}/g)].map(({ index }) => kindIn(answers.slice(index)));
  if (moved.some((kind) => kind !== "postgres")) return "sealed";
  return /"database":\s*\{\s*"kind":\s*"sqlite"/.test(answers) ? "writes" : "none";
}
