import type { Response } from "express";
import { Router } from "express";
import { assetDirectory } from "../../assets";
import { missingPageLibraries } from "../page-libraries";
import { compress, COMPRESSION_THRESHOLD_BYTES } from "../respond";
import { pageHeaders } from "../security-headers";
import { KEEP, type StaticFile, StaticFiles } from "../static-files";

/**
 * The pages and their files.
 * @param uploadsTo origin that pages may send uploads to. @default their own only
 * @param files @default those of the directory `public`, and the libraries that they load
 */
export function pages(uploadsTo?: string, files = publicFiles()): Router {
  const router = Router();
  const common = pageHeaders(uploadsTo);
  router.use((request, response, next) => {
    const file = request.method === "GET" || request.method === "HEAD" ? files.find(request.path) : undefined;
    if (file === undefined) {
      next();
      return;
    }
    const headers = [...common, "Cache-Control", file.immutable ? KEEP : "no-cache", "ETag", file.etag];
    if (isKnown(request.headers["if-none-match"], file)) {
      response.writeHead(304, headers).end();
      return;
    }
    headers.push("Content-Type", file.contentType);
    if (file.content.length <= COMPRESSION_THRESHOLD_BYTES) send(response, file, headers);
    else compress(request, response, () => send(response, file, headers));
  });
  return router;
}

function publicFiles(): StaticFiles {
  const directory = assetDirectory("public");
  return new StaticFiles(directory, missingPageLibraries(directory));
}

function send(response: Response, file: StaticFile, headers: string[]): void {
  headers.push("Content-Length", String(file.content.length));
  response.writeHead(200, headers).end(response.req.method === "HEAD" ? undefined : file.content);
}

/** Compressed or not, it is the same file: weak comparison, as RFC 9110 asks of If-None-Match. */
function isKnown(ifNoneMatch: string | undefined, file: StaticFile): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(",").some((tag) => tag.trim().replace(/^W\//, "") === file.etag || tag.trim() === "*");
}
