import type Docker from "dockerode";
import { isObject, type Properties, type PropertyValue } from "../shared/values";
import type { RegistryLogin } from "./config";

/** What an operation on a resource may use. */
export interface Operation {
  readonly docker: Docker;
  /** Aborted when the engine cancels (Ctrl-C), when its time is over ({@link operationTimeout}), and when the plugin ends. */
  readonly signal: AbortSignal;
  readonly registryAuth: readonly RegistryLogin[];
  /** Shows a line beside the resource; `status` lines disappear with the next. */
  readonly log: (severity: "info" | "warning", message: string, status?: boolean) => void;
}

/** What Terraform's SDK gives an operation that has no custom timeout (terraform-provider-docker names the same for containers); s. */
const DEFAULT_TIMEOUT = 20 * 60;

/** For how long an operation may take. @param asked its `customTimeouts`, s; 0: none @returns s; undefined: as long as it takes, as image builds, which are Pulumi's own */
export function operationTimeout(type: string, asked: number): number | undefined {
  if (asked > 0) return asked;
  return type === "docker:index/image:Image" ? undefined : DEFAULT_TIMEOUT;
}

/** A resource as the state keeps it. */
export interface State {
  readonly id: string;
  readonly outputs: Properties;
}

/** One resource type's work on the Docker Engine. */
export interface Resource {
  create(inputs: Properties, operation: Operation): Promise<State>;
  /** The state as Docker has it now; undefined when there is no such object any more. An import has empty `outputs`. */
  read(state: State, operation: Operation): Promise<State | undefined>;
  /** The outputs after an update in place; `outputs` are what the state would be. Absent where every change replaces. */
  update?(id: string, olds: Properties, outputs: Properties, operation: Operation): Promise<Properties>;
  delete(state: State, operation: Operation): Promise<void>;
  /** Why this type cannot be imported. */
  readonly importRefused?: string;
}

/** Something exists and did not come up: the engine keeps it in the state and shows the reasons. */
export class InitializationError extends Error {
  readonly state: State;

  constructor(message: string, state: State) {
    super(message);
    this.name = "InitializationError";
    this.state = state;
  }
}

/** Text of a property; empty when it was not said. */
export function textOf(value: PropertyValue | undefined): string {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : "";
}

/** Number of a property; 0 when it was not said. */
export function numberOf(value: PropertyValue | undefined): number {
  return typeof value === "number" || typeof value === "string" ? Number(value) : 0;
}

/** Truth of a property; false when it was not said. */
export function flagOf(value: PropertyValue | undefined): boolean {
  return value === true || value === "true";
}

/** Texts of a list. */
export function textsOf(value: PropertyValue | undefined): string[] {
  return Array.isArray(value) ? value.map(textOf) : [];
}

/** Objects of a list. */
export function objectsOf(value: PropertyValue | undefined): Properties[] {
  return Array.isArray(value) ? (value as Properties[]) : [];
}

/** Texts by key. */
export function mapOf(value: PropertyValue | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries((value ?? {}) as Properties).map(([key, item]) => [key, textOf(item)]));
}

/** `labels` in Docker's form. */
export function labelsOf(value: PropertyValue | undefined): Record<string, string> {
  return Object.fromEntries(objectsOf(value).map((label) => [textOf(label["label"]), textOf(label["value"])]));
}

/** Docker's labels in the form of `labels`. */
export function labelList(labels: Record<string, string> | null | undefined): Properties[] {
  return Object.entries(labels ?? {}).map(([label, value]) => ({ label, value }));
}

/** Properties without the gaps that Docker's answers have: absent and null values at any depth. */
export function withoutGaps(properties: Properties): Properties {
  const filled: Properties = {};
  for (const [key, value] of Object.entries(properties as Record<string, PropertyValue | null | undefined>)) {
    if (value === null || value === undefined) continue;
    filled[key] = Array.isArray(value)
      ? value.map((item) => (isObject(item) ? withoutGaps(item) : item))
      : isObject(value)
        ? withoutGaps(value)
        : value;
  }
  return filled;
}
