/** Settings of the WebSocket gateway. */
export interface RealtimeConfig {
  /** REALTIME_MAX_CONNECTIONS of one worker; @default 10000 */
  readonly mostConnections: number;
  /** REALTIME_MAX_PER_USER: connections of one user to one instance, over all of its workers; @default 10 */
  readonly mostPerUser: number;
  /** REALTIME_PING_MS between two pings; a connection that misses one is ended, and so is one whose session has; @default 30000 */
  readonly pingMs: number;
  /** REALTIME_RECONNECT_MS: clients of a worker that leaves come back spread over this time; @default 5000 */
  readonly reconnectMs: number;
  /** REALTIME_ORIGINS: pages of other origins that may open a WebSocket with the session cookie, separated by commas; @default none */
  readonly origins: readonly string[];
}
