import type { Request, Response } from "express";
import type { Cache } from "../cache/cache";
import { sessionOf } from "./middleware/authenticate";
import { sendCachedJson } from "./respond";

/** What of the company an answer shows. */
export interface CachedAnswer {
  /** Name of the answer, the same for everyone in the company; `orders`. Whatever else it depends on is in `query`. */
  readonly name: string;
  /** Parsed, never as it was sent: otherwise anyone could fill the cache with one answer. */
  readonly query?: unknown;
  /** Tables it is made from, and further tags; see `CacheOptions`. */
  readonly tags: readonly string[];
}

/**
 * Answers a GET with the company's cached JSON (feature B6: 5 minutes on the server, never behind a change), and with 304 when the
 * client has it. For answers that every user of the company who may ask gets alike.
 */
export async function sendCached(
  cache: Cache,
  request: Request,
  response: Response,
  { name, query, tags }: CachedAnswer,
  load: () => Promise<unknown>,
): Promise<void> {
  const key = query === undefined ? name : `${name}?${JSON.stringify(query)}`;
  sendCachedJson(request, response, await cache.getOrSetText({ companyId: sessionOf(request).companyId }, key, load, { tags }));
}
