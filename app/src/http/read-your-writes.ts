import { randomBytes } from "node:crypto";
import type { Request } from "express";
import type { Cache } from "../cache/cache";
import type { Database, Queries, TenantDatabase, WriteMark } from "../db/database";
import { homeOf } from "../db/shards/reach";
import { TenantScope } from "../db/tenant";
import { isMark, laterMark, UNSEEN } from "../db/write-mark";

/**
 * Carries the mark of browsers. Each process has a cookie of its own: answers to changes made in parallel may arrive in another order
 * than the changes were made, and of two cookies of one name the older would take the place of the newer.
 */
const WRITE_MARK_COOKIE = "wm-";
const OWN_COOKIE = `${WRITE_MARK_COOKIE}${randomBytes(4).toString("hex")}`;

/** Of answers whose last write nobody knows yet. */
const STREAM_COOKIE = `${WRITE_MARK_COOKIE}stream`;

/** Carries the mark of clients with a token, both ways. */
export const WRITE_MARK_HEADER = "Write-Mark";

/**
 * Seconds a mark outlives the lag up to which a replica is read. A replica that has not seen a write by then is late by more than that
 * lag and was found to be: looks are a minute apart at most (DB_REPLICA_CHECK_MS), and each takes a second at most.
 */
const MARGIN_SECONDS = 120;

/*
 * Which server answers the reads of a request (feature E8), and how a session reads what it wrote, whichever worker of whichever instance
 * it meets next.
 *
 * Writes, and whatever decides about one, are the primary's; so are sessions. GET and HEAD of the API may be answered by a replica. The
 * client carries the place of its last write in the primary's log, because it is the only thing that all instances have in common that
 * costs neither a further write to the database nor a server that may be away: a browser as cookies that end when no replica that is
 * read can lack the write; a client with a token by sending back the header Write-Mark of the last answer that had one. Such a client
 * need not know any of this: without the header it reads from the primary.
 *
 * A mark is neither secret nor signed, and says nothing about whose rows are read: that is `TenantScope`'s business. An invented one
 * makes its sender read from the primary, or older rows of its own company than it might.
 */

/** What the request's company may see, by a replica where that is allowed. The one place where this is decided. */
export function scopeOf(request: Request, database: Database, companyId: string): TenantScope {
  if (database.maxLagMs === undefined) return new TenantScope(database, companyId);
  const home = homeOf(database, companyId);
  if (!isRead(request)) {
    tellWriteMark(request, home);
    return new TenantScope(database, companyId);
  }
  // One for the whole request: of two replicas, the second might see less than the first.
  request.context.reader ??= readerOf(request, home);
  return TenantScope.reading(database, companyId, request.context.reader);
}

/**
 * The scope by which an answer is made that everybody in the company gets from the cache: a replica's only if that has seen all that the
 * answer's generations stand for, whoever wrote it.
 */
export async function cachedScopeOf(
  request: Request,
  database: Database,
  companyId: string,
  cache: Cache,
  tags: readonly string[],
): Promise<TenantScope> {
  if (database.maxLagMs === undefined) return new TenantScope(database, companyId);
  const home = homeOf(database, companyId);
  const mark = sentMark(request);
  const reader = home.reader(mark === undefined || isMark(mark) ? mark : undefined);
  if (reader === home || (await cache.isSeenBy(reader, { companyId }, tags))) return TenantScope.reading(database, companyId, reader);
  // Counted with the reads that no replica was far enough for.
  return TenantScope.reading(database, companyId, home.reader(UNSEEN));
}

/** Lets the answer carry the mark of what this request writes, for {@link scopeOf} of the next one. */
export function tellWriteMark(request: Request, database: TenantDatabase): void {
  const { maxLagMs } = database;
  if (maxLagMs === undefined) return;
  request.context.addHeaders ??= (list, contentType) => {
    // A stream goes on writing after its headers.
    const isStream = contentType?.startsWith("text/event-stream") === true;
    // The process's last write is never before the request's.
    const own = isStream ? UNSEEN : database.writeMark();
    if (own === undefined) return;
    if (request.headers.authorization === undefined) {
      list.push("Set-Cookie", markCookie(isStream ? STREAM_COOKIE : OWN_COOKIE, own, maxLagMs, request.secure));
    }
    // One that replaces what it was sent must not go back behind it; that of a stream is over with the next change.
    const sent = headerMark(request);
    list.push(WRITE_MARK_HEADER, sent !== undefined && isMark(sent) && sent !== UNSEEN ? laterMark(own, sent) : own);
  };
}

function isRead(request: Request): boolean {
  return request.method === "GET" || request.method === "HEAD";
}

function readerOf(request: Request, database: TenantDatabase): Queries {
  const mark = sentMark(request);
  if (mark !== undefined && isMark(mark)) return database.reader(mark);
  // Without a mark: a browser has not written for a while, and nobody knows about a program.
  return mark === undefined && request.headers.authorization === undefined ? database.reader() : database;
}

function headerMark({ headers }: Request): string | undefined {
  const header = headers["write-mark"];
  return header === undefined ? undefined : String(header);
}

/** As it was sent, whatever it is; of several cookies the latest. */
function sentMark(request: Request): string | undefined {
  const { headers } = request;
  if (headers["write-mark"] !== undefined || headers.authorization !== undefined) return headerMark(request);
  let latest: string | undefined;
  for (const part of headers.cookie?.split(";") ?? []) {
    const cookie = part.trim();
    if (!cookie.startsWith(WRITE_MARK_COOKIE)) continue;
    const mark = cookie.slice(cookie.indexOf("=") + 1);
    if (!isMark(mark)) return mark;
    latest = laterMark(mark, latest);
  }
  return latest;
}

function markCookie(name: string, mark: WriteMark, maxLagMs: number, secure: boolean): string {
  const seconds = Math.ceil(maxLagMs / 1000) + MARGIN_SECONDS;
  return `${name}=${mark}; Path=/api; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure ? "; Secure" : ""}`;
}
