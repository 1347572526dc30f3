import * as pulumi from "@pulumi/pulumi";
import { PATRONI_PORT } from "../../components/local/postgres";
import { npmCommand } from "../lib/npm-command";
import { type DockerEndpoint, dockerEndpoint, type EndpointSettings, programSettings } from "./docker-endpoint";
import { executeIn, quoted } from "./docker-exec";
import { dockerCommand, dockerRequest, isSsh } from "./docker-request";

/** Asks Patroni from inside of a node, with nothing but bash: any node knows the whole cluster. */
const ASK = `exec 3<>/dev/tcp/127.0.0.1/${PATRONI_PORT} && printf 'GET /cluster HTTP/1.0\\r\\n\\r\\n' >&3 && timeout 2 cat <&3`;

/** The cluster of Postgres nodes as it is before an update. */
export interface CurrentCluster {
  /** There is no node at all: the update makes the first ones. */
  readonly firstStart: boolean;
  /** The node that is primary, e.g. `pg-2`; `undefined` when none says so. */
  readonly primary: string | undefined;
}

/** Printed by {@link commandLine} when there is no node. */
const NO_NODE = "no node";

/**
 * Looks at this stack's Postgres nodes. Only the order of an update depends on it, so an engine that does not answer is no reason to
 * refuse one: it then takes the longer way, node by node.
 */
export async function currentCluster(settings: EndpointSettings = programSettings()): Promise<CurrentCluster> {
  try {
    const endpoint = dockerEndpoint(settings);
    if (!isSsh(endpoint)) return await askEach(endpoint);
    const answers = await dockerCommand(endpoint, commandLine());
    return { firstStart: answers.trim() === NO_NODE, primary: primaryIn(answers) };
  } catch {
    return { firstStart: false, primary: undefined };
  }
}

function filters(): string[] {
  return [`phased-stack.project=${pulumi.getProject()}`, `phased-stack.stack=${pulumi.getStack()}`, "phased-stack.service=postgres"];
}

/** One node after the other, until one answers. */
async function askEach(endpoint: DockerEndpoint): Promise<CurrentCluster> {
  const query = encodeURIComponent(JSON.stringify({ label: filters() }));
  const list = await dockerRequest(endpoint, `/containers/json?all=true&filters=${query}`);
  const nodes = JSON.parse(list) as readonly { readonly Id: string; readonly State: string }[];
  for (const { Id } of nodes.filter(({ State }) => State === "running")) {
    const primary = primaryIn(await executeIn(endpoint, Id, ASK).catch(() => ""));
    if (primary !== undefined) return { firstStart: false, primary };
  }
  return { firstStart: nodes.length === 0, primary: undefined };
}

/** The same for a shell: asks all running nodes, of whose answers the first will do. */
function commandLine(): string {
  const list = ["docker ps --all --quiet", ...filters().map((label) => `--filter 'label=${label}'`)].join(" ");
  const ask = `for node in $nodes; do docker exec "$node" bash -c ${quoted(ASK)}; done`;
  // A list that failed is empty as well, and does not mean that there is no node.
  return `nodes=$(${list}) || exit; [ -n "$nodes" ] || echo ${quoted(NO_NODE)}; ${ask}; true`;
}

/** Name of the leader in an answer of `GET /cluster`, head and all. */
export function primaryIn(answer: string): string | undefined {
  const [member] = answer.match(/\{[^{}]*"role":\s*"(?:leader|primary)"[^{}]*\}/) ?? [];
  return /"name":\s*"(?<name>[a-z0-9-]+)"/.exec(member ?? "")?.groups?.["name"];
}

/**
 * Refuses to remove the node that is primary. What is removed goes last: by then the proxy, PgBouncer and the operator are those of the nodes
 * that stay. The new proxy leads to nobody, and the new operator hands over from no node it does not know.
 *
 * @param nodes number of those that stay: `pg-1` to `pg-<nodes>`
 * @throws RunError before anything is registered.
 */
export function checkPrimaryStays(primary: string | undefined, nodes: number): void {
  const number = Number(/^pg-(?<number>\d+)$/.exec(primary ?? "")?.groups?.["number"] ?? 0);
  if (number <= nodes) return;
  throw new pulumi.RunError(
    `postgresNodes is ${nodes}, without ${primary ?? "it"}, which is primary: until it is removed, at the end of the update, nobody could write. ` +
      `Fix: ${npmCommand(pulumi.getStack(), "failover", "--to", "pg-1")}, then try again`,
  );
}
