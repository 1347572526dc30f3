import path from "node:path";

import { placeIn, previewOnly, type Place } from "../shared/preview-only";

/** The aws provider, previews only. */
export const definition = previewOnly({ name: "aws", locate: locateAws });

/** `aws:lambda/function:Function` is the class Function of `lambda/function.d.ts`; the module `index` is the package's root. */
export function locateAws(token: string, packageRoot: string): Place | undefined {
  const [, module, name] = /^aws:([\w/]+):(\w+)$/.exec(token) ?? [];
  if (module === undefined || name === undefined) return undefined;
  const file = module.replace(/^index\//, "");
  // A class Index cannot be declared in index.d.ts, which is the folder's own.
  const base = path.basename(file);
  return placeIn(packageRoot, path.dirname(file), base === "index" ? "index_" : base, name);
}
