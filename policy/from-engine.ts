import type { PolicyResource, ResourceValidationArgs } from "@pulumi/policy";
import { UNKNOWN, type Resource } from "./graph";

/** A resource that is about to be created or changed: its inputs are known as far as they can be, its outputs not at all. */
export function fromResourceArgs({ type, name, urn, props, opts }: ResourceValidationArgs): Resource {
  const inputs = plain(props) as Record<string, unknown>;
  const { protect, ignoreChanges } = opts;
  return {
    type,
    name,
    urn,
    parent: opts.parent ?? "",
    inputs,
    outputs: inputs,
    dependencies: [],
    propertyDependencies: {},
    protect,
    ignoreChanges,
  };
}

/**
 * The resources of a stack at the end of a preview or update.
 * @param inputs what is known of their inputs, by URN; for others the properties, which are outputs, stand for them
 */
export function fromStack(resources: readonly PolicyResource[], inputs: (urn: string) => Resource["inputs"] | undefined): Resource[] {
  return resources.map(({ type, name, urn, props, opts, parent, dependencies, propertyDependencies }) => {
    const values = plain(props) as Record<string, unknown>;
    return {
      type,
      name,
      urn,
      parent: parent?.urn ?? "",
      inputs: inputs(urn) ?? values,
      outputs: values,
      dependencies: dependencies.map((dependency) => dependency.urn),
      propertyDependencies: Object.fromEntries(
        Object.entries(propertyDependencies).map(([input, made]) => [input, made.map((each) => each.urn)]),
      ),
      protect: opts.protect,
      ignoreChanges: opts.ignoreChanges,
    };
  });
}

/** The value without the proxies that throw at what is not known yet: such a value becomes {@link UNKNOWN}. */
function plain(value: unknown): unknown {
  if (value === null || typeof value !== "object") return value;
  const keys = Object.keys(value);
  const read = (key: string): unknown => {
    try {
      return plain((value as Record<string, unknown>)[key]);
    } catch (error) {
      // The SDK's class for it is not exported; it is told by its fields.
      if (error instanceof Error && "unknownTypeSentinel" in error) return UNKNOWN;
      throw error;
    }
  };
  if (Array.isArray(value)) return keys.map(read);
  return Object.fromEntries(keys.map((key) => [key, read(key)]));
}
