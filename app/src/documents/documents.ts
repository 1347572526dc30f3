import { createId } from "../db/id";
import type { TenantScope } from "../db/tenant";
import type { ListDefinition } from "../http/pagination";
import { HttpProblem } from "../http/problem";
import type { CompanyJobs, JobListener } from "../jobs/company-jobs";
import { companyJobs, type CompanyJobRow } from "../jobs/tables";
import { type MediaType, TEXT_TYPES } from "./media-type";
import { releaseStorage, takeStorage } from "./quota";
import type { DocumentStorage, StagedContent } from "./storage";
import { DOCUMENT_STATUSES, type DocumentRow, documents } from "./tables";

/** A document as the API shows it: without its text, which may be long. */
export type Document = Omit<DocumentRow, "extractedText" | "textTruncated">;

export const DOCUMENT_LIST: ListDefinition<DocumentRow> = {
  size: "medium",
  sorts: ["createdAt", "name", "sizeBytes"],
  defaultSort: "-createdAt",
  filters: { status: DOCUMENT_STATUSES },
};

export interface NewDocument {
  /** Of an upload that its user sent to the storage: completed again, it is the same document. @default a new one */
  readonly id?: string;
  readonly name: string;
  readonly mediaType: MediaType;
  readonly createdBy: string;
}

/** A document and the jobs that were accepted with it. */
export interface AddedDocument {
  readonly document: Document;
  readonly jobs: readonly CompanyJobRow[];
}

export function presentDocument(row: DocumentRow): Document {
  const { id, name, mediaType, sizeBytes, sha256, status, pages, width, height, textStatus, createdBy, createdAt, updatedAt } = row;
  return { id, name, mediaType, sizeBytes, sha256, status, pages, width, height, textStatus, createdBy, createdAt, updatedAt };
}

/**
 * Adds a document whose content is staged: content first, then the row with its jobs in one transaction, so there is never a row without
 * content.
 * @throws HttpProblem quota-exceeded; the content is gone then.
 */
export async function addDocument(
  scope: TenantScope,
  storage: DocumentStorage,
  jobs: CompanyJobs,
  staged: StagedContent,
  document: NewDocument,
): Promise<AddedDocument> {
  let added: AddedDocument;
  try {
    await storage.keep(scope.companyId, staged);
    added = await scope.transaction((inside) => insert(inside, jobs, staged, document));
  } catch (error) {
    // What a user sent to the storage need not be sent again because the database was away.
    if (document.id === undefined || error instanceof HttpProblem) await storage.discard(staged);
    await removeUnnamed(scope, storage, staged.sha256);
    throw error;
  }
  await storage.confirm(scope.companyId, staged);
  for (const job of added.jobs) await jobs.dispatch(job);
  return added;
}

async function insert(inside: TenantScope, jobs: CompanyJobs, staged: StagedContent, document: NewDocument): Promise<AddedDocument> {
  const known = document.id === undefined ? undefined : await findAdded(inside, document.id, document.createdBy);
  if (known !== undefined) return known;
  await takeStorage(inside, staged.sizeBytes);
  const now = new Date().toISOString();
  const hasText = TEXT_TYPES.includes(document.mediaType);
  const row: DocumentRow = {
    id: createId(),
    ...document,
    sizeBytes: staged.sizeBytes,
    sha256: staged.sha256,
    status: "pending",
    pages: null,
    width: null,
    height: null,
    textStatus: hasText ? "pending" : "unsupported",
    extractedText: null,
    textTruncated: 0,
    createdAt: now,
    updatedAt: now,
  };
  await inside.table(documents).insert(row);
  const job = { subjectId: row.id, createdBy: document.createdBy, input: {} };
  const accepted = [await jobs.accept(inside, { ...job, queue: "document-processing" })];
  if (hasText) accepted.push(await jobs.accept(inside, { ...job, queue: "ocr-processing", priority: "low" }));
  return { document: presentDocument(row), jobs: accepted.map(({ row: accepted }) => accepted) };
}

/** A document this user added, with the jobs that were accepted with it. */
export async function findAdded(scope: TenantScope, id: string, createdBy: string): Promise<AddedDocument | undefined> {
  const row = await scope.table(documents).find(id);
  if (row?.createdBy !== createdBy) return undefined;
  const first = { where: { subjectId: id }, sort: "createdAt", descending: false, limit: 2 } as const;
  const jobs = await scope.table(companyJobs).page(first);
  // Accepted within a millisecond, they have no order of their own.
  return { document: presentDocument(row), jobs: jobs.toSorted((a, b) => (a.queue < b.queue ? -1 : 1)) };
}

/** @throws HttpProblem when the company has no such document. */
export async function findDocument(scope: TenantScope, id: string): Promise<DocumentRow> {
  const row = await scope.table(documents).find(id);
  if (row === undefined) throw new HttpProblem("not-found", "There is no such document.");
  return row;
}

/** Deletes a document, and its content when no other document of the company has the same. Its open jobs find nothing to do. */
export async function deleteDocument(scope: TenantScope, storage: DocumentStorage, id: string): Promise<void> {
  const row = await scope.transaction(async (inside) => {
    const found = await findDocument(inside, id);
    await inside.table(documents).delete({ id });
    await releaseStorage(inside, found.sizeBytes);
    return found;
  });
  await removeUnnamed(scope, storage, row.sha256);
}

/** Asks for the text of a document once more, with a higher priority than after an upload. @throws HttpProblem when it cannot have one. */
export async function requestText(scope: TenantScope, jobs: CompanyJobs, id: string, createdBy: string): Promise<CompanyJobRow> {
  const row = await scope.transaction(async (inside) => {
    const document = await findDocument(inside, id);
    // Not by its status: what was not supported when it was uploaded may be now.
    if (!TEXT_TYPES.includes(document.mediaType as MediaType)) {
      throw new HttpProblem("conflict", `Text can be extracted from ${TEXT_TYPES.join(", ")}; this document is ${document.mediaType}.`);
    }
    const open = await inside.table(companyJobs).page({
      where: { subjectId: id, queue: "ocr-processing", outcome: "open" },
      sort: "createdAt",
      descending: true,
      limit: 1,
    });
    if (open[0] !== undefined) return open[0];
    await inside.table(documents).update(id, { textStatus: "pending", updatedAt: new Date().toISOString() });
    const job = { queue: "ocr-processing", subjectId: id, createdBy, input: {}, priority: "high" } as const;
    return (await jobs.accept(inside, job)).row;
  });
  await jobs.dispatch(row);
  return row;
}

/** Keeps the state of a document in step with its jobs. */
export const followDocumentJobs: JobListener = async (scope, { queue, subjectId }, state) => {
  const changed = state === "open" ? "pending" : "failed";
  if (state === "completed") return;
  const updatedAt = new Date().toISOString();
  const table = scope.table(documents);
  if (queue === "document-processing") await table.update(subjectId, { status: changed, updatedAt });
  else if (queue === "ocr-processing") await table.update(subjectId, { textStatus: changed, updatedAt });
};

async function removeUnnamed(scope: TenantScope, storage: DocumentStorage, sha256: string): Promise<void> {
  const isNamed = async (): Promise<boolean> => (await scope.table(documents).count({ sha256 }, 1)) > 0;
  if (!(await isNamed())) await storage.remove({ companyId: scope.companyId, sha256 }, isNamed);
}
