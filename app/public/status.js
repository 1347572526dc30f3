/* global document, fetch, AbortSignal, setTimeout */
// The live part of the page: asks the instance for its health every two seconds, and not at all while nobody looks.

const POLL_MS = 2000;
const TIMEOUT_MS = 5000;

const element = (id) => document.getElementById(id);

/** An element with text in it; never HTML, because versions and names come from outside. */
function create(tag, text, className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

async function getJson(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
  return answer.json();
}

const percent = (share) => `${Math.round(share * 100)} %`;
const milliseconds = (value) => (value === null || value === undefined ? "–" : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`);

function duration(seconds) {
  const parts = [
    [Math.floor(seconds / 86400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [Math.floor(seconds) % 60, "s"],
  ].filter(([amount]) => amount > 0);
  const shown = parts.slice(0, 2).map(([amount, unit]) => `${amount} ${unit}`);
  return shown.join(" ") || "0 s";
}

function showFigures(health, full, metrics) {
  const { eventLoop, database, cluster } = full.components;
  const figures = [
    ["Phase", full.phase],
    ["Version", health.version],
    ["Answered by worker", health.worker],
    ["Workers ready", cluster.workersWanted === undefined ? "–" : `${cluster.workersReady} of ${cluster.workersWanted}`],
    ["Uptime", duration(health.uptime)],
    ["Database", database.status === "critical" ? "down" : `${database.kind}, ${milliseconds(database.latencyMs)}`],
    ["Event loop delay, p99", milliseconds(eventLoop.delayP99Ms)],
    ["Event loop busy", percent(eventLoop.utilization)],
    ["Requests", metrics.requests.total.toLocaleString()],
    ["Response time, p95", milliseconds(metrics.latencyMs.p95)],
    ["Server errors", percent(metrics.requests.serverErrorShare)],
    [
      "Respawns, last minute",
      cluster.respawns === undefined ? "–" : `${cluster.respawns.usedLastMinute} of ${cluster.respawns.limitPerMinute}`,
    ],
  ];
  element("figures").replaceChildren(
    ...figures.map(([name, value]) => {
      const tile = document.createElement("div");
      tile.append(create("dt", name), create("dd", String(value)));
      return tile;
    }),
  );
}

function showWorkers(workers) {
  const rows = workers.map(({ slot, state, uptimeSeconds, memory, restarts }) => {
    const row = document.createElement("tr");
    const used = memory === null ? "–" : `${Math.round(memory.rssBytes / 1048576)} MiB, ${percent(memory.pressure)}`;
    row.append(...[slot, state, duration(uptimeSeconds), used, restarts].map((value) => create("td", String(value))));
    return row;
  });
  element("workers").replaceChildren(...rows);
}

function showOverall(status, note) {
  const overall = element("overall");
  overall.textContent = status;
  overall.className = `pill ${status === "unreachable" ? "critical" : status}`;
  element("updated").textContent = note;
}

async function refresh() {
  const [health, full, metrics, scaling] = await Promise.all(
    ["/health", "/api/health/full", "/api/health/metrics", "/api/health/scaling"].map(getJson),
  );
  showFigures(health, full, metrics);
  showWorkers(full.components.cluster.workers ?? []);
  element("parts").replaceChildren(
    ...Object.entries(full.components).map(([name, { status }]) => create("li", `${name}: ${status}`, status)),
  );
  element("advice").textContent = scaling.recommendation.reason;
  showOverall(health.status === "draining" ? "draining" : full.status, `updated ${new Date().toLocaleTimeString()}`);
}

async function poll() {
  if (!document.hidden) {
    try {
      await refresh();
    } catch (error) {
      showOverall("unreachable", `${error.message}; trying again`);
    }
  }
  setTimeout(poll, POLL_MS);
}

void poll();
