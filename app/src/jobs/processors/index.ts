import { createHash } from "node:crypto";
import { z } from "zod";
import type { Database } from "../../db/database";
import { taxComputations } from "../../db/domain-tables";
import { TenantScope } from "../../db/tenant";
import { imageSize, isImage, type MediaType } from "../../documents/media-type";
import { ContentMissingError, type DocumentStorage } from "../../documents/storage";
import { type DocumentRow, documents } from "../../documents/tables";
import { taxComputationRow } from "../../tax/computations";
import type { OcrSettings } from "../../ocr/recogniser";
import { FILING_STATUSES, MOST_TAX_CENTS, TAX_YEARS } from "../../tax/schedule";
import type { CompanyPayload } from "../company-job";
import { type Job, type JobContext, PermanentJobError, type Processor, type Processors } from "../queue";
import { cutText, type ExtractedText } from "../text";
import type { Threads } from "../threads";

/** What the processors work with. */
export interface ProcessorServices {
  readonly database: Database;
  readonly storage: DocumentStorage;
  readonly threads: Threads;
  readonly ocr: OcrSettings;
}

/** Larger documents are not read into memory for their text or their pages; bytes. */
const MOST_PARSED_BYTES = 64 * 1024 ** 2;

/**
 * Larger images are not decoded, pixels: a page of A4 at 400 dpi, or a picture of a telephone. Such a one was measured to take 12 bytes
 * a pixel while it is read; a file of a few kilobytes can claim to have a million times as many.
 */
const MOST_PIXELS = 16_000_000;

/** Enough for the header of a JPEG with a large preview in front of it; bytes. */
const HEAD_BYTES = 256 * 1024;

const payloadSchema = z.object({
  companyId: z.string().min(1),
  createdBy: z.string().min(1),
  subjectId: z.string().min(1),
  input: z.record(z.string(), z.unknown()),
});

const cents = z.int().min(0).max(MOST_TAX_CENTS);

/** What a tax is computed from, in a payload; the API checks the same with its own words. */
const taxInputSchema = z.strictObject({
  taxYear: z.literal(TAX_YEARS),
  filingStatus: z.enum(FILING_STATUSES),
  grossIncomeCents: cents,
  adjustmentsCents: cents,
  itemizedDeductionsCents: cents,
  additionalDeductions: z.int().min(0).max(4),
});

/** The work of the app's three queues. Each can be done again without harm. */
export function createProcessors(services: ProcessorServices): Processors {
  return {
    "tax-computation": checked((payload, job, context) => computeTax(services, payload, job, context)),
    "document-processing": checked((payload, _job, context) => describeDocument(services, payload, context)),
    "ocr-processing": checked((payload, _job, context) => extractText(services, payload, context)),
  };
}

type CheckedProcessor = (payload: CompanyPayload, job: Job, context: JobContext) => ReturnType<Processor>;

function checked(processor: CheckedProcessor): Processor {
  return (job, context) => {
    const payload = payloadSchema.safeParse(job.payload);
    if (!payload.success) return Promise.reject(new PermanentJobError("The payload is not what this queue takes."));
    return processor(payload.data, job, context);
  };
}

/** Computes an income tax and keeps it among the company's computations, under the id the job was accepted with. */
async function computeTax({ database, threads }: ProcessorServices, payload: CompanyPayload, _job: Job, { signal }: JobContext) {
  const parsed = taxInputSchema.safeParse(payload.input);
  if (!parsed.success) throw new PermanentJobError("The payload is no input of a tax computation.");
  const input = parsed.data;
  const result = await threads.run({ kind: "tax", input }, signal);
  await new TenantScope(database, payload.companyId).transaction(async (inside) => {
    const table = inside.table(taxComputations);
    // An earlier attempt may have come this far.
    if ((await table.find(payload.subjectId)) !== undefined) return;
    await table.insert(taxComputationRow(payload.subjectId, payload.createdBy, input, result));
  });
  return { computationId: payload.subjectId, ...result };
}

