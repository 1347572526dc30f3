import { LRUCache } from "lru-cache";

/**
 * The latest `most` entries by use. As a number of entries (`max`) lru-cache sets all their places aside at once, which for the many lists
 * of a worker came to 6 MB before the first request; as a size, of one each, it grows with what is in it.
 */
export function latest<Key extends string, Value extends object | string | boolean>(
  most: number,
  options: { readonly dispose?: (value: Value, key: Key) => void } = {},
): LRUCache<Key, Value> {
  return new LRUCache<Key, Value>({ maxSize: most, sizeCalculation: () => 1, ...options });
}
