import type { DocumentsConfig } from "../config/role";
import { LocalDocumentStorage } from "./local-storage";
import type { DocumentStorage } from "./storage";

/** The storage this configuration names: a bucket with S3_BUCKET, else the directory DOCUMENTS_PATH. */
export async function openDocumentStorage({ path, bucket }: DocumentsConfig): Promise<DocumentStorage> {
  if (bucket === undefined) return new LocalDocumentStorage(path);
  // The client of S3 is megabytes of code that nobody else needs.
  const { S3DocumentStorage } = await import("./s3-storage.js");
  return new S3DocumentStorage(bucket, path);
}
