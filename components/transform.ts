import type * as pulumi from "@pulumi/pulumi";

/**
 * Changes the arguments of one child resource just before it is created: values to set, or a function that edits them.
 * The escape hatch for what a component does not offer itself.
 */
export type Transform<Args> = Partial<Args> | ((args: Args, opts: pulumi.CustomResourceOptions, name: string) => void);

/** Applies a user's transform; returns what the child is created with. */
export function transformed<Args extends object>(
  transform: Transform<Args> | undefined,
  name: string,
  args: Args,
  opts: pulumi.CustomResourceOptions,
): [name: string, args: Args, opts: pulumi.CustomResourceOptions] {
  if (typeof transform === "function") {
    const [ownArgs, ownOpts] = [{ ...args }, { ...opts }];
    transform(ownArgs, ownOpts, name);
    return [name, ownArgs, ownOpts];
  }
  return [name, { ...args, ...transform }, opts];
}

/**
 * What a component was told to wait for, as a list to give to one of its children: only what is created in the end has to wait, and a child
 * by itself knows nothing of its parent's `dependsOn`. Pulumi takes a promise of a list for an item as well, which its types do not say.
 */
export function listed(dependsOn: pulumi.ResourceOptions["dependsOn"]): pulumi.Input<pulumi.Resource>[] {
  if (dependsOn === undefined) return [];
  return Array.isArray(dependsOn) ? [...dependsOn] : [dependsOn as pulumi.Input<pulumi.Resource>];
}