/** Reads the content once: its checksum must be what was stored; pages and size become part of the document. */
async function describeDocument(services: ProcessorServices, payload: CompanyPayload, { signal, progress }: JobContext) {
  const scope = new TenantScope(services.database, payload.companyId);
  const document = await scope.table(documents).find(payload.subjectId);
  if (document === undefined) return { skipped: "The document was deleted." };
  const { head, sha256, whole } = await readContent(services.storage, payload.companyId, document, signal);
  if (sha256 !== document.sha256) throw new PermanentJobError("The content is damaged: its checksum is not the one it was stored with.");
  await progress(50);
  const type = document.mediaType as MediaType;
  const facts =
    type === "application/pdf" && whole !== undefined
      ? await services.threads.run({ kind: "pdf-facts", content: whole }, signal)
      : { pages: null, width: null, height: null, ...imageSize(type, head) };
  const { pages, width, height } = facts;
  await scope.table(documents).update(document.id, { status: "processed", pages, width, height, updatedAt: new Date().toISOString() });
  return { sha256, sizeBytes: document.sizeBytes, mediaType: document.mediaType, pages, width, height };
}

/** Keeps the text of a document with it. */
async function extractText(services: ProcessorServices, payload: CompanyPayload, { signal, progress }: JobContext) {
  const table = new TenantScope(services.database, payload.companyId).table(documents);
  const document = await table.find(payload.subjectId);
  if (document === undefined) return { skipped: "The document was deleted." };
  const { head, whole } = await readContent(services.storage, payload.companyId, document, signal);
  if (whole === undefined) throw new PermanentJobError(`Text is extracted from documents of up to ${MOST_PARSED_BYTES} bytes.`);
  const type = document.mediaType as MediaType;
  if (isImage(type)) checkSize(type, head);
  await progress(20);
  const { text, truncated, ...more } = await textOf(services, type, whole, signal);
  const updatedAt = new Date().toISOString();
  if (type === "application/pdf" && text.trim() === "") {
    await table.update(document.id, { textStatus: "unsupported", updatedAt });
    return { skipped: "The PDF has no text layer; pages that are pictures are not read. Send each page as PNG, JPEG or WebP." };
  }
  await table.update(document.id, { extractedText: text, textTruncated: truncated ? 1 : 0, textStatus: "extracted", updatedAt });
  return { characters: text.length, truncated, ...more };
}

function textOf(
  { threads, ocr }: ProcessorServices,
  type: MediaType,
  content: Uint8Array,
  signal: AbortSignal,
): Promise<ExtractedText & { readonly confidence?: number }> {
  if (type === "application/pdf") return threads.run({ kind: "pdf-text", content }, signal);
  if (isImage(type)) return threads.run({ kind: "image-text", content, settings: ocr }, signal);
  return Promise.resolve(cutText(Buffer.from(content).toString("utf8")));
}

/** @throws PermanentJobError before anything is decoded. */
function checkSize(type: MediaType, head: Buffer): void {
  const size = imageSize(type, head);
  if (size === undefined) throw new PermanentJobError("The header of the image does not say how large it is.");
  const { width, height } = size;
  if (width * height <= MOST_PIXELS) return;
  throw new PermanentJobError(`The image has ${width} × ${height} pixels; text is read in images of up to ${MOST_PIXELS} pixels.`);
}

interface ReadContent {
  readonly head: Buffer;
  readonly sha256: string;
  /** Absent when it is too large to be parsed. */
  readonly whole: Uint8Array | undefined;
}

async function readContent(
  storage: DocumentStorage,
  companyId: string,
  { sha256, sizeBytes }: DocumentRow,
  signal: AbortSignal,
): Promise<ReadContent> {
  const hash = createHash("sha256");
  const pieces: Buffer[] = [];
  let kept = 0;
  const most = sizeBytes <= MOST_PARSED_BYTES ? MOST_PARSED_BYTES : HEAD_BYTES;
  try {
    for await (const piece of (await storage.read({ companyId, sha256 })) as AsyncIterable<Buffer>) {
      signal.throwIfAborted();
      hash.update(piece);
      if (kept < most) pieces.push(piece);
      kept += piece.length;
    }
  } catch (error) {
    if (error instanceof ContentMissingError) throw new PermanentJobError("The content of the document is missing.");
    throw error;
  }
  const content = Buffer.concat(pieces);
  return {
    head: content.subarray(0, HEAD_BYTES),
    sha256: hash.digest("hex"),
    whole: kept <= MOST_PARSED_BYTES ? new Uint8Array(content) : undefined,
  };
}
