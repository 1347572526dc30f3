import { type AlertCase, undoAll } from "../alert-case";

/** What is watched through an exporter, or is one. */
const WATCHED = { node: "node-exporter", postgres: "postgres-exporter", pgbouncer: "pgbouncer-exporter", redis: "redis-exporter" } as const;

/** What watches, and who is told. */
export const MONITORING_CASES: readonly AlertCase[] = [
  {
    title: "what watches is stopped",
    fires: ["alertmanager", ...Object.keys(WATCHED)].map((job) => ({ rule: "ServiceDown warning", labels: { job } })),
    fault: (stack) => stack.stop("alertmanager", ...Object.values(WATCHED)),
  },
  {
    title: "whoever is told refuses, while a Redis is down",
    fires: [{ rule: "AlertsNotDelivered warning alertmanager" }, { rule: "HeartbeatNotDelivered warning alertmanager" }],
    fault: async (stack) => {
      stack.receiver.status = 503;
      const start = await stack.stop("redis-cache");
      const accept = (): Promise<void> => Promise.resolve(void (stack.receiver.status = 200));
      return () => undoAll([start, accept]);
    },
  },
];
