import type { Router } from "express";
import { z } from "zod";
import type { Container } from "../../container";
import { beginUpload, completeUpload } from "../../documents/direct";
import { MEDIA_TYPES } from "../../documents/media-type";
import { documentName } from "../../documents/receive";
import { REPLAYED_HEADER } from "../create";
import { sessionOf, tenantOf } from "../middleware/authenticate";
import { jsonBody } from "../middleware/body";
import * as shown from "../openapi/fields";
import type { Operation } from "../openapi/operation";
import { sendJson } from "../respond";
import { pathId, validate } from "../validate";

const UNKNOWN_TYPE = "application/octet-stream";
const TYPES = [...MEDIA_TYPES, UNKNOWN_TYPE] as const;

const announcedSchema = z.strictObject({
  name: documentName,
  mediaType: z
    .enum(TYPES)
    .default(UNKNOWN_TYPE)
    .describe(`one of ${TYPES.join(", ")}`),
  sizeBytes: z.int().min(1).describe("a whole number of bytes, at least 1"),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional()
    .describe("the SHA-256 of the content, 64 hex digits in small letters; without it the content goes through the app"),
});

const waySchema = z.discriminatedUnion("way", [
  z.strictObject({
    way: z.literal("form"),
    id: shown.id.describe("of the upload, and of the document that is made of it"),
    url: z.string().describe("address to post a multipart form to: the fields, then the content as the field file"),
    fields: z.record(z.string(), z.string()),
    expiresAt: shown.time,
    complete: z.string().describe("path to post to once the form is sent"),
  }),
  z.strictObject({
    way: z.literal("body"),
    url: z.string().describe("path to post the content to, as the body"),
  }),
]);

/** The operations of uploads that are announced, below the path of documents. */
export const uploadOperations = (path: string, addedSchema: z.ZodType): readonly Operation[] => [
  {
    tag: "documents",
    method: "post",
    path: `${path}/uploads`,
    summary: "Announces an upload, and tells how to send it: to the storage itself where that takes it, else to the app",
    body: announcedSchema,
    answers: { 200: { description: "How to send it", schema: waySchema } },
  },
  {
    tag: "documents",
    method: "post",
    path: `${path}/uploads/{id}/complete`,
    summary: "Makes a document of what was sent to the storage; again it answers with the same document",
    answers: {
      200: { description: "It was one already", schema: addedSchema, headers: ["Location"] },
      201: { description: "Stored; its jobs read metadata and text", schema: addedSchema, headers: ["Location"] },
    },
  },
];

/** Adds the routes of {@link uploadOperations} to those of documents. */
export function addUploadRoutes(router: Router, path: string, { config, database, jobs }: Container): void {
  const { storage } = jobs;

  router.post("/uploads", jsonBody(), async (request, response) => {
    const upload = validate(announcedSchema, request.body, "The request body");
    const { userId } = sessionOf(request);
    const { maxBytes } = config.documents;
    const way = await beginUpload(tenantOf(request, database), storage, upload, { userId, maxBytes, url: path });
    sendJson(request, response, 200, way.way === "form" ? { ...way, complete: `${path}/uploads/${way.id}/complete` } : way);
  });

  router.post("/uploads/:id/complete", async (request, response) => {
    const { userId } = sessionOf(request);
    const upload = { id: pathId(request), userId };
    const { document, jobs: accepted, isRepeated } = await completeUpload(tenantOf(request, database), storage, jobs.company, upload);
    const body = { document, jobs: accepted.map(({ id }) => id) };
    const extra = isRepeated ? { [REPLAYED_HEADER]: "true" } : {};
    sendJson(request, response, isRepeated ? 200 : 201, body, { location: `${path}/${document.id}`, extra });
  });
}
