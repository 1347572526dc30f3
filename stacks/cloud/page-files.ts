import path from "node:path";
import type * as pulumi from "@pulumi/pulumi";
import { missingPageLibraries } from "../../app/src/http/page-libraries";
import { KEEP, StaticFiles } from "../../app/src/http/static-files";
import type { Bucket } from "../../components/aws/storage";
import { PageFiles } from "../../components/aws/storage/page-files";
import type { CloudTarget } from "./target";
import type { AppSource } from "../local/parts";

/** The pages and their files, as they go into the image; Pulumi runs the program in the project's directory. */
const publicDirectory = (): string => path.resolve("app", "public");

/**
 * Files of pages in the bucket the CDN asks first, by the names the app itself gives them. Of an image that was built elsewhere nobody knows its files
 * here: those the app answers, as it does with whatever is not in the bucket.
 * @returns what has to be there before the app is rolled out.
 */
export function pageFiles(
  { home }: CloudTarget,
  source: AppSource,
  bucket: Bucket,
  kmsKeyArn: pulumi.Input<string>,
): readonly pulumi.Resource[] {
  if (!("files" in source)) return [];
  const directory = publicDirectory();
  const served = new StaticFiles(directory, missingPageLibraries(directory));
  const files = served.hashed().map(({ source: name, path: key, file: { content, contentType } }) => ({
    source: name,
    key,
    content,
    contentType,
    cacheControl: KEEP,
  }));
  return new PageFiles("page-files", { context: home.context, bucket, kmsKeyArn, files }, { provider: home.provider }).objects;
}
