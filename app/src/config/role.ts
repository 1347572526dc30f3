import type { BucketConfig } from "../documents/config";
import type { OcrLanguage } from "../ocr/languages";

/** What an instance does (feature A18): serve the API, run background jobs, consume events, or everything. */
export const ROLES = ["all", "web", "jobs", "consumer"] as const;
export type Role = (typeof ROLES)[number];

/** Whether an instance of this role does this part of the work. */
export function runs(role: Role, part: Exclude<Role, "all">): boolean {
  return role === "all" || role === part;
}

/** Settings of background jobs. */
export interface JobsConfig {
  /** JOBS_LEASE_MS: a job worker that gives no sign of life for this long has lost its jobs, and others take them; @default 30000 */
  readonly leaseMs: number;
  /** JOBS_RETRY_BASE_MS: pause before the first retry of a failed job, doubled with every further one; @default 1000 */
  readonly retryBaseMs: number;
}

/** Where uploaded documents are kept (feature A21), and how large one may be. */
export interface DocumentsConfig {
  /** DOCUMENTS_PATH; with a bucket only for uploads on their way; @default the directory `documents` beside the database */
  readonly path: string;
  /** S3_*; `undefined` without S3_BUCKET: documents are in `path`. */
  readonly bucket: BucketConfig | undefined;
  /** DOCUMENT_MAX_BYTES of one document; @default 26214400 (25 MiB) */
  readonly maxBytes: number;
  /** OCR_LANGUAGES that text in images is in; @default ["eng"] */
  readonly ocrLanguages: readonly OcrLanguage[];
}
