import { existsSync, readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

import type { ProviderDefinition, ResourceType } from "./provider";
import { checkAgainst } from "./typings/check";
import { Declarations, type ResourceDeclaration } from "./typings/declarations";
import { UNKNOWN, type Properties } from "./values";

/** Where a resource type is declared in its npm package: a file without `.d.ts`, and the class in it. */
export interface Place {
  readonly file: string;
  readonly name: string;
}

/** What differs between the preview-only stand-ins. */
export interface PreviewOnlyProvider {
  /** As in `pulumi-resource-NAME` and `@pulumi/NAME`. */
  readonly name: string;
  /** The declaration of a token; undefined for a token of no known form. */
  readonly locate: (token: string, packageRoot: string) => Place | undefined;
  /** Whether a token that is declared nowhere may stand for a type all the same, as Kubernetes' custom resources do. */
  readonly acceptsUndeclared?: (token: string) => boolean;
  /** A last hand on a preview's outputs. */
  readonly outputs?: (outputs: Properties) => Properties;
}

/**
 * A provider that only previews: inputs are checked against the declarations of the pinned npm package, outputs are the inputs and "not known yet" for all
 * others. Needs no credentials and reaches nothing. Whatever would change or look at the real thing is refused.
 */
export function previewOnly({ name, locate, acceptsUndeclared, outputs = (all) => all }: PreviewOnlyProvider): ProviderDefinition {
  const manifest = createRequire(__filename).resolve(`@pulumi/${name}/package.json`);
  const root = path.dirname(manifest);
  const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };
  const known = new Map<string, Promise<ResourceType>>();
  let declarations: Promise<Declarations> | undefined;

  const load = async (token: string): Promise<ResourceType> => {
    declarations ??= Declarations.open(root);
    const place = locate(token, root);
    const declaration = place && (await declarations).resource(place.file, place.name);
    if (declaration === undefined && acceptsUndeclared?.(token) !== true) {
      throw new Error(`${token} is no resource type of @pulumi/${name} ${version}.`);
    }
    return previewType(await declarations, declaration, outputs);
  };

  return {
    name,
    version,
    announcement: `${name}: using this project's stand-in for the official plugin ${version}, which could not be downloaded: previews only.`,
    previewOnly:
      `${name} resources are only previewed by this project's stand-in: to create, change, read or delete them, install the official plugin ` +
      `where its download site can be reached ("pulumi plugin install resource ${name} ${version}") and remove the stand-in's directory.`,
    resourceType(token) {
      let type = known.get(token);
      if (type === undefined) known.set(token, (type = load(token)));
      return type;
    },
  };
}

/** The place of a class: a file of that name in a folder of the package, which may differ in upper and lower case; undefined when there is none. */
export function placeIn(packageRoot: string, folder: string, file: string, name: string): Place | undefined {
  const directory = path.join(packageRoot, folder);
  if (!existsSync(directory)) return undefined;
  const wanted = `${file.toLowerCase()}.d.ts`;
  const found = readdirSync(directory).find((entry) => entry.toLowerCase() === wanted);
  return found === undefined ? undefined : { file: path.join(folder, found.slice(0, -".d.ts".length)), name };
}

function previewType(
  declarations: Declarations,
  declaration: ResourceDeclaration | undefined,
  finish: (outputs: Properties) => Properties,
): ResourceType {
  const unknown = Object.fromEntries((declaration?.outputs ?? []).map((output) => [output, UNKNOWN]));
  return {
    check: (inputs) => (declaration === undefined ? [] : checkAgainst(declarations, declaration.args, inputs)),
    // What the official plugin wrote into a state may differ from the inputs in form: only the engine's comparison of inputs is honest here.
    diff: () => undefined,
    previewCreate: (inputs) => finish({ ...unknown, ...inputs }),
    update: (olds, news) => finish({ ...olds, ...news }),
  };
}
