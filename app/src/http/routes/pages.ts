import express, { Router } from "express";
import { assetDirectory } from "../../assets";
import { compress } from "../respond";
import { PAGE_HEADERS } from "../security-headers";

/** `name.3f9a1c22.js`: the content is part of the name, so it can be kept for ever (feature B6: static 1 year immutable). */
const HASHED_NAME = /\.[0-9a-f]{8,}\.\w+$/;

const ONE_YEAR_SECONDS = 31_536_000;

/** The status page and its files. */
export function pages(): Router {
  const router = Router();
  const files = express.static(assetDirectory("public"), {
    // serve-static would add its own; the rule is below.
    cacheControl: false,
    redirect: false,
    setHeaders: (response, file) => {
      response.setHeader("Cache-Control", HASHED_NAME.test(file) ? `public, max-age=${ONE_YEAR_SECONDS}, immutable` : "no-cache");
      for (let index = 0; index < PAGE_HEADERS.length; index += 2) {
        response.setHeader(PAGE_HEADERS[index] ?? "", PAGE_HEADERS[index + 1] ?? "");
      }
    },
  });
  router.use((request, response, next) => {
    if (request.method !== "GET" && request.method !== "HEAD") next("router");
    else compress(request, response, next);
  });
  router.use(files);
  return router;
}
