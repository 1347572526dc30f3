import { Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { createId } from "../db/id";
import type { TenantScope } from "../db/tenant";
import { HttpProblem } from "../http/problem";
import type { CompanyJobs } from "../jobs/company-jobs";
import { addDocument, type AddedDocument, findAdded } from "./documents";
import { type MediaType, SNIFF_BYTES, sniffMediaType } from "./media-type";
import { expectStorage } from "./quota";
import { type AnnouncedUpload, type DirectUploads, type DocumentStorage, isId, type SentUpload, type UploadForm } from "./storage";
import { notTaken, UploadGate } from "./upload";

/** How a client is to send an upload it announced. */
export type UploadWay =
  /** By a form to the storage itself; `id` is the upload's, and will be the document's. */
  | ({ readonly way: "form"; readonly id: string } & UploadForm)
  /** As a body to the app, at its own path `url`. */
  | { readonly way: "body"; readonly url: string };

/** What a client knows of an upload before it sends it; without the SHA-256 nobody but the app could check it. */
export type PlannedUpload = Omit<AnnouncedUpload, "sha256"> & { readonly sha256?: string | undefined };

/**
 * Says how to send an upload: by a form to the storage where that takes some, else through the app.
 * @param url of uploads through the app.
 * @throws HttpProblem when it is too large, or the plan has no room for it now.
 */
export async function beginUpload(
  scope: TenantScope,
  storage: DocumentStorage,
  upload: PlannedUpload,
  { userId, maxBytes, url }: { readonly userId: string; readonly maxBytes: number; readonly url: string },
): Promise<UploadWay> {
  if (upload.sizeBytes > maxBytes) throw new HttpProblem("body-too-large", `A document may have at most ${maxBytes} bytes.`);
  await expectStorage(scope, upload.sizeBytes);
  const { name, sha256 } = upload;
  if (storage.direct === undefined || sha256 === undefined) return { way: "body", url: `${url}?name=${encodeURIComponent(name)}` };
  const id = createId();
  const form = await storage.direct.allow({ companyId: scope.companyId, userId, id }, { ...upload, sha256 });
  return { way: "form", id, ...form };
}

/** A document made of an upload that was sent to the storage. */
export interface CompletedUpload extends AddedDocument {
  /** It had been completed before; nothing was done now. */
  readonly isRepeated: boolean;
}

/**
 * Makes a document of what its user sent to the storage. Size and SHA-256 are those that were announced, or the storage had refused them; the
 * kind is told by the content here. Again it gives the same document.
 * @throws HttpProblem when this user sent nothing under this id, or it is refused; what is refused is gone then.
 */
export async function completeUpload(
  scope: TenantScope,
  storage: DocumentStorage,
  jobs: CompanyJobs,
  { id, userId }: { readonly id: string; readonly userId: string },
): Promise<CompletedUpload> {
  const { direct } = storage;
  const sent = direct === undefined || !isId(id) ? undefined : await direct.find({ companyId: scope.companyId, userId, id });
  // Asked in a transaction, which no copy of the database answers: it may not have the document yet that the first of two requests made.
  const known = await scope.transaction((inside) => findAdded(inside, id, userId));
  if (known !== undefined) {
    if (sent !== undefined) await storage.discard(sent);
    return { ...known, isRepeated: true };
  }
  if (direct === undefined || sent === undefined) throw nothingSent();
  const mediaType = await checked(direct, sent).catch(async (error: unknown) => {
    if (error instanceof HttpProblem) await storage.discard(sent);
    throw error;
  });
  const added = await addDocument(scope, storage, jobs, sent, { id, name: sent.name, mediaType, createdBy: userId });
  return { ...added, isRepeated: false };
}

/** Tells the kind by the first bytes; text is text to its last one. @throws HttpProblem when it is none that is taken. */
async function checked(direct: DirectUploads, sent: SentUpload): Promise<MediaType> {
  const end = Math.min(SNIFF_BYTES, sent.sizeBytes) - 1;
  const mediaType = sniffMediaType(await buffer(await direct.read(sent, { start: 0, end })));
  if (mediaType === undefined) throw notTaken();
  if (mediaType !== "text/plain") return mediaType;
  const nowhere = new Writable({ write: (_piece, _encoding, done) => done() });
  await pipeline(await direct.read(sent), new UploadGate(sent.sizeBytes), nowhere);
  return mediaType;
}

function nothingSent(): HttpProblem {
  return new HttpProblem("not-found", "Nothing was sent under this id, or it was too long ago; announce the upload again.");
}
