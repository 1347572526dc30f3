import type { TableDefinition } from "../db/tables";

export const DOCUMENT_STATUSES = ["pending", "processed", "failed"] as const;
export type DocumentStatus = (typeof DOCUMENT_STATUSES)[number];

/** A document: what is known about it. The content is in the {@link file://./storage.ts storage}. */
export interface DocumentRow {
  readonly id: string;
  readonly name: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
  /** Of the content; where it lies. */
  readonly sha256: string;
  /** Of the job that checks it and reads its metadata. */
  readonly status: DocumentStatus;
  readonly pages: number | null;
  /** Pixels, of an image; points, of the first page of a PDF. */
  readonly width: number | null;
  readonly height: number | null;
  /** Of the job that extracts its text. */
  readonly textStatus: "pending" | "extracted" | "unsupported" | "failed";
  readonly extractedText: string | null;
  readonly textTruncated: 0 | 1;
  readonly createdBy: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export const documents: TableDefinition<DocumentRow> = {
  table: "documents",
  tenantColumn: "company_id",
  columns: {
    id: "id",
    name: "name",
    mediaType: "media_type",
    sizeBytes: "size_bytes",
    sha256: "sha256",
    status: "status",
    pages: "pages",
    width: "width",
    height: "height",
    textStatus: "text_status",
    extractedText: "extracted_text",
    textTruncated: "text_truncated",
    createdBy: "created_by",
    createdAt: "created_at",
    updatedAt: "updated_at",
  },
};

/** What the documents of a company take up; its id is the company's. */
export interface DocumentUsageRow {
  readonly id: string;
  readonly documents: number;
  readonly bytes: number;
}

export const documentUsage: TableDefinition<DocumentUsageRow> = {
  table: "document_usage",
  tenantColumn: "company_id",
  columns: { id: "company_id", documents: "documents", bytes: "bytes" },
};
