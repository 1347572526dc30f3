import { createHash } from "node:crypto";
import { broadcast, onBroadcast } from "../cluster/channel";
import { observeChanges } from "../db/changes";
import type { Database, Queries } from "../db/database";
import type { Logger } from "../observability/logger";
import { contentTag } from "./content-tag";
import type { DatabaseGenerations, GenerationSet, RedisGenerations } from "./generations";
import { generationName, WHOLE_COMPANY } from "./generations";
import { type CacheEntry, LocalLevel, type LocalLevelOptions } from "./local-level";
import { matchesGlob } from "./glob";
import type { CachePublisher, PatternMessage } from "./publisher";
import { escapeGlob, type RedisLevel } from "./redis-level";
import { type CacheCounts, type CacheResult, CacheStatistics } from "./statistics";

/** Whose data it is. Nothing is ever shared between companies. */
export interface CacheScope {
  readonly companyId: string;
}

/** What an entry depends on and how long it lives. */
export interface CacheOptions {
  /**
   * Milliseconds until it is made anew; up to a tenth less at random, so that entries do not end together.
   * @default CACHE_TTL_MS of the configuration, 300000 (feature B6: 5 minutes)
   */
  readonly ttlMs?: number;
  /**
   * What it is made from: tables (`orders`), which invalidate it by themselves when a row of the company is written; namespaces of
   * your own (`dashboard`); and objects, with a colon (`user:<id>`, `filing:<id>`).
   */
  readonly tags?: readonly string[];
}

/** An answer as it is kept: text that can be sent as it is. */
export interface CachedText {
  readonly text: string;
  readonly etag: string;
}

/** Figures of this worker's cache. */
export interface CacheStats extends CacheCounts {
  readonly enabled: boolean;
  readonly size: number;
  readonly maxSize: number;
  readonly bytes: number;
  readonly maxBytes: number;
}

/** What a {@link Cache} is put together from. */
export interface CacheParts extends LocalLevelOptions {
  /** 0 entries switch the cache off. */
  readonly generations: DatabaseGenerations;
  /** Writes of its tenants' rows invalidate by themselves. */
  readonly database: Database;
  readonly redis?: { readonly level: RedisLevel; readonly generations: RedisGenerations; readonly publisher: CachePublisher };
  readonly now: () => number;
  readonly logger: Logger;
  /** @default {@link CACHE_TTL_MS} */
  readonly ttlMs?: number;
  /** @default {@link CACHE_STALE_MS} */
  readonly staleMs?: number;
}

export const CACHE_TTL_MS = 300_000;

/** An entry serves this long beyond its freshness when making it anew fails; ms. */
export const CACHE_STALE_MS = 600_000;

const JITTER = 0.1;

/** Topic of messages between the processes of an instance. */
const PATTERN_TOPIC = "cache-pattern";

/** Longer keys are hashed. */
const MOST_KEY_CHARACTERS = 200;

interface Flight {
  readonly result: Promise<CachedText>;
  /** A pattern fitted meanwhile: the result is handed out, because the question is older, but not kept. */
  doomed: boolean;
}

/**
 * Company-scoped cache in two levels: this worker's memory, and Redis when there is one (features C5, D6, E2). Never wrong: each entry
 * carries the generations of what it was made from, and is compared with today's on every use, so a change made by any worker of any
 * instance counts from the moment it is answered. Entries may be old only in what time alone changes.
 */
export class Cache {
  readonly #parts: CacheParts;
  readonly #local: LocalLevel;
  readonly #statistics = new CacheStatistics();
  readonly #flights = new Map<string, Flight>();
  readonly #stopListening: readonly (() => void)[];

