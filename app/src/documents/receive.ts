import type { IncomingMessage } from "node:http";
import { PassThrough, type Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import busboy from "busboy";
import type { Request } from "express";
import { z } from "zod";
import { HttpProblem } from "../http/problem";
import { validate } from "../http/validate";
import { type MediaType, MEDIA_TYPES } from "./media-type";
import type { DocumentStorage, StagedContent } from "./storage";
import { UploadGate } from "./upload";

/** Headers of one part of a form, bytes, and fields beside the file. */
const FORM_LIMITS = { files: 1, fields: 4, fieldSize: 1024, headerPairs: 20 } as const;

/** A name is only ever shown; it is no path. Slashes and control characters are refused all the same: it becomes a file's name somewhere. */
export const documentName = z
  .string()
  .trim()
  .min(1)
  .max(200)
  // Half a surrogate pair is no character, and cannot be written into an address.
  .regex(/^[^\p{Cc}\p{Cs}/\\]*$/u)
  .describe("1 to 200 characters without slashes and control characters");
const nameSchema = z.strictObject({ name: documentName });

/** An upload that was taken: complete, of a known kind, and staged. */
export interface ReceivedUpload {
  readonly name: string;
  readonly mediaType: MediaType;
  readonly staged: StagedContent;
}

/**
 * Streams an upload into the storage: the file of a form (field `file`), or the body itself with its name in `?name=`.
 * @throws HttpProblem when it is too large, of a kind that is not taken, empty, or without a name; nothing is kept then.
 */
export async function receiveUpload(request: Request, storage: DocumentStorage, maxBytes: number): Promise<ReceivedUpload> {
  const announced = Number(request.headers["content-length"] ?? 0);
  // The frame of a form is small; what is clearly too large is refused before it is sent.
  if (announced > maxBytes + 16_384) throw new HttpProblem("body-too-large", `A document may have at most ${maxBytes} bytes.`);
  if (request.is("multipart/form-data") !== false && request.is("multipart/form-data") !== null) {
    return receiveForm(request, storage, maxBytes);
  }
  const type = (request.headers["content-type"] ?? "application/octet-stream").split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (type !== "application/octet-stream" && !(MEDIA_TYPES as readonly string[]).includes(type)) {
    throw new HttpProblem(
      "unsupported-media-type",
      `Send multipart/form-data, application/octet-stream, or one of ${MEDIA_TYPES.join(", ")}.`,
    );
  }
  const given = validate(nameSchema, request.query, "The query");
  return { ...(await take(request, storage, maxBytes)), name: given.name };
}

async function take(content: Readable, storage: DocumentStorage, maxBytes: number): Promise<Omit<ReceivedUpload, "name">> {
  const gate = new UploadGate(maxBytes);
  // Waits for both, so that nothing is still written when the upload is refused.
  const [staged, passed] = await Promise.allSettled([storage.stage(gate), pipeline(content, gate)]);
  if (staged.status === "rejected") throw staged.reason;
  if (passed.status === "rejected" || gate.mediaType === undefined) {
    await storage.discard(staged.value);
    throw passed.status === "rejected" ? passed.reason : new Error("An upload ended without a kind.");
  }
  return { staged: staged.value, mediaType: gate.mediaType };
}

async function receiveForm(request: IncomingMessage & Request, storage: DocumentStorage, maxBytes: number): Promise<ReceivedUpload> {
  const parser = formParser(request);
  let received: Promise<ReceivedUpload> | undefined;
  let problem: HttpProblem | undefined;
  parser.on("file", (field, content, { filename }) => {
    if (field !== "file" || received !== undefined) {
      problem ??= formProblem();
      content.resume();
      return;
    }
    received = receiveFile(content, filename, storage, maxBytes);
    // Looked at when the form is over; an upload that is refused ends the form, so that nobody sends the rest in vain.
    received.catch((error: unknown) => parser.destroy(error instanceof Error ? error : new Error(String(error))));
  });
  parser.on("filesLimit", () => (problem ??= formProblem()));
  try {
    await pipeline(request, parser);
  } catch (error) {
    const refusal: unknown = await received?.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    throw refusal instanceof HttpProblem ? refusal : error instanceof HttpProblem ? error : malformedForm();
  }
  if (received === undefined) throw problem ?? formProblem();
  const upload = await received;
  if (problem === undefined) return upload;
  await storage.discard(upload.staged);
  throw problem;
}

async function receiveFile(
  content: Readable,
  filename: string | undefined,
  storage: DocumentStorage,
  maxBytes: number,
): Promise<ReceivedUpload> {
  const through = new PassThrough();
  // The parser ends a file it cannot finish by an error; one listener less and that would end the process.
  content.on("error", (error) => through.destroy(error));
  content.pipe(through);
  const given = nameSchema.safeParse({ name: filename });
  if (!given.success) {
    content.resume();
    throw new HttpProblem("validation", `The file's name must be ${documentName.description ?? "given"}.`, {
      errors: [{ field: "file", allowed: `a file whose name has ${documentName.description ?? ""}` }],
    });
  }
  return { ...(await take(through, storage, maxBytes)), name: given.data.name };
}

function formParser(request: Request): busboy.Busboy {
  try {
    return busboy({ headers: request.headers, limits: FORM_LIMITS, defParamCharset: "utf8" });
  } catch {
    // Without a boundary it is no form.
    throw malformedForm();
  }
}

function malformedForm(): HttpProblem {
  return new HttpProblem("bad-request", "The form is malformed or incomplete.");
}

function formProblem(): HttpProblem {
  return new HttpProblem("validation", "The form must have exactly one file, in the field file.", {
    errors: [{ field: "file", allowed: "exactly one file" }],
  });
}
