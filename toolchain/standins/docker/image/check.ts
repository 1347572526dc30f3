import { existsSync } from "node:fs";
import path from "node:path";
import { Unknown, hasUnknown, isObject, type Properties, type PropertyValue } from "../../shared/values";
import { textOf } from "../resource";
import { contextDigest } from "./context";

const BUILD_KEYS = ["context", "dockerfile", "args", "target", "platform", "builderVersion", "cacheFrom", "network", "addHosts"];
const KEYS = ["imageName", "skipPush", "buildOnPreview", "registry", "build"];
const REGISTRY_KEYS = ["server", "username", "password"];

/** Go's name of this machine's processor, as images have it. */
const GO_ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" };

/** docker.Image inputs with the official defaults and the digest of the build context. */
export interface CheckedImage {
  readonly inputs: Properties;
  readonly failures: readonly { readonly property: string; readonly reason: string }[];
  /** Said once per check, as by the official plugin. */
  readonly note: string | undefined;
}

/** Checks docker.Image. @throws Error when the Dockerfile or the context cannot be read. */
export async function checkImage(news: Properties): Promise<CheckedImage> {
  const failures = [
    ...unknownKeys(news, KEYS, ""),
    ...unknownKeys(news["build"], BUILD_KEYS, "build."),
    ...unknownKeys(news["registry"], REGISTRY_KEYS, "registry."),
  ];
  if (news["imageName"] === undefined) failures.push({ property: "imageName", reason: "imageName is missing" });
  const given = isObject(news["build"]) ? news["build"] : {};
  const builder = given["builderVersion"];
  if (typeof builder === "string" && !["BuilderV1", "BuilderBuildKit"].includes(builder))
    failures.push({
      property: "build.builderVersion",
      reason: `invalid Docker Builder version "${builder}"; allowed are BuilderV1 and BuilderBuildKit`,
    });
  if (failures.length > 0) return { inputs: news, failures, note: undefined };
  const inputs: Properties = { ...news };
  if (!(news["buildOnPreview"] instanceof Unknown)) inputs["buildOnPreview"] = news["buildOnPreview"] === true;
  if (news["build"] instanceof Unknown) return { inputs, failures, note: undefined };
  const build: Properties = { ...given };
  build["context"] ??= ".";
  if (typeof build["context"] === "string") build["dockerfile"] ??= path.posix.join(build["context"], "Dockerfile");
  await addDigest(build);
  let note: string | undefined;
  if (build["platform"] === undefined) {
    build["platform"] = `linux/${GO_ARCHITECTURES[process.arch] ?? process.arch}`;
    note = `Building your image for ${build["platform"]} architecture.\nTo ensure you are building for the correct platform, consider explicitly setting the \`platform\` field on ImageBuildOptions.`;
  }
  inputs["build"] = build;
  // Only a name with its registry tells where to push to.
  if (news["skipPush"] !== true && typeof news["imageName"] === "string" && !hasRegistry(news)) {
    failures.push({
      property: "imageName",
      reason:
        `"${news["imageName"]}" is not fully qualified, which pushing needs. Prefix it with its registry, such as docker.io/repository/image:tag, ` +
        `or set skipPush: true to keep the image on the Docker host.`,
    });
  }
  return { inputs, failures, note };
}

function hasRegistry({ registry, imageName }: Properties): boolean {
  if (isObject(registry) && registry["server"] !== undefined) return true;
  const [first = "", ...rest] = textOf(imageName).split("/");
  return rest.length > 0 && (/[.:]/.test(first) || first === "localhost");
}

async function addDigest(build: Properties): Promise<void> {
  const { context, dockerfile } = build;
  if (typeof context !== "string" || typeof dockerfile !== "string") return;
  if (!existsSync(dockerfile)) {
    if (path.isAbsolute(dockerfile)) throw new Error(`expected a relative Dockerfile path; got "${dockerfile}" instead: no such file`);
    const inContext = path.join(context, dockerfile);
    const hint = existsSync(inContext) ? `. Try setting \`dockerfile\` to "${inContext}"` : ": no such file or directory";
    throw new Error(`could not open dockerfile at relative path "${dockerfile}"${hint}`);
  }
  build["contextDigest"] = await contextDigest({ context, dockerfile });
}

function unknownKeys(value: PropertyValue | undefined, known: readonly string[], prefix: string): { property: string; reason: string }[] {
  if (!isObject(value)) return [];
  return Object.keys(value)
    .filter((key) => !known.includes(key) && !(prefix === "build." && key === "contextDigest"))
    .map((key) => ({
      property: `${prefix}${key}`,
      reason: `Invalid or unknown key "${prefix}${key}" of docker.Image; known are: ${known.join(", ")}`,
    }));
}

/** Top-level properties that changed, and how. The registry's user and password never cause a rebuild. */
export function diffImage(olds: Properties, news: Properties): Map<string, "add" | "delete" | "update"> {
  const changes = new Map<string, "add" | "delete" | "update">();
  for (const key of new Set([...Object.keys(olds), ...Object.keys(news)])) {
    const before = olds[key];
    const after = news[key];
    if (before === undefined) changes.set(key, "add");
    else if (after === undefined) changes.set(key, "delete");
    else if (key === "registry" && isObject(before) && isObject(after)) {
      if (differ(before["server"], after["server"])) changes.set(key, "update");
    } else if (differ(before, after)) changes.set(key, "update");
  }
  return changes;
}

function differ(before: PropertyValue | undefined, after: PropertyValue | undefined): boolean {
  if (after !== undefined && hasUnknown(after)) return true;
  return canonical(before) !== canonical(after);
}

/** JSON with sorted keys. */
function canonical(value: PropertyValue | undefined): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === "object" && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
