import type Docker from "dockerode";
import type { Command } from "commander";
import { confirmByName } from "../lib/confirm";
import { InterruptedError, UserError } from "../lib/errors";
import { reachableDocker } from "../lib/docker";
import type { StackOnDocker } from "../lib/docker-app";
import { belongings, holdsData, removeImages, removeLeftovers, renderBelongings, type Belongings } from "../lib/docker-belongings";
import { findStack, type OpenStack } from "../lib/outputs";
import { refuseOtherEngine } from "../lib/right-engine";
import { colours } from "../lib/table";
import { explainFailure } from "../lib/update-failures";
import { describeLocks, lockHost, parseLocks, processIsAlive } from "../lib/update-locks";
import {
  dockerObjects,
  remoteStores,
  resourceName,
  stackOnDocker,
  type ExportedResource,
  type ExportedStack,
} from "../lib/update-recovery";

interface DownOptions {
  readonly stack?: string;
  readonly yes?: boolean;
  readonly keepData?: boolean;
  readonly keepImages?: boolean;
  readonly removeStack?: boolean;
}

/** `npm run down`: ends a stack and leaves nothing of it behind; asks before data is deleted. */
export function register(program: Command): void {
  program
    .command("down")
    .description("delete a stack: containers, network, volumes with their data, its images; says what and asks first")
    .option("-s, --stack <name>", "stack to delete (default: dev)")
    .option("-y, --yes", "do not ask")
    .option("--keep-data", "keep the volumes with data; the next up uses them again")
    .option("--keep-images", "keep the images that were built for the stack")
    .option("--remove-stack", "also forget the stack itself: its configuration and history in Pulumi")
    .addHelpText(
      "after",
      `
Examples:
  npm run down
  npm run down -- --keep-data
  npm run down -- --stack ci-17 --yes --remove-stack`,
    )
    .action(run);
}

async function run(options: DownOptions): Promise<void> {
  const { name, command, found: stack } = await findStack(options.stack);
  if (stack === undefined) {
    console.log(`Stack ${name} does not exist; there is nothing to delete (${command("up")} starts it).`);
    return;
  }
  const keepData = options.keepData === true;
  const keepImages = options.keepImages === true;
  const exported = await stack.exported();
  // What was deployed counts: the configuration may name another phase by now.
  const onThisHost = stack.phase !== "cloud" || dockerObjects(exported).length > 0;
  const docker = onThisHost ? await reachableDocker(stack.dockerHost) : undefined;
  const onDocker = stackOnDocker(name, exported);
  const owned = docker === undefined ? undefined : await belongings(docker, onDocker);
  const stores = remoteStores(exported);
  if (keepData) refuseToKeep(stack, stores);
  refuseProtected(exported, stack, keepData);
  const whenGone = `eval "$(npm run -s env)"; pulumi refresh --yes --stack ${name}; then ${command("down")}`;
  if (docker !== undefined) await refuseOtherEngine(docker, stack, exported, whenGone);
  const isEmpty = (exported.deployment?.resources ?? []).length === 0;
  if (owned !== undefined && !isNothing(owned)) {
    console.log(`Stack ${colours.bold(name)} on ${stack.dockerHost ?? "this machine's Docker"}; this will be deleted:\n`);
    console.log(renderBelongings(owned, { data: keepData, images: keepImages }));
  } else if (isEmpty && options.removeStack !== true) {
    console.log(`Stack ${name} is already down: it has nothing here.`);
    return;
  }
  if (options.yes !== true) await confirm(name, owned, keepData, stores);

  if (!isEmpty) await destroy(stack, keptResources(exported, keepData));
  if (docker !== undefined && owned !== undefined) await tidyUp(docker, onDocker, owned, { keepData, keepImages });
  if (options.removeStack === true) await stack.remove();
  const how =
    options.removeStack === true ? " and forgotten" : `${keepData ? "; its data is kept" : ""}. Start it again with: ${command("up")}`;
  console.log(`\n${colours.green("✔")} Stack ${name} is down${how}`);
  mentionForeign(name, owned?.foreign ?? []);
}

function isNothing(owned: Belongings): boolean {
  return owned.containers.length + owned.networks.length + owned.volumes.length === 0;
}

/** Two clones may have stacks of one name on one engine; nothing that this clone's state does not know is ever deleted. */
function mentionForeign(name: string, foreign: readonly string[]): void {
  if (foreign.length === 0) return;
  console.log(
    `\nNot touched, because they carry the name ${name} but are in no state of this clone (another clone's stack, or one that was deleted without "npm run down"):`,
  );
  for (const what of foreign) console.log(`  ${what}`);
}

