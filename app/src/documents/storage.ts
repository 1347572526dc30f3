import type { Readable } from "node:stream";

/** Content on its way in: written, checked, and visible to nobody before {@link DocumentStorage.keep}. */
export interface StagedContent {
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** Part of a content; both ends inclusive, as in HTTP. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** The content of a company's document, or of none. */
export interface ContentAddress {
  readonly companyId: string;
  /** 64 hex digits. */
  readonly sha256: string;
}

const SHA256 = /^[0-9a-f]{64}$/;
/** Ids are UUIDs, but for that of the operators' company (`PLATFORM_COMPANY_ID`); nothing else becomes a part of a path. */
const ID = /^(?:[0-9a-f-]{36}|platform)$/;

/** @throws Error for what cannot be part of a path; no part of one ever comes from a client. */
export function checkAddress(address: ContentAddress): ContentAddress {
  if (!isId(address.companyId) || !SHA256.test(address.sha256)) throw new Error("This cannot be part of a document's path.");
  return address;
}

/** Whether this may become a part of a path. */
export function isId(text: string): boolean {
  return ID.test(text);
}

/** Where a client may send one upload, whose id becomes the document's. */
export interface UploadPlace {
  readonly companyId: string;
  readonly userId: string;
  readonly id: string;
}

/** An upload as it was announced. What is sent has to be exactly that. */
export interface AnnouncedUpload {
  readonly name: string;
  /** What the client takes it for; the content says what it is. */
  readonly mediaType: string;
  readonly sizeBytes: number;
  /** Of the content, 64 hex digits. */
  readonly sha256: string;
}

/** A form by which a client sends one upload to the storage itself: `multipart/form-data`, these fields first, then the content as `file`. */
export interface UploadForm {
  readonly url: string;
  readonly fields: Readonly<Record<string, string>>;
  /** After this nothing is taken. */
  readonly expiresAt: string;
}

/** An upload that a client has sent: staged, and checked to be what was announced. */
export interface SentUpload extends StagedContent {
  readonly name: string;
}

/** How a download is to present itself. */
export interface DownloadAs {
  readonly contentType: string;
  /** Of RFC 6266. */
  readonly contentDisposition: string;
}

/** A storage that gives content to clients, which then does not go through the app. */
export interface DirectDownloads {
  /** Address of a content that is good for a short time, for whoever has it. */
  addressOf(address: ContentAddress, as: DownloadAs): string;
}

/** A storage that takes uploads from clients, which then do not go through the app. */
export interface DirectUploads {
  /** Where forms are sent to, e.g. `https://bucket.s3.eu-central-1.amazonaws.com`; pages have to be allowed to. */
  readonly origin: string;
  /** Signs a form for one upload. */
  allow(place: UploadPlace, upload: AnnouncedUpload): Promise<UploadForm>;
  /** What was sent there; `undefined` when it was nothing, is given up, or was too long ago. */
  find(place: UploadPlace): Promise<SentUpload | undefined>;
  /** @throws ContentMissingError when it was given up meanwhile. */
  read(sent: SentUpload, range?: ByteRange): Promise<Readable>;
}

/** There is no such content. */
export class ContentMissingError extends Error {
  override readonly name = "ContentMissingError";
}

/** The storage is away, or refuses what is asked of it. Nothing was promised, so the same request may succeed later. */
export class StorageUnavailableError extends Error {
  override readonly name = "StorageUnavailableError";
}

/**
 * Where the content of documents is kept (feature A21), each under the SHA-256 of its bytes, apart for every company. `local-storage.ts` keeps
 * it on a local volume, `s3-storage.ts` in a bucket. One contract test suite runs against each.
 */
export interface DocumentStorage {
  /** `undefined`: all content goes through the app. */
  readonly direct?: DirectUploads | undefined;
  /** `undefined`: downloads go through the app. */
  readonly downloads?: DirectDownloads | undefined;
  /** Writes a stream to its end, so that it survives a power cut. @throws the stream's error; nothing is left then. */
  stage(content: Readable): Promise<StagedContent>;
  /** Makes staged content readable; again does no harm. Needed before the row that names it, and {@link confirm} after it. */
  keep(companyId: string, staged: StagedContent): Promise<void>;
  /** After the row: whoever deleted the same content at that moment may have taken it away. Gives up the staged copy. */
  confirm(companyId: string, staged: StagedContent): Promise<void>;
  /** Gives up staged content that is not wanted; harmless after {@link confirm}. */
  discard(staged: StagedContent): Promise<void>;
  /** @throws ContentMissingError */
  read(address: ContentAddress, range?: ByteRange): Promise<Readable>;
  /**
   * Deletes content that no row names any more.
   * @param isNamed asks the rows again once the content is out of reach; when one names it after all, it is put back.
   */
  remove(address: ContentAddress, isNamed: () => Promise<boolean>): Promise<void>;
  /** Deletes what interrupted uploads left more than a day ago. @returns how many. */
  sweep(): Promise<number>;
  /** Ends connections; nothing is asked afterwards. */
  close(): void;
}
