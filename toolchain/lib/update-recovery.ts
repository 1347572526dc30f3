import type Docker from "dockerode";
import { stopContainer } from "./docker";
import { containerName, type StackOnDocker, stackContainers } from "./docker-app";

/** One resource of {@link ExportedStack}. */
export interface ExportedResource {
  readonly urn: string;
  readonly type: string;
  readonly id?: string;
  readonly protect?: boolean;
  /** Replaced already, and to be deleted. */
  readonly delete?: boolean;
  /** Why it did not come up when it was made. */
  readonly initErrors?: readonly string[];
  readonly outputs?: Readonly<Record<string, unknown>>;
}

/** What is needed of `pulumi stack export`. */
export interface ExportedStack {
  readonly deployment?: {
    readonly resources?: readonly ExportedResource[];
    readonly pending_operations?: readonly { readonly type: string; readonly resource: { readonly urn: string; readonly type: string } }[];
  };
}

/** The phase that the last update brought about, as far as it got to its outputs. */
export function deployedPhase(stack: ExportedStack): string | undefined {
  const root = (stack.deployment?.resources ?? []).find(({ type }) => type === "pulumi:pulumi:Stack");
  const phase = root?.outputs?.["phase"];
  return typeof phase === "string" ? phase : undefined;
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

/** Containers that the state has and Docker has not: somebody removed them. @param existing ids of the stack's containers */
export function removedContainers(stack: ExportedStack, existing: ReadonlySet<string>): ExportedResource[] {
  const containers = (stack.deployment?.resources ?? []).filter(({ type }) => type === "docker:index/container:Container");
  // Docker itself removes one with `rm` once its program has ended.
  return containers.filter(({ id, outputs }) => !existing.has(id ?? "") && outputs?.["rm"] !== true);
}

/** A stack as Docker's side of the toolchain needs it, from its state. */
export function stackOnDocker(name: string, exported: ExportedStack): StackOnDocker {
  return { name, known: knownObjects(exported) };
}

/** Names and ids of Docker objects that the state knows. */
export function knownObjects(stack: ExportedStack): ReadonlySet<string> {
  const docker = (stack.deployment?.resources ?? []).filter((resource) => resource.type.startsWith("docker:"));
  const names = docker.flatMap((resource) => [resource.id, resource.outputs?.["name"]]);
  return new Set(names.filter((name): name is string => typeof name === "string" && name !== ""));
}

/** URNs of the containers, networks and volumes that the state has and Docker should have. */
export function dockerObjects(stack: ExportedStack): string[] {
  const kinds = ["container:Container", "network:Network", "volume:Volume"].map((kind) => `docker:index/${kind}`);
  const resources = (stack.deployment?.resources ?? []).filter(({ type }) => kinds.includes(type));
  // Docker itself removes a container with `rm` once its program has ended.
  return resources.filter(({ id, outputs }) => (id ?? "") !== "" && outputs?.["rm"] !== true).map(({ urn }) => urn);
}

/** What a stack has its data in, other than volumes of a Docker host: AWS' stores, claims and namespaces of Kubernetes. */
const STORES =
  /^aws:(?:rds\/instance|s3\/bucket|elasticache\/replicationGroup|msk\/cluster):|^kubernetes:core\/v1:(?:PersistentVolumeClaim|Namespace)$/;

/** Names of a stack's stores of data that are not on a Docker host. */
export function remoteStores(stack: ExportedStack): string[] {
  return (stack.deployment?.resources ?? []).filter(({ type }) => STORES.test(type)).map(({ urn }) => resourceName(urn));
}

/** A container that an interrupted update made and that is in no state. */
export interface Orphan {
  readonly id: string;
  readonly name: string;
}

/**
 * Containers on the stack's network or volumes that its state does not know. Networks and volumes are never among them: nothing tells
 * whose they are, and volumes may hold data.
 */
export async function findOrphans(docker: Docker, stack: StackOnDocker): Promise<Orphan[]> {
  const containers = (await stackContainers(docker, stack)).map((info) => ({ id: info.Id, name: containerName(info) }));
  return containers.filter(({ id, name }) => !stack.known.has(id) && !stack.known.has(name));
}

/** Lets each end in its own way first: an instance of the app that came up after its update was killed answers requests, whether or not a state knows it. */
export async function removeOrphans(docker: Docker, orphans: readonly Orphan[]): Promise<void> {
  const remove = async ({ id }: Orphan): Promise<void> => {
    const container = docker.getContainer(id);
    await stopContainer(container);
    await container.remove({ force: true, v: true });
  };
  await Promise.all(orphans.map(remove));
}
