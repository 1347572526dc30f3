import * as pulumi from "@pulumi/pulumi";
import type { PricedResource } from "../../components/aws/pricing";

/** Stands for an input that is known later only, so that it still can be seen that there is one. */
export const KNOWN_LATER = Object.freeze({ knownLater: true });

/**
 * Records what the program registers from now on, for the cost estimate: types, names, and the inputs that are plain values. Outputs are
 * {@link KNOWN_LATER}, because nobody knows them in a preview; what costs follow from is plain in every component. The list grows while the
 * program runs, and is complete when its function returns: no resource is made later.
 * @throws Error outside of a Pulumi program, which has no stack.
 */
export function recordGraph(): readonly PricedResource[] {
  const resources: PricedResource[] = [];
  pulumi.runtime.registerStackTransformation(({ type, name, props }) => {
    resources.push({ type, name, inputs: plain(props) as Record<string, unknown> });
    return undefined;
  });
  return resources;
}

/** The value with a mark for what is known later only. */
function plain(value: unknown): unknown {
  if (value === null || typeof value !== "object") return typeof value === "function" ? undefined : value;
  if (pulumi.Output.isInstance(value) || pulumi.Resource.isInstance(value) || value instanceof Promise) return KNOWN_LATER;
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}
