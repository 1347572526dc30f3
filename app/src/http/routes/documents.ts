import type { Request, Response } from "express";
import { Router } from "express";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import type { Container } from "../../container";
import {
  addDocument,
  deleteDocument,
  type Document,
  DOCUMENT_LIST,
  findDocument,
  presentDocument,
  requestText,
} from "../../documents/documents";
import { MEDIA_TYPES } from "../../documents/media-type";
import { contentDisposition, ETAG_MATCHES, parseRange } from "../../documents/range";
import { receiveUpload } from "../../documents/receive";
import { storageStatus } from "../../documents/quota";
import { ContentMissingError } from "../../documents/storage";
import { DOCUMENT_STATUSES, documents, type DocumentRow } from "../../documents/tables";
import { sessionOf, tenantOf } from "../middleware/authenticate";
import * as shown from "../openapi/fields";
import { type Operation, resource } from "../openapi/operation";
import { listPage, parseListRequest } from "../pagination";
import { HttpProblem } from "../problem";
import { sendElsewhere, sendJson, sendNothing } from "../respond";
import { API_HEADERS } from "../security-headers";
import { pathId } from "../validate";
import { addUploadRoutes, uploadOperations } from "./document-uploads";
import { jobSchema } from "./jobs";

const documentSchema: z.ZodType<Document> = z.strictObject({
  id: shown.id,
  name: z.string(),
  mediaType: z.enum(MEDIA_TYPES),
  sizeBytes: shown.count,
  sha256: z.string().length(64),
  status: z.enum(DOCUMENT_STATUSES),
  pages: shown.count.nullable(),
  width: shown.count.nullable().describe("pixels of an image, points of a PDF"),
  height: shown.count.nullable(),
  textStatus: z.enum(["pending", "extracted", "unsupported", "failed"]),
  createdBy: shown.id,
  ...shown.times,
});

const limits = z.strictObject({ documents: shown.count, bytes: shown.count });
const addedSchema = z.strictObject({ document: documentSchema, jobs: z.array(z.string()) });
const PATH = "/api/documents";

export const documentOperations: readonly Operation[] = [
  ...resource({
    tag: "documents",
    path: PATH,
    one: "a document",
    list: DOCUMENT_LIST,
    listItem: documentSchema,
    deletes: true,
    versioned: false,
  }),
  {
    tag: "documents",
    method: "post",
    path: PATH,
    summary: `Uploads a document, as a form with the field file or as the body with ?name=; taken are ${MEDIA_TYPES.join(", ")}`,
    otherBody: { contentType: "multipart/form-data", schema: z.object({ file: z.string().describe("the content, with its file name") }) },
    answers: { 201: { description: "Stored; its jobs read metadata and text", schema: addedSchema, headers: ["Location"] } },
  },
  ...uploadOperations(PATH, addedSchema),
  {
    tag: "documents",
    method: "get",
    path: `${PATH}/usage`,
    summary: "What the documents take up, and what the plan allows",
    answers: {
      200: { description: "Now", schema: z.strictObject({ plan: z.string(), used: limits, limits: limits.nullable() }) },
    },
  },
  {
    tag: "documents",
    method: "get",
    path: `${PATH}/{id}/content`,
    summary: "The content, whole or the part that Range asks for",
    answers: {
      200: { description: "Whole", contentType: "*/*", schema: z.unknown(), headers: ["ETag"] },
      206: { description: "The part", contentType: "*/*", schema: z.unknown(), headers: ["ETag"] },
      302: { description: "Where the content is to be had for a short time, by Range too", headers: ["Location"] },
      304: { description: "The client has it already: If-None-Match fits" },
    },
  },
  {
    tag: "documents",
    method: "get",
    path: `${PATH}/{id}/text`,
    summary: "The text that was extracted",
    answers: {
      200: {
        description: "The text; truncated when there was more",
        schema: z.strictObject({ id: shown.id, text: z.string(), truncated: z.boolean() }),
      },
    },
  },
  {
    tag: "documents",
    method: "post",
    path: `${PATH}/{id}/text`,
    summary: "Extracts the text again, before others",
    answers: { 202: { description: "Accepted; Location is the job", schema: jobSchema, headers: ["Location"] } },
  },
];

