import * as pulumi from "@pulumi/pulumi";
import { dockerEndpoint, type EndpointSettings, programSettings } from "./docker-endpoint";
import { dockerCommand, dockerRequest, isSsh } from "./docker-request";

/**
 * Whether there are volumes of Postgres nodes or of their backups, with or without a container: what phase `cluster` would delete. An engine that
 * does not answer may have them.
 */
export async function postgresVolumes(settings: EndpointSettings = programSettings()): Promise<boolean> {
  return await mayHave("postgres", settings);
}

/**
 * Whether there is the volume of Grafana, with or without a container: what an update without Grafana would delete. An engine that does not answer
 * may have it.
 */
export async function grafanaVolume(settings: EndpointSettings = programSettings()): Promise<boolean> {
  return await mayHave("grafana", settings);
}

async function mayHave(service: string, settings: EndpointSettings): Promise<boolean> {
  const volumes = await volumesOf(settings, `phased-stack.service=${service}`).catch(() => undefined);
  return volumes === undefined || volumes.length > 0;
}

/** What an engine that is not there answers with. */
const NOBODY: readonly (string | undefined)[] = ["ENOENT", "ECONNREFUSED", "EACCES"];

/**
 * Refuses phase `cloud` for a stack with data on a Docker host: the update would delete its volumes, after making an empty database in the cloud.
 * Most who deploy to a cloud have no engine, and one that cannot be looked at is only warned of.
 * @throws RunError before anything is registered.
 */
export async function checkNothingOnDocker(settings: EndpointSettings = programSettings()): Promise<void> {
  const stack = pulumi.getStack();
  let volumes: readonly string[];
  try {
    volumes = await volumesOf(settings);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (NOBODY.includes(code)) return;
    await pulumi.log.warn(
      `whether Docker has volumes of stack ${stack}, which phase cloud would delete, could not be looked at: ${message}`,
    );
    return;
  }
  if (volumes.length === 0) return;
  const shown = volumes.slice(0, 3).join(", ");
  const more = volumes.length > 3 ? ` and ${volumes.length - 3} more` : "";
  throw new pulumi.RunError(
    `Docker has volumes of stack ${stack} (${shown}${more}), and phase cloud would delete what is in them: rows, documents and backups. ` +
      "Fix: set the phase back, make another stack for the cloud (pulumi stack init NAME) and carry the rows over (npm run migrate:data). " +
      "If they may go, or are those of another clone: pulumi config set leaveDatabase true",
  );
}

/** Names of this stack's volumes with these labels, sorted. @throws Error when the engine does not answer. */
async function volumesOf(settings: EndpointSettings, ...more: readonly string[]): Promise<string[]> {
  const endpoint = dockerEndpoint(settings);
  const labels = [`phased-stack.project=${pulumi.getProject()}`, `phased-stack.stack=${pulumi.getStack()}`, ...more];
  if (isSsh(endpoint)) {
    const chosen = labels.map((label) => `--filter 'label=${label}'`);
    const names = await dockerCommand(endpoint, ["docker volume ls --quiet", ...chosen].join(" "));
    return names.split("\n").filter(Boolean).sort();
  }
  const answer = await dockerRequest(endpoint, `/volumes?filters=${encodeURIComponent(JSON.stringify({ label: labels }))}`);
  const { Volumes } = JSON.parse(answer) as { readonly Volumes?: readonly { readonly Name: string }[] | null };
  return (Volumes ?? []).map(({ Name }) => Name).sort();
}
