import { Counter, Gauge } from "prom-client";
import { registry } from "../observability/metrics";

export const connectionsGauge = new Gauge({
  name: "realtime_connections",
  help: "Open WebSocket connections.",
  registers: [registry],
});

export const upgradesTotal = new Counter({
  name: "realtime_upgrades_total",
  help: "Attempts to open a WebSocket, by outcome.",
  labelNames: ["outcome"],
  registers: [registry],
});

export const deliveredTotal = new Counter({
  name: "realtime_messages_delivered_total",
  help: "Messages written to WebSockets.",
  registers: [registry],
});

export const closedTotal = new Counter({
  name: "realtime_closed_total",
  help: "WebSockets closed by the server, by reason: slow, silent, misbehaved, session-ended, drain.",
  labelNames: ["reason"],
  registers: [registry],
});

export const backplaneFailuresTotal = new Counter({
  name: "realtime_backplane_failures_total",
  help: "Messages that could not be handed to other instances.",
  registers: [registry],
});

/** `min`: one worker that hears nothing of other instances is enough to know. */
export const backplaneUp = new Gauge({
  name: "realtime_backplane_up",
  help: "1 while messages of other instances arrive, by Redis.",
  aggregator: "min",
  registers: [registry],
});
