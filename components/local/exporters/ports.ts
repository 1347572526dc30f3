/** Names of the exporters, which are their services' names and what they answer to in the network, and the port of each. */
export const EXPORTER_PORTS = {
  "node-exporter": 9100,
  "postgres-exporter": 9187,
  "pgbouncer-exporter": 9127,
  "redis-exporter": 9121,
} as const;
export type Exporter = keyof typeof EXPORTER_PORTS;