  constructor(parts: CacheParts) {
    this.#parts = parts;
    this.#local = new LocalLevel({ ...parts, maxEntries: Math.max(1, parts.maxEntries) });
    // Also when this process keeps nothing: others may.
    observeChanges(parts.database, {
      changing: (transaction, companyId, tables) => parts.generations.change(companyId, [...tables], transaction),
      changed: async (companyId, tables) => parts.redis?.generations.change(companyId, [...tables]),
    });
    const forget = (message: PatternMessage): void => this.#forgetPattern(message);
    this.#stopListening = [
      onBroadcast(PATTERN_TOPIC, (payload) => forget(payload as PatternMessage)),
      ...(parts.redis === undefined ? [] : [parts.redis.publisher.listen(forget)]),
    ];
  }

  get enabled(): boolean {
    return this.#parts.maxEntries > 0;
  }

  /**
   * The value of a key: kept, or made by `load` once however many ask at the same time, and kept then.
   * @returns a value of its own for every caller. What JSON cannot hold is lost on the way.
   * @throws what `load` throws, unless an older value can stand in: one past its time, made from data that did not change.
   */
  async getOrSet<T>(scope: CacheScope, key: string, load: () => Promise<T>, options: CacheOptions = {}): Promise<T> {
    return JSON.parse((await this.getOrSetText(scope, key, load, options)).text) as T;
  }

  /** As {@link getOrSet}, as JSON text. */
  async getOrSetText(scope: CacheScope, key: string, load: () => Promise<unknown>, options: CacheOptions = {}): Promise<CachedText> {
    if (!this.enabled) return entryOf(await load(), "", 0);
    const { companyId } = scope;
    const fullKey = `${companyId}:${shortKey(key)}`;
    const stamp = (await this.#generations(companyId)).stamp((options.tags ?? []).map(generationName));
    const known = this.#local.get(fullKey);
    if (known !== undefined && this.#isFresh(known, stamp)) return this.#counted(companyId, "hit", known);
    // A question that is younger than a change does not join a flight that is older than it.
    const flightKey = `${fullKey}\n${stamp}`;
    const flying = this.#flights.get(flightKey);
    if (flying !== undefined) return this.#counted(companyId, "hit", await flying.result);
    const flight: Flight = { result: this.#fetch(fullKey, stamp, load, options, companyId, () => flight.doomed), doomed: false };
    this.#flights.set(flightKey, flight);
    try {
      return await flight.result;
    } finally {
      this.#flights.delete(flightKey);
    }
  }

  /**
   * Whether what a replica shows may be kept under these tags: it must not be behind the generations of the entry. To be asked after
   * the entry's generations were read, so within `load`, and of the very reader that `load` goes on to read.
   */
  isSeenBy(reader: Queries, { companyId }: CacheScope, tags: readonly string[]): Promise<boolean> {
    return this.#parts.generations.seenBy(companyId, tags.map(generationName), reader);
  }

  /** Forgets everything of a company, in every process. */
  invalidateCompany(companyId: string): Promise<void> {
    return this.#change(companyId, [WHOLE_COMPANY]);
  }

  /** Forgets what was kept with this tag: a table, a namespace or an object such as `filing:<id>`. */
  invalidateTag(companyId: string, tag: string): Promise<void> {
    return this.#change(companyId, [generationName(tag)]);
  }

  /** As {@link invalidateTag}; the word for tags without a colon. */
  invalidateNamespace(companyId: string, namespace: string): Promise<void> {
    return this.invalidateTag(companyId, namespace);
  }

  /** Forgets what was kept with the tag `user:<id>`. */
  invalidateUser(companyId: string, userId: string): Promise<void> {
    return this.invalidateTag(companyId, `user:${userId}`);
  }

  /**
   * Forgets a company's keys that fit a glob pattern (`*` and `?`): here at once, in other processes a moment later. While they cannot
   * be told, everything of the company is forgotten instead.
   */
  async invalidatePattern(companyId: string, glob: string): Promise<void> {
    const message: PatternMessage = { companyId, glob };
    this.#forgetPattern(message);
    broadcast(PATTERN_TOPIC, message);
    const { redis, logger } = this.#parts;
    try {
      // Without Redis nobody can tell the other instances.
      if (redis === undefined) {
        await this.invalidateCompany(companyId);
        return;
      }
      await redis.level.deleteMatching(`${escapeGlob(`${companyId}:`)}${glob}`);
      await redis.publisher.publish(message);
    } catch (error) {
      logger.info(
        { reason: (error as Error).message, companyId },
        "a pattern could not be carried out in Redis; forgetting the whole company",
      );
      await this.invalidateCompany(companyId);
    }
  }

  /** Figures of this worker. */
  stats(): CacheStats {
    const { maxEntries, maxBytes } = this.#parts;
    return {
      enabled: this.enabled,
      size: this.#local.size,
      maxSize: maxEntries,
      bytes: this.#local.bytes,
      maxBytes,
      ...this.#statistics.total(),
    };
  }

  /** Counts of one company in this worker. */
  companyStats(companyId: string): CacheCounts {
    return this.#statistics.company(companyId);
  }

  /** Gives this worker's memory back; what Redis holds stays. */
  shrink(): void {
    this.#local.clear();
    this.#statistics.observeSize(0, 0);
  }

  close(): void {
    for (const stop of this.#stopListening) stop();
  }

  async #generations(companyId: string): Promise<GenerationSet> {
    return (await this.#parts.redis?.generations.read(companyId)) ?? (await this.#parts.generations.read(companyId));
  }

  async #change(companyId: string, names: readonly string[]): Promise<void> {
    await this.#parts.generations.change(companyId, names);
    await this.#parts.redis?.generations.change(companyId, names);
  }

  async #fetch(
    key: string,
    stamp: string,
    load: () => Promise<unknown>,
    options: CacheOptions,
    companyId: string,
    isDoomed: () => boolean,
  ): Promise<CachedText> {
    const level = this.#parts.redis?.level;
    const before = this.#local.get(key);
    // A younger question may have been answered meanwhile, after a change that this one is too old for.
    const isOvertaken = (): boolean => isDoomed() || this.#local.get(key) !== before;
    const usable = (entry: CacheEntry): boolean => this.#isFresh(entry, stamp);
    let shared = await level?.get(key);
    let release: (() => Promise<void>) | undefined;
    if (level !== undefined && (shared === undefined || !usable(shared))) {
      const leading = await level.lead(key, usable);
      if (typeof leading === "function") release = leading;
      else if (leading !== undefined) shared = leading;
    }
    if (shared !== undefined && usable(shared)) {
      if (!isOvertaken()) this.#keep(key, shared);
      return this.#counted(companyId, "shared_hit", shared);
    }
    try {
      const ttlMs = (options.ttlMs ?? this.#parts.ttlMs ?? CACHE_TTL_MS) * (1 - JITTER * Math.random());
      const entry = entryOf(await load(), stamp, this.#parts.now() + ttlMs);
      if (!isOvertaken()) {
        this.#keep(key, entry);
        await level?.set(key, entry);
      }
      return this.#counted(companyId, "miss", entry);
    } catch (error) {
      const old = [before, shared].find((entry) => entry?.stamp === stamp && this.#mayStandIn(entry));
      if (old === undefined || !isFailure(error)) throw error;
      this.#parts.logger.warn({ err: error, companyId }, "serving an old answer from the cache, because making it anew failed");
      return this.#counted(companyId, "stale", old);
    } finally {
      await release?.();
    }
  }

  #keep(key: string, entry: CacheEntry): void {
    this.#local.set(key, entry);
    this.#statistics.observeSize(this.#local.size, this.#local.bytes);
  }

  #isFresh(entry: CacheEntry, stamp: string): boolean {
    return entry.stamp === stamp && this.#parts.now() < entry.freshUntil;
  }

  #mayStandIn(entry: CacheEntry): boolean {
    return this.#parts.now() < entry.freshUntil + (this.#parts.staleMs ?? CACHE_STALE_MS);
  }

  #counted(companyId: string, result: CacheResult, entry: CachedText): CachedText {
    this.#statistics.count(companyId, result);
    return entry;
  }

  #forgetPattern({ companyId, glob }: PatternMessage): void {
    const fits = (key: string): boolean => key.startsWith(`${companyId}:`) && matchesGlob(glob, key.slice(companyId.length + 1));
    this.#local.deleteMatching(fits);
    for (const [key, flight] of this.#flights) if (fits(key.slice(0, key.indexOf("\n")))) flight.doomed = true;
    this.#statistics.observeSize(this.#local.size, this.#local.bytes);
  }
}

/** Refusals (such as "not found") are answers, and no reason to show something old. */
function isFailure(error: unknown): boolean {
  return !(error instanceof Error && "status" in error && typeof error.status === "number" && error.status < 500);
}

function entryOf(value: unknown, stamp: string, freshUntil: number): CacheEntry {
  const text = value === undefined ? "null" : JSON.stringify(value);
  return { text, etag: contentTag(text), stamp, freshUntil };
}

function shortKey(key: string): string {
  if (key.length <= MOST_KEY_CHARACTERS) return key;
  // The beginning stays readable for patterns.
  return `${key.slice(0, 100)}~${createHash("sha256").update(key).digest("base64url")}`;
}
