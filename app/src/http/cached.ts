import type { Request, Response } from "express";
import type { Container } from "../container";
import type { TenantScope } from "../db/tenant";
import { sessionOf } from "./middleware/authenticate";
import { cachedScopeOf } from "./read-your-writes";
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
 * @param load makes the answer from the scope it is given, and from nothing else.
 */
export async function sendCached(
  { cache, database }: Pick<Container, "cache" | "database">,
  request: Request,
  response: Response,
  { name, query, tags }: CachedAnswer,
  load: (scope: TenantScope) => Promise<unknown>,
): Promise<void> {
  const { companyId } = sessionOf(request);
  const key = query === undefined ? name : `${name}?${JSON.stringify(query)}`;
  const make = async (): Promise<unknown> => load(await cachedScopeOf(request, database, companyId, cache, tags));
  sendCachedJson(request, response, await cache.getOrSetText({ companyId }, key, make, { tags }));
}
