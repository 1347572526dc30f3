import type Docker from "dockerode";
import { LABELS } from "./docker";
import { containerName } from "./docker-app";
import { type ExportedResource, type ExportedStack, knownObjects, removedContainers, resourceName } from "./update-recovery";

/** A container that the state has and Docker has not. */
export interface RemovedContainer {
  /** Of the resource, e.g. `app-1`. */
  readonly name: string;
  readonly service: string;
  /** Its name within its service, e.g. `kafka-2`; empty where it has none. */
  readonly node: string;
}

/** A container that runs outside of networks that it was put into: it may be healthy, and nobody reaches it. */
export interface CutOffContainer {
  readonly name: string;
  readonly service: string;
  readonly networks: readonly string[];
}

/** What a stack's state says and Docker does not have. */
export interface Absences {
  readonly removed: readonly RemovedContainer[];
  readonly cutOff: readonly CutOffContainer[];
  /** Names of containers that an update has replaced and deletes next: that they take their leave is as it should be. */
  readonly leaving: readonly string[];
}

/** Whether a container with these labels is meant to run, and not only to carry files or to do one thing, once. */
type Serves = (container: { readonly Labels: Readonly<Record<string, string>> }) => boolean;

/**
 * Compares a stack's state with its containers.
 * @param all of them, in whatever state
 * @param serves only those for which it says so count
 */
export function absences(exported: ExportedStack, all: readonly Docker.ContainerInfo[], serves: Serves): Absences {
  const resources = new Map((exported.deployment?.resources ?? []).map((resource) => [resource.id, resource]));
  const isLeaving = ({ Id }: Docker.ContainerInfo): boolean => resources.get(Id)?.delete === true;
  return {
    removed: removed(exported, all, serves),
    cutOff: all
      .filter((info) => info.State === "running" && serves(info) && !isLeaving(info))
      .map((info) => ({
        name: containerName(info),
        service: info.Labels[LABELS.service] ?? "",
        networks: missingNetworks(resources.get(info.Id), info),
      }))
      .filter(({ networks }) => networks.length > 0),
    leaving: all.filter(isLeaving).map(containerName),
  };
}

function removed(exported: ExportedStack, all: readonly Docker.ContainerInfo[], serves: Serves): RemovedContainer[] {
  const known = knownObjects(exported);
  const unknown = all.filter(({ Id }) => !known.has(Id)).map(containerName);
  return (
    removedContainers(exported, new Set(all.map(({ Id }) => Id)))
      .filter((resource) => resource.delete !== true)
      .map((resource) => ({ name: resourceName(resource.urn), Labels: labelsOf(resource) }))
      .filter(serves)
      // An update that makes it anew is in no state before the new one is healthy, and that one is shown: Pulumi adds to the resource's name.
      .filter(({ name }) => !unknown.some((made) => made.startsWith(`${name}-`)))
      .map(({ name, Labels }) => ({ name, service: Labels[LABELS.service] ?? "", node: Labels[LABELS.node] ?? "" }))
  );
}

/** Labels as the Docker provider keeps them: a list of `label` and `value`. One that is secret, encrypted here, is left out. */
function labelsOf({ outputs }: ExportedResource): Record<string, string> {
  const pairs = entriesOf(outputs?.["labels"]).map(({ label, value }) => [label, value]);
  return Object.fromEntries(pairs.filter((pair): pair is [string, string] => pair.every((part) => typeof part === "string")));
}

/** The provider, the official one too, does not compare these: neither a preview nor a refresh finds it (drift/read.ts). */
function missingNetworks(resource: ExportedResource | undefined, { NetworkSettings: { Networks: has } }: Docker.ContainerInfo): string[] {
  const wanted = entriesOf(resource?.outputs?.["networksAdvanced"]).map(({ name }) => name);
  const ids = Object.values(has).map(({ NetworkID }) => NetworkID);
  return wanted.filter((name): name is string => typeof name === "string" && has[name] === undefined && !ids.includes(name));
}

function entriesOf(list: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(list) ? (list as Readonly<Record<string, unknown>>[]) : [];
}
