import * as pulumi from "@pulumi/pulumi";
import { PATRONI_PORT } from "../components/local/postgres";
import { type DockerEndpoint, dockerEndpoint, type EndpointSettings, programSettings } from "./docker-endpoint";
import { dockerCommand, dockerRequest, isSsh } from "./docker-request";

/** Asks Patroni from inside of a node, with nothing but bash: any node knows the whole cluster. */
const ASK = `exec 3<>/dev/tcp/127.0.0.1/${PATRONI_PORT} && printf 'GET /cluster HTTP/1.0\\r\\n\\r\\n' >&3 && timeout 2 cat <&3`;

/**
 * The Postgres node that is primary now, e.g. `pg-2`; `undefined` when there is no cluster, or none that answers. Only the order of an
 * update depends on it, so not knowing it is no reason to refuse one.
 */
export async function currentPrimary(settings: EndpointSettings = programSettings()): Promise<string | undefined> {
  try {
    const endpoint = dockerEndpoint(settings);
    return isSsh(endpoint) ? primaryIn(await dockerCommand(endpoint, commandLine())) : await askEach(endpoint);
  } catch {
    return undefined;
  }
}

function filters(): string[] {
  return [`phased-stack.project=${pulumi.getProject()}`, `phased-stack.stack=${pulumi.getStack()}`, "phased-stack.service=postgres"];
}

/** One node after the other, until one answers. */
async function askEach(endpoint: DockerEndpoint): Promise<string | undefined> {
  const query = encodeURIComponent(JSON.stringify({ label: filters(), status: ["running"] }));
  const nodes = JSON.parse(await dockerRequest(endpoint, `/containers/json?filters=${query}`)) as readonly { readonly Id: string }[];
  for (const { Id } of nodes) {
    const primary = primaryIn(await execute(endpoint, Id).catch(() => ""));
    if (primary !== undefined) return primary;
  }
  return undefined;
}

async function execute(endpoint: DockerEndpoint, container: string): Promise<string> {
  const command = { AttachStdout: true, AttachStderr: false, Tty: true, Cmd: ["bash", "-c", ASK] };
  const { Id } = JSON.parse(await dockerRequest(endpoint, `/containers/${container}/exec`, command)) as { readonly Id: string };
  // With a terminal the answer is the output as it is; without, it comes in frames.
  return await dockerRequest(endpoint, `/exec/${Id}/start`, { Detach: false, Tty: true });
}

/** The same for a shell: asks all running nodes, of whose answers the first will do. */
function commandLine(): string {
  const list = ["docker ps --quiet", ...filters().map((label) => `--filter 'label=${label}'`)].join(" ");
  return `for node in $(${list}); do docker exec "$node" bash -c ${quoted(ASK)}; done`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Name of the leader in an answer of `GET /cluster`, head and all. */
export function primaryIn(answer: string): string | undefined {
  const [member] = answer.match(/\{[^{}]*"role":\s*"(?:leader|primary)"[^{}]*\}/) ?? [];
  return /"name":\s*"(?<name>[a-z0-9-]+)"/.exec(member ?? "")?.groups?.["name"];
}
