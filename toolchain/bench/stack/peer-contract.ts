/** Port of the peer in its container. */
export const PEER_PORT = 8081;

/** Directory of the peer's files in its container. */
export const PEER_DIRECTORY = "/bench";

/** The peer's program. */
export const PEER_PROGRAM = `${PEER_DIRECTORY}/peer.js`;

/** Holds the URL of the primary, with password. */
export const PEER_URL_FILE = `${PEER_DIRECTORY}/url`;

/** Connections of pgbench, by name, in libpq's format; with passwords. */
export const SERVICE_FILE = `${PEER_DIRECTORY}/pg_service.conf`;
