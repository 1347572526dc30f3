import { stripAnsi } from "../lib/update-failures";

/** A property that is not as it was deployed; `undefined` for a value that is not there. */
export interface ChangedProperty {
  /** As Pulumi names it, with the path inside: `memory`, `tags.Name`. */
  readonly property: string;
  readonly deployed: unknown;
  readonly now: unknown;
}

/** A resource that was changed behind Pulumi's back. */
export interface DriftedResource {
  readonly urn: string;
  readonly type: string;
  /** Name in the program. */
  readonly name: string;
  /** Name where it lives (of the container, network, …), where it has one. */
  readonly physicalName: string | undefined;
  /** `disconnected`: a container without a network that it should be in, which the provider does not compare. */
  readonly kind: "removed" | "changed" | "disconnected";
  readonly properties: readonly ChangedProperty[];
}

/** What an update would do beside putting drift right: the program or its configuration are not those that were deployed. */
export interface PendingChange {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  /** Pulumi's word: `create`, `update`, `replace`, `delete`. */
  readonly operation: string;
  readonly properties: readonly string[];
}

/** What a preview with `--refresh` found. */
export interface Drift {
  readonly drift: readonly DriftedResource[];
  readonly pending: readonly PendingChange[];
  /** Names of resources that differ, of which that says nothing: containers that did their one thing and stay as its record. */
  readonly leftOut: readonly string[];
  /** Errors of the program, the engine and the plugins. */
  readonly errors: readonly string[];
  /** Whether the preview got to its end: without that, nothing found proves nothing. */
  readonly finished: boolean;
}

type Outputs = Readonly<Record<string, unknown>>;

interface Metadata {
  readonly op: string;
  readonly urn: string;
  readonly type: string;
  readonly old?: { readonly outputs?: Outputs } | null;
  readonly new?: { readonly outputs?: Outputs } | null;
  readonly diffs?: readonly string[] | null;
  readonly detailedDiff?: Readonly<Record<string, unknown>> | null;
}

/** The events that matter here, of apitype.EngineEvent. */
interface EngineEvent {
  readonly resourcePreEvent?: { readonly metadata: Metadata };
  readonly resOutputsEvent?: { readonly metadata: Metadata };
  readonly diagnosticEvent?: { readonly message?: string; readonly severity?: string };
  readonly summaryEvent?: { readonly result?: string };
}

/** Steps that change nothing; those of a replacement are told once, as `replace`. */
const NO_CHANGE = new Set(["same", "refresh", "read", "create-replacement", "delete-replaced", "discard", "discard-replaced"]);

/** A child of what moves rows, or migrates: it has ended, and the next update only looks whether that was done. */
const FINISHED = /phased-stack:local:(?:DataMove|Migrate)\$[^:]+:/;

/**
 * Reads the event log of `pulumi preview --refresh` (one JSON object a line, of which the last may be cut off).
 *
 * The engine first refreshes: a step `refresh` a resource, whose result has the old and the new outputs and what of them counts as a difference.
 * Then it compares the program with that. What differed at the refresh and is to be changed now is drift; what is only to be changed now is not.
 */
export function readDrift(log: string): Drift {
  const refreshed = new Map<string, Metadata>();
  const planned = new Map<string, Metadata>();
  const errors = new Set<string>();
  let finished = false;
  // What follows the last line break is nothing, or cut off.
  for (const line of log.split("\n").slice(0, -1)) {
    const { resourcePreEvent, resOutputsEvent, diagnosticEvent, summaryEvent } = JSON.parse(line) as EngineEvent;
    const step = resourcePreEvent?.metadata;
    if (step !== undefined && !NO_CHANGE.has(step.op)) planned.set(step.urn, step);
    const result = resOutputsEvent?.metadata;
    if (result?.op === "refresh") refreshed.set(result.urn, result);
    if (diagnosticEvent?.severity === "error") errors.add(stripAnsi(diagnosticEvent.message ?? "").trim());
    if (summaryEvent !== undefined) finished = summaryEvent.result !== "failed";
  }
  const all = [...refreshed.values()].flatMap((result) => drifted(result, planned.has(result.urn)));
  const known = new Set(all.filter(({ kind }) => kind !== "disconnected").map(({ urn }) => urn));
  const changes = [...planned.values()].filter(({ urn }) => !known.has(urn)).map(pendingChange);
  const counts = ({ urn }: { readonly urn: string }): boolean => !FINISHED.test(urn);
  const [drift, pending] = [all.filter(counts), changes.filter(counts)];
  const leftOut = [...all, ...changes].filter((one) => !counts(one)).map(({ name }) => name);
  return { drift, pending, leftOut, errors: [...errors], finished };
}

function drifted(result: Metadata, isPlanned: boolean): DriftedResource[] {
  const deployed = result.old?.outputs ?? {};
  const of = (kind: DriftedResource["kind"], properties: readonly ChangedProperty[]): DriftedResource => {
    const name = deployed["name"];
    return {
      ...{ urn: result.urn, type: result.type, name: nameOf(result.urn) },
      physicalName: typeof name === "string" ? name : undefined,
      ...{ kind, properties },
    };
  };
  if (result.old && !result.new) return [of("removed", [])];
  const now = result.new?.outputs ?? {};
  const properties = changedProperties(result).map((property) => ({ property, deployed: at(deployed, property), now: at(now, property) }));
  // A difference that the update leaves alone is one that the program ignores on purpose, e.g. how far an autoscaler has gone.
  const changed = properties.length > 0 && isPlanned ? [of("changed", properties)] : [];
  const missing = missingNetworks(result.type, now);
  return [...changed, ...(missing.length === 0 ? [] : [of("disconnected", [{ property: "networks", deployed: missing, now: [] }])])];
}

function changedProperties({ detailedDiff, diffs }: Metadata): readonly string[] {
  return detailedDiff ? Object.keys(detailedDiff) : (diffs ?? []);
}

/**
 * Networks that a running container was put into and is not in. The Docker provider, the official one too, never compares these two: a preview
 * says that nothing changed.
 */
function missingNetworks(type: string, outputs: Outputs): string[] {
  if (!type.startsWith("docker:") || outputs["mustRun"] !== true) return [];
  const wanted = names(outputs["networksAdvanced"], "name");
  const has = new Set(names(outputs["networkDatas"], "networkName"));
  return wanted.filter((name) => !has.has(name));
}

function names(list: unknown, key: string): string[] {
  const entries = Array.isArray(list) ? (list as Readonly<Record<string, unknown>>[]) : [];
  return entries.map((entry) => entry[key]).filter((name): name is string => typeof name === "string");
}

function pendingChange(step: Metadata): PendingChange {
  return { urn: step.urn, type: step.type, name: nameOf(step.urn), operation: step.op, properties: changedProperties(step) };
}

/** The value at a path of a detailed diff: `ports[0].external`, `tags["a.b"]`. */
function at(outputs: Outputs, path: string): unknown {
  const steps = [...path.matchAll(/\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.[\]]+)/g)].map(
    ([, quoted, index, plain]) => quoted ?? index ?? plain ?? "",
  );
  return steps.reduce<unknown>((value, step) => (value as Readonly<Record<string, unknown>> | null | undefined)?.[step], outputs);
}

function nameOf(urn: string): string {
  return urn.split("::").slice(3).join("::");
}
