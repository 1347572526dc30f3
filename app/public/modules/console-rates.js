/** How often the console asks, milliseconds. */
export const POLL_MS = 2000;

/** An instance that has not answered for this long is gone, or so the console has to assume; milliseconds. */
const FORGET_MS = 20_000;

/** Of many instances each is asked once in a round of them all: it is gone once so many rounds have passed it by. */
const FORGET_ROUNDS = 3;

/** The limits of the plans; all others are held against an address or a user. */
const TIERS = ["free", "basic", "professional", "enterprise"];

/**
 * Makes rates of counters. Behind a load balancer each question reaches another instance, and each counts for itself: the difference is taken
 * between two answers of the same instance, and what all instances do is added up.
 */
export class Rates {
  /** In the order of their last answers. */
  #instances = new Map();

  /** @param snapshot answer of `GET /api/admin/console`. @param now when it was asked for: milliseconds of a clock that never goes back */
  add(snapshot, now) {
    const before = this.#instances.get(snapshot.instance);
    const rates = before === undefined ? undefined : between(before, snapshot, (now - before.at) / 1000);
    this.#instances.delete(snapshot.instance);
    this.#instances.set(snapshot.instance, { snapshot, at: now, rates: rates ?? before?.rates });
    this.#forget(now);
  }

  #forget(now) {
    let answeredSince = this.#instances.size;
    for (const [id, { at }] of this.#instances) {
      // Only those that answered since make up a round: what was gone before must not make it longer.
      answeredSince -= 1;
      if (now - at > Math.max(FORGET_MS, FORGET_ROUNDS * POLL_MS * answeredSince)) this.#instances.delete(id);
    }
  }

  /** The last answer of each instance, in a fixed order. */
  get instances() {
    const found = [...this.#instances.values()].map(({ snapshot }) => snapshot);
    return found.sort((one, other) => one.instance.localeCompare(other.instance));
  }

  /** All instances together, for the plots; `null` where nothing is known (yet). */
  totals() {
    const known = [...this.#instances.values()].flatMap(({ rates }) => (rates === undefined ? [] : [rates]));
    const snapshots = this.instances;
    const sum = (list, value) => (list.length === 0 ? null : list.reduce((total, one) => total + value(one), 0));
    const workers = snapshots.flatMap((snapshot) => snapshot.workers);
    const pools = snapshots.flatMap((snapshot) => snapshot.pools);
    const lags = snapshots.flatMap((snapshot) => snapshot.replicas).map(({ lagSeconds }) => lagSeconds);
    const [hits, misses] = [sum(known, ({ hits }) => hits), sum(known, ({ misses }) => misses)];
    const quantile = (share) =>
      quantileMs(
        share,
        known.map(({ latency }) => latency),
      );
    const limited = (wanted) =>
      sum(known, ({ limited }) => Object.entries(limited).reduce((total, [policy, rate]) => (wanted(policy) ? total + rate : total), 0));
    return {
      requests: sum(known, ({ requests }) => requests),
      clientErrors: sum(known, ({ clientErrors }) => clientErrors),
      serverErrors: sum(known, ({ serverErrors }) => serverErrors),
      ...{ p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99) },
      workersReady: workers.filter(({ state }) => state === "ready").length,
      memoryMiB: sum(workers, ({ memory }) => (memory?.rssBytes ?? 0) / 1048576),
      poolInUse: sum(pools, ({ inUse }) => inUse),
      poolMax: sum(pools, ({ max }) => max),
      poolWaiting: sum(pools, ({ waiting }) => waiting),
      lagMs: lags.every((lag) => lag === null) ? null : Math.max(...lags.map((lag) => lag ?? 0)) * 1000,
      hitRate: hits === null || hits + misses === 0 ? null : (100 * hits) / (hits + misses),
      limited: Object.fromEntries([
        ...TIERS.map((tier) => [tier, limited((policy) => policy === `tier-${tier}`)]),
        ["other", limited((policy) => !policy.startsWith("tier-"))],
      ]),
      // Every instance sees the same queues: the youngest answer that has them counts.
      queues: newest(this.#instances.values(), "queues"),
      companies: newest(this.#instances.values(), "companies"),
    };
  }
}

function newest(entries, part) {
  const sorted = [...entries].sort((one, other) => other.at - one.at);
  return sorted.find(({ snapshot }) => snapshot[part] !== null)?.snapshot[part] ?? null;
}

/** What an instance did a second between two of its answers. */
function between({ snapshot: before }, now, seconds) {
  if (seconds <= 0) return undefined;
  const rate = (after, earlier) => Math.max(0, after - (earlier ?? 0)) / seconds;
  return {
    requests: rate(now.requests.total, before.requests.total),
    clientErrors: rate(now.requests.clientErrors, before.requests.clientErrors),
    serverErrors: rate(now.requests.serverErrors, before.requests.serverErrors),
    hits: rate(now.cache.hits, before.cache.hits),
    misses: rate(now.cache.misses, before.cache.misses),
    limited: Object.fromEntries(Object.entries(now.limited).map(([policy, count]) => [policy, rate(count, before.limited[policy])])),
    latency: now.latency.map(({ le, count }, index) => ({ le: le ?? Infinity, count: rate(count, before.latency[index]?.count) })),
  };
}

/** A quantile over the histograms of several instances, interpolated within its bucket as Prometheus does; milliseconds. */
export function quantileMs(share, histograms) {
  const buckets = new Map();
  for (const { le, count } of histograms.flat()) buckets.set(le, (buckets.get(le) ?? 0) + count);
  const sorted = [...buckets].sort(([one], [other]) => one - other);
  const total = sorted.at(-1)?.[1] ?? 0;
  if (total === 0) return null;
  const rank = share * total;
  let [lower, below] = [0, 0];
  for (const [le, count] of sorted) {
    if (count >= rank && count > below) {
      return 1000 * (le === Infinity ? lower : lower + ((le - lower) * (rank - below)) / (count - below));
    }
    [lower, below] = [le, count];
  }
  return 1000 * lower;
}
