import path from "node:path";

import { placeIn, previewOnly, type Place } from "../shared/preview-only";
import { UNKNOWN, isObject, type Properties } from "../shared/values";

/** The kubernetes provider, previews only. */
export const definition = previewOnly({
  name: "kubernetes",
  locate: locateKubernetes,
  acceptsUndeclared: isCustomResource,
  outputs: withName,
});

/** `kubernetes:networking.k8s.io/v1:Ingress` is the class Ingress below `networking/v1/`; the file's name differs from the kind's in upper and lower case only. */
export function locateKubernetes(token: string, packageRoot: string): Place | undefined {
  const [, group, version, kind] = /^kubernetes:([\w.-]+)\/(\w+):(\w+)$/.exec(token) ?? [];
  if (group === undefined || version === undefined || kind === undefined) return undefined;
  return placeIn(packageRoot, path.join(group.split(".")[0] ?? group, version), kind, kind);
}

/** Custom resources have a group with a domain that is not Kubernetes' own. */
function isCustomResource(token: string): boolean {
  const [, group] = /^kubernetes:([\w-]+(?:\.[\w-]+)+)\/\w+:\w+$/.exec(token) ?? [];
  return group !== undefined && !/(^|\.)k8s\.io$/.test(group);
}

/** The official plugin makes a name where the program gives none; until then it is not known. */
function withName(outputs: Properties): Properties {
  const metadata = outputs["metadata"];
  return { ...outputs, metadata: { name: UNKNOWN, ...(isObject(metadata) ? metadata : {}) } };
}
