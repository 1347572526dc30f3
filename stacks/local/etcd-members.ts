import * as pulumi from "@pulumi/pulumi";
import { dockerEndpoint, type EndpointSettings, programSettings } from "./docker-endpoint";
import { dockerCommand, dockerRequest, isSsh } from "./docker-request";

/**
 * How many members this stack's etcd was made of, as its containers were started; `undefined` while there is none. An engine that does not
 * answer is another's refusal: then it is not known.
 */
export async function etcdMembers(settings: EndpointSettings = programSettings()): Promise<number | undefined> {
  try {
    const endpoint = dockerEndpoint(settings);
    if (isSsh(endpoint)) return membersIn(await dockerCommand(endpoint, commandLine()));
    const query = encodeURIComponent(JSON.stringify({ label: filters() }));
    const list = await dockerRequest(endpoint, `/containers/json?all=true&filters=${query}`);
    const containers = JSON.parse(list) as readonly { readonly Command?: string | null }[];
    return membersIn(containers.map(({ Command }) => Command ?? "").join("\n"));
  } catch {
    return undefined;
  }
}

function filters(): string[] {
  return [`phased-stack.project=${pulumi.getProject()}`, `phased-stack.stack=${pulumi.getStack()}`, "phased-stack.service=etcd"];
}

function commandLine(): string {
  const chosen = filters().map((label) => `--filter 'label=${label}'`);
  return ["docker ps --all --no-trunc", ...chosen, "--format '{{.Command}}'"].join(" ");
}

/** @param commands of etcd's containers: all members are given the same list. */
function membersIn(commands: string): number | undefined {
  return /--initial-cluster=(?<members>[^\s"']+)/.exec(commands)?.groups?.["members"]?.split(",").length;
}

/**
 * Refuses another number of members than etcd was made of. Members know each other from their first start. One that is added beside a single
 * one that has data does not join it: the new ones are a majority among themselves, and so a second etcd without a key, in which a standby
 * becomes a second primary; what the first one acknowledges from then on is rewound away. Of three, a single one that is left never has a leader.
 *
 * @throws RunError before anything is registered.
 */
export function checkEtcdMembers(wanted: number, made: number | undefined): void {
  if (made === undefined || made === wanted) return;
  throw new pulumi.RunError(
    `etcdMembers is ${wanted}; allowed: ${made}, as when this stack's etcd was made: its members know each other from their first start, and ` +
      `any other number would be a second etcd with a second primary, or none. Fix: pulumi config set etcdMembers ${made}`,
  );
}
