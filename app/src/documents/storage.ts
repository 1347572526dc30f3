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
/** Ids are UUIDs; nothing else becomes a part of a path. */
const COMPANY_ID = /^[0-9a-f-]{36}$/;

/** @throws Error for what cannot be part of a path; no part of one ever comes from a client. */
export function checkAddress(address: ContentAddress): ContentAddress {
  if (!COMPANY_ID.test(address.companyId) || !SHA256.test(address.sha256)) throw new Error("This cannot be part of a document's path.");
  return address;
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