/** @param stores names of what has data elsewhere than on a Docker host @throws UserError: those would be deleted all the same. */
export function refuseToKeep(stack: Pick<OpenStack, "name" | "command">, stores: readonly string[]): void {
  if (stores.length === 0) return;
  throw new UserError(
    `--keep-data keeps volumes on a Docker host, but stack ${stack.name} has data in ${stores.join(", ")}, which would be deleted; nothing was deleted`,
    `Take snapshots first (README.md, Teardown), then without --keep-data: ${stack.command("down")}`,
  );
}

/** Pulumi would refuse as well, but only after the containers were stopped. */
function refuseProtected(exported: ExportedStack, stack: OpenStack, keepData: boolean): void {
  const kept = new Set(keptResources(exported, keepData));
  const protectedOnes = (exported.deployment?.resources ?? []).filter((resource) => resource.protect === true && !kept.has(resource.urn));
  if (protectedOnes.length === 0) return;
  const data = protectedOnes.filter((resource) => !isGenerated(resource));
  const names = (data.length > 0 ? data : protectedOnes).map((resource) => resourceName(resource.urn)).join(", ");
  const letGo = `${stack.command("up", "--config", "protect=false")}, then ${stack.command("down")}`;
  // Elsewhere than on a Docker host nothing could be kept.
  const canKeep = remoteStores(exported).length === 0;
  throw new UserError(
    `stack ${stack.name} protects ${names} against deletion; nothing was deleted`,
    canKeep ? `Keep the data: ${stack.command("down", "--keep-data")}. Or let it go: ${letGo}` : `To let it go: ${letGo}`,
  );
}

/**
 * URNs of what stays when data are to be kept: their volumes, and what was generated at random, because it is in the data as well. With new
 * passwords the next `up` could not log in to the Postgres that it finds.
 */
export function keptResources(exported: ExportedStack, keepData: boolean): string[] {
  if (!keepData) return [];
  const isData = ({ type, outputs }: ExportedResource): boolean =>
    type === "docker:index/volume:Volume" && !JSON.stringify(outputs?.["labels"] ?? []).includes('"secrets"');
  const resources = exported.deployment?.resources ?? [];
  return resources.filter((resource) => isData(resource) || isGenerated(resource)).map(({ urn }) => urn);
}

function isGenerated({ type }: ExportedResource): boolean {
  return type.startsWith("random:index/");
}

async function confirm(name: string, owned: Belongings | undefined, keepData: boolean, stores: readonly string[]): Promise<void> {
  const volumes = keepData ? [] : (owned?.volumes ?? []).filter(holdsData).map((volume) => volume.name);
  const data = [...volumes, ...stores];
  await confirmByName({
    name,
    warning: data.length > 0 ? `The data in ${data.join(", ")} cannot be brought back. ` : "",
    deed: "delete it",
    cannotAsk: `npm run down cannot ask before it deletes stack ${name}${data.length > 0 ? " and its data" : ""}`,
    nothing: "nothing was deleted",
  });
}

async function destroy(stack: OpenStack, excluded: readonly string[]): Promise<void> {
  const result = await stack.update(["destroy", "--yes", "--skip-preview", ...excluded.flatMap((urn) => ["--exclude", urn])]);
  if (result.cancelled) throw new InterruptedError();
  if (result.code === 0) return;
  const locks = parseLocks(result.complaints);
  if (locks.length > 0) throw new UserError(describeLocks(stack.name, locks, processIsAlive, lockHost(stack.managed)));
  const known = explainFailure(result.complaints, {
    stack: stack.name,
    configSet: (key, value) => stack.command("up", "--config", `${key}=${value}`),
    destroy: stack.command("down"),
  });
  if (known === undefined) throw new UserError(`pulumi destroy ended with exit code ${result.code}; its own words are above`);
  throw new UserError(known.sentence.replace(/\.$/, ""), known.fix);
}

/** What Pulumi's state did not know of (an interrupted update), and the images, which are kept for rollbacks while the stack lives. */
async function tidyUp(
  docker: Docker,
  stack: StackOnDocker,
  owned: Belongings,
  { keepData, keepImages }: { readonly keepData: boolean; readonly keepImages: boolean },
): Promise<void> {
  const left = await belongings(docker, stack);
  for (const what of await removeLeftovers(docker, left, keepData)) console.log(`removed ${what}, which was in no state`);
  if (keepImages) return;
  const { removed, kept } = await removeImages(docker, owned.images);
  for (const tag of removed) console.log(`removed image ${tag}`);
  for (const tag of kept) console.log(`image ${tag} stays: another container uses it`);
}
