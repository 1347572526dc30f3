import { createHash } from "node:crypto";
import type { Redis } from "ioredis";
import type { RedisConnection } from "../redis/client";
import { isReply } from "../redis/errors";
import { ARGUMENTS_PER_BUCKET, CONSUME_SCRIPT } from "./consume-script";
import type { Bucket, BucketState, LimitStore, Outcome } from "./types";

const SHA = createHash("sha1").update(CONSUME_SCRIPT).digest("hex");

/** The braces put all keys into one slot: a Redis cluster refuses scripts over several, and one server is enough for the limits. */
const PREFIX = "{limits}:";

/** Numbers per bucket in the script's reply. */
const REPLIES_PER_BUCKET = 4;

/** Counts in Redis, shared by all instances: one round trip a request, whatever the number of its buckets (feature F4). */
export class RedisStore implements LimitStore {
  readonly kind = "redis" as const;

  constructor(private readonly connection: RedisConnection) {}

  /** @throws RedisUnavailableError (rejects) at once while Redis is away. */
  consume(buckets: readonly Bucket[]): Promise<Outcome> {
    let parameters = this.#encoded.get(buckets);
    if (parameters === undefined) this.#encoded.set(buckets, (parameters = encode(buckets)));
    const asked = parameters;
    return this.connection.call((redis) => evaluate(redis, buckets.length, asked)).then((reply) => decode(reply, buckets.length));
  }

  /** Lists of buckets that stay the same from request to request are turned into arguments once. */
  readonly #encoded = new WeakMap<readonly Bucket[], readonly string[]>();
}

function evaluate(redis: Redis, keys: number, parameters: readonly string[]): Promise<number[]> {
  return redis.evalsha(SHA, keys, ...parameters).catch((error: unknown) => {
    // A server that was restarted has forgotten its scripts; EVAL teaches it again. The failed call has counted nothing.
    if (!isReply(error) || !error.message.startsWith("NOSCRIPT")) throw error;
    return redis.eval(CONSUME_SCRIPT, keys, ...parameters);
  }) as Promise<number[]>;
}

function encode(buckets: readonly Bucket[]): string[] {
  const parameters: (string | number)[] = buckets.map(({ key }) => PREFIX + key);
  for (const { spec, cost = 1, force = false } of buckets) {
    const { algorithm, limit, windowMs, burst = 1, penalty } = spec;
    parameters.push(algorithm === "smooth" ? 1 : 0, limit, windowMs, burst, cost, force ? 1 : 0);
    parameters.push(penalty?.strikes ?? 0, penalty?.strikeWindowMs ?? 0, penalty?.blockMs ?? 0, penalty?.mostBlockMs ?? 0);
  }
  if (parameters.length !== buckets.length * (1 + ARGUMENTS_PER_BUCKET)) throw new Error("the arguments do not fit the script");
  return parameters.map(String);
}

function decode(reply: readonly number[], buckets: number): Outcome {
  const states: BucketState[] = [];
  for (let at = 1; at < 1 + buckets * REPLIES_PER_BUCKET; at += REPLIES_PER_BUCKET) {
    const [allowed, remaining = 0, resetMs = 0, retryMs = 0] = reply.slice(at, at + REPLIES_PER_BUCKET);
    states.push({ allowed: allowed === 1, remaining, resetMs, retryMs });
  }
  return { allowed: reply[0] === 1, states, store: "redis" };
}
