import type Docker from "dockerode";
import { LABELS } from "./docker";
import { containerName, stackContainers } from "./docker-app";

/** What is needed of `pulumi stack export`. */
export interface ExportedStack {
  readonly deployment?: {
    readonly resources?: readonly {
      readonly urn: string;
      readonly type: string;
      readonly id?: string;
      readonly protect?: boolean;
      /** Why it did not come up when it was made. */
      readonly initErrors?: readonly string[];
      readonly outputs?: Readonly<Record<string, unknown>>;
    }[];
    readonly pending_operations?: readonly { readonly type: string; readonly resource: { readonly urn: string; readonly type: string } }[];
  };
}

/** Last part of a URN: the resource's name in the program. */
export function resourceName(urn: string): string {
  return urn.slice(urn.lastIndexOf("::") + 2);
}

/** An update that was ended in the middle leaves operations of which nobody knows whether they took place. */
export interface PendingOperation {
  /** `creating`, `updating`, `deleting`, … */
  readonly operation: string;
  readonly urn: string;
}

export function pendingOperations(stack: ExportedStack): PendingOperation[] {
  return (stack.deployment?.pending_operations ?? []).map(({ type, resource }) => ({ operation: type, urn: resource.urn }));
}

/** Names of resources that were made and did not come up, e.g. a container whose port was taken. */
export function failedResources(stack: ExportedStack): string[] {
  return (stack.deployment?.resources ?? []).filter(({ initErrors }) => (initErrors ?? []).length > 0).map(({ urn }) => resourceName(urn));
}

/** Names and ids of Docker objects that the state knows. */
export function knownObjects(stack: ExportedStack): ReadonlySet<string> {
  const docker = (stack.deployment?.resources ?? []).filter((resource) => resource.type.startsWith("docker:"));
  const names = docker.flatMap((resource) => [resource.id, resource.outputs?.["name"]]);
  return new Set(names.filter((name): name is string => typeof name === "string" && name !== ""));
}

/** What was made by an interrupted update and is in no state. */
export interface Orphans {
  readonly containers: readonly { readonly id: string; readonly name: string }[];
  readonly networks: readonly { readonly id: string; readonly name: string }[];
}

/** Containers and networks with the stack's label that its state does not know. Volumes are never among them: they may hold data. */
export async function findOrphans(docker: Docker, stack: string, exported: ExportedStack): Promise<Orphans> {
  const known = knownObjects(exported);
  const containers = (await stackContainers(docker, stack)).map((info) => ({ id: info.Id, name: containerName(info) }));
  const networks = (await docker.listNetworks({ filters: { label: [`${LABELS.stack}=${stack}`] } })).map((info) => ({
    id: info.Id,
    name: info.Name,
  }));
  const unknown = ({ id, name }: { id: string; name: string }): boolean => !known.has(id) && !known.has(name);
  return { containers: containers.filter(unknown), networks: networks.filter(unknown) };
}

export async function removeOrphans(docker: Docker, orphans: Orphans): Promise<void> {
  for (const { id } of orphans.containers) await docker.getContainer(id).remove({ force: true, v: true });
  for (const { id } of orphans.networks) await docker.getNetwork(id).remove();
}