/** `/api/documents` (feature A21): uploads are streamed, told by their content, and kept apart by company. */
export function documentRoutes(container: Container): Router {
  const { config, database, jobs } = container;
  const router = Router();
  const { storage } = jobs;

  router.get("/", async (request, response) => {
    const list = parseListRequest(request.query, DOCUMENT_LIST);
    sendJson(request, response, 200, await listPage(tenantOf(request, database).table(documents), list, presentDocument));
  });

  router.get("/usage", async (request, response) => {
    sendJson(request, response, 200, await storageStatus(tenantOf(request, database)));
  });

  router.post("/", async (request, response) => {
    const { name, mediaType, staged } = await receiveUpload(request, storage, config.documents.maxBytes);
    const scope = tenantOf(request, database);
    const added = await addDocument(scope, storage, jobs.company, staged, { name, mediaType, createdBy: sessionOf(request).userId });
    const body = { document: added.document, jobs: added.jobs.map(({ id }) => id) };
    sendJson(request, response, 201, body, { location: `${PATH}/${added.document.id}` });
  });

  addUploadRoutes(router, PATH, container);

  router.get("/:id", async (request, response) => {
    sendJson(request, response, 200, presentDocument(await findDocument(tenantOf(request, database), pathId(request))));
  });

  router.get("/:id/content", async (request, response) => {
    const { companyId } = sessionOf(request);
    const row = await findDocument(tenantOf(request, database), pathId(request));
    const address = { companyId, sha256: row.sha256 };
    const elsewhere = storage.downloads?.addressOf(address, presented(row));
    if (elsewhere === undefined || isKnown(request, row))
      await sendContent(request, response, row, (range) => storage.read(address, range));
    else sendElsewhere(request, response, elsewhere);
  });

  router.get("/:id/text", async (request, response) => {
    const { id, textStatus, extractedText, textTruncated } = await findDocument(tenantOf(request, database), pathId(request));
    if (extractedText === null) throw new HttpProblem("conflict", `The text of this document is not there: ${textStatus}.`);
    sendJson(request, response, 200, { id, text: extractedText, truncated: textTruncated === 1 });
  });

  router.post("/:id/text", async (request, response) => {
    const scope = tenantOf(request, database);
    const row = await requestText(scope, jobs.company, pathId(request), sessionOf(request).userId);
    sendJson(request, response, 202, await jobs.company.get(scope, row.id), { location: `/api/jobs/${row.id}` });
  });

  router.delete("/:id", async (request, response) => {
    await deleteDocument(tenantOf(request, database), storage, pathId(request));
    sendNothing(request, response);
  });

  return router;
}

/** As a download, whatever it is: nothing that users upload is shown as a page of ours. */
const presented = (row: DocumentRow) => ({
  contentType: row.mediaType === "text/plain" ? "text/plain; charset=utf-8" : row.mediaType,
  contentDisposition: contentDisposition(row.name),
});

const etagOf = ({ sha256 }: DocumentRow): string => `"${sha256}"`;

const isKnown = (request: Request, row: DocumentRow): boolean => ETAG_MATCHES(request.headers["if-none-match"], etagOf(row));

type Read = (range?: { readonly start: number; readonly end: number }) => Promise<NodeJS.ReadableStream>;

/** Streams content. It never changes under its id, so whoever has it may keep it; nobody shares it. */
async function sendContent(request: Request, response: Response, row: DocumentRow, read: Read): Promise<void> {
  const etag = etagOf(row);
  const headers = [
    ...API_HEADERS,
    ...["Cache-Control", "private, no-cache", "ETag", etag, "Accept-Ranges", "bytes"],
    ...["X-Request-Id", request.context.requestId, "Traceparent", request.context.traceparent],
  ];
  if (isKnown(request, row)) {
    response.writeHead(304, headers).end();
    return;
  }
  const { range: wanted, "if-range": condition } = request.headers;
  const range = condition === undefined || condition === etag ? parseRange(wanted, row.sizeBytes) : undefined;
  if (range === "unsatisfiable") {
    response.writeHead(416, [...headers, "Content-Range", `bytes */${row.sizeBytes}`, "Content-Length", "0"]).end();
    return;
  }
  const as = presented(row);
  headers.push("Content-Type", as.contentType, "Content-Disposition", as.contentDisposition);
  headers.push("Content-Length", String(range === undefined ? row.sizeBytes : range.end - range.start + 1));
  if (range !== undefined) headers.push("Content-Range", `bytes ${range.start}-${range.end}/${row.sizeBytes}`);
  const content = await opened(read, range);
  response.writeHead(range === undefined ? 200 : 206, headers);
  try {
    await pipeline(content, response);
  } catch (error) {
    // A client that leaves is no error of ours; the request log tells of it.
    if ((error as NodeJS.ErrnoException).code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
  }
}

async function opened(read: Read, range: Parameters<Read>[0]): Promise<NodeJS.ReadableStream> {
  try {
    return await read(range);
  } catch (error) {
    if (!(error instanceof ContentMissingError)) throw error;
    throw new HttpProblem("not-found", "The content of this document is not there any more.");
  }
}
