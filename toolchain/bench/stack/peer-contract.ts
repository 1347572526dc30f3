/** Directory of the benchmark's files in its containers. */
export const BENCH_DIRECTORY = "/bench";

/** The peer's program. */
export const PEER_PROGRAM = `${BENCH_DIRECTORY}/peer.js`;

/**
 * How the peer reaches Postgres: for each way the port it answers at, and the file that holds the URL of the database, with password.
 * Both have the same pool, of the size that one instance of the app has.
 */
export const PEER_WAYS = {
  /** The primary itself. */
  direct: { port: 8081, urlFile: `${BENCH_DIRECTORY}/url-direct` },
  /** The stack's PgBouncer. */
  pooled: { port: 8082, urlFile: `${BENCH_DIRECTORY}/url-pooled` },
} as const;
