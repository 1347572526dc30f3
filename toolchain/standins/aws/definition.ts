import { previewOnly, type Place } from "../shared/preview-only";

/** The aws provider, previews only. */
export const definition = previewOnly({ name: "aws", locate: locateAws });

/** `aws:lambda/function:Function` is the class Function of `lambda/function.d.ts`; the module `index` is the package's root. */
export function locateAws(token: string): Place | undefined {
  const [, module, name] = /^aws:([\w/]+):(\w+)$/.exec(token) ?? [];
  return module === undefined || name === undefined ? undefined : { file: module.replace(/^index\//, ""), name };
}
