/* global BroadcastChannel */
// A cache for answers in the browser: bounded, for one user at a time, gone when that user is. It lives in memory only, so nothing of a
// user stays on the machine.

/** Most entries kept; the one that was not used for longest goes first. */
const MAX_ENTRIES = 500;

/** How long an entry is fresh, in milliseconds: five minutes, as the API's own caching policy. */
const TTL_MS = 300_000;

/** Name of the channel by which the tabs of one origin tell each other who is logged in. */
const CHANNEL = "client-cache";

/**
 * Keeps results of loads by key.
 *
 * Every entry belongs to the user who was logged in when its load began: another user never sees it, even when a load ends late.
 * Changing the user, here or in another tab, removes everything.
 */
export class ClientCache {
  #entries = new Map();
  #loading = new Map();
  #user = null;
  #hits = 0;
  #misses = 0;
  #maxEntries;
  #ttlMs;
  #now;
  #channel;

  /**
   * @param {{ maxEntries?: number, ttlMs?: number, now?: () => number }} [options]
   *   maxEntries: default 500; ttlMs: default 300000; now: milliseconds, default Date.now
   */
  constructor({ maxEntries = MAX_ENTRIES, ttlMs = TTL_MS, now = Date.now } = {}) {
    if (!Number.isInteger(maxEntries) || maxEntries < 1) throw new RangeError("maxEntries: a whole number from 1 is allowed");
    if (!(ttlMs > 0)) throw new RangeError("ttlMs: a number above 0 is allowed");
    this.#maxEntries = maxEntries;
    this.#ttlMs = ttlMs;
    this.#now = now;
    this.#channel = typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel(CHANNEL);
    this.#channel?.addEventListener("message", ({ data }) => this.#become(data.user));
  }

  /** Says who is logged in; null for nobody. Another user than before finds an empty cache, in every tab. */
  setUser(user) {
    if (user === this.#user) return;
    this.#become(user);
    this.#channel?.postMessage({ user });
  }

  /** The value of a key while it is fresh, else undefined. */
  get(key) {
    const id = this.#id(key);
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.freshUntil <= this.#now()) {
      this.#entries.delete(id);
      this.#misses += 1;
      return undefined;
    }
    // A Map keeps the order of insertion: the last is the one used last.
    this.#entries.delete(id);
    this.#entries.set(id, entry);
    this.#hits += 1;
    return entry.value;
  }

  set(key, value, ttlMs = this.#ttlMs) {
    this.#put(this.#id(key), value, ttlMs);
  }

  /**
   * The cached value, or what `load` gives; callers that come meanwhile share one load. A load that fails is not kept.
   * @template T
   * @param {string} key
   * @param {() => Promise<T>} load
   * @param {number} [ttlMs]
   * @returns {Promise<T>}
   */
  async getOrLoad(key, load, ttlMs = this.#ttlMs) {
    const cached = this.get(key);
    if (cached !== undefined) return cached;
    const id = this.#id(key);
    const running = this.#loading.get(id);
    if (running !== undefined) return running;
    const loading = load().then(
      (value) => {
        // Not if the user has changed or the key was invalidated meanwhile: this value may be the old one.
        if (this.#loading.get(id) === loading) {
          this.#loading.delete(id);
          this.#put(id, value, ttlMs);
        }
        return value;
      },
      (error) => {
        if (this.#loading.get(id) === loading) this.#loading.delete(id);
        throw error;
      },
    );
    this.#loading.set(id, loading);
    return loading;
  }

  /** Removes the key and every key that begins with it, such as all pages of a list by its path. */
  invalidate(prefix) {
    const start = this.#id(prefix);
    for (const map of [this.#entries, this.#loading]) {
      for (const id of map.keys()) if (id.startsWith(start)) map.delete(id);
    }
  }

  clear() {
    this.#entries.clear();
    this.#loading.clear();
  }

  /** Entries, hits and misses so far. */
  stats() {
    return { entries: this.#entries.size, hits: this.#hits, misses: this.#misses, maxEntries: this.#maxEntries };
  }

  /** Stops listening to other tabs. */
  close() {
    this.clear();
    this.#channel?.close();
  }

  #become(user) {
    if (user === this.#user) return;
    this.#user = user;
    this.clear();
  }

  /** The user is part of the key, so that no mistake elsewhere can show one user the values of another. */
  #id(key) {
    return JSON.stringify([this.#user]).slice(0, -1) + "," + key;
  }

  #put(id, value, ttlMs) {
    this.#entries.delete(id);
    this.#entries.set(id, { value, freshUntil: this.#now() + ttlMs });
    if (this.#entries.size > this.#maxEntries) this.#entries.delete(this.#entries.keys().next().value);
  }
}
