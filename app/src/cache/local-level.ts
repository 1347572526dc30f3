import { LRUCache } from "lru-cache";

/** What is kept of one answer. */
export interface CacheEntry {
  /** JSON. */
  readonly text: string;
  /** Validator of HTTP: changes with the text. */
  readonly etag: string;
  /** Generations of what it was made from; see `generations.ts`. */
  readonly stamp: string;
  /** By the shared clock, ms since 1970. After it, the entry only serves when nothing newer can be had. */
  readonly freshUntil: number;
}

/** How much a {@link LocalLevel} keeps. */
export interface LocalLevelOptions {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

/** One entry takes at most this part of all bytes: a single large answer must not push out everything else. */
const LARGEST_PART = 16;

/** The entry's objects and its place in the list, measured with 50,000 small entries: 300 bytes. */
const ENTRY_BYTES = 300;

/** The first level: in this worker's memory, bounded in entries and in bytes (feature C5). */
export class LocalLevel {
  readonly #entries: LRUCache<string, CacheEntry>;
  readonly #maxEntries: number;

  constructor({ maxEntries, maxBytes }: LocalLevelOptions) {
    this.#maxEntries = maxEntries;
    this.#entries = new LRUCache({
      maxSize: maxBytes,
      maxEntrySize: Math.max(1, Math.floor(maxBytes / LARGEST_PART)),
      // Two bytes a character is the most that V8 takes.
      sizeCalculation: (entry, key) => ENTRY_BYTES + 2 * (key.length + entry.text.length + entry.stamp.length),
    });
  }

  get(key: string): CacheEntry | undefined {
    return this.#entries.get(key);
  }

  set(key: string, entry: CacheEntry): void {
    this.#entries.set(key, entry);
    // As the library's `max` the bound would set aside the places of all 50,000 in every worker.
    while (this.#entries.size > this.#maxEntries) this.#entries.pop();
  }

  /** Looks at every key; a few milliseconds with 50,000. @returns how many were deleted. */
  deleteMatching(matches: (key: string) => boolean): number {
    const found = [...this.#entries.keys()].filter(matches);
    for (const key of found) this.#entries.delete(key);
    return found.length;
  }

  clear(): void {
    this.#entries.clear();
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#entries.calculatedSize;
  }
}
