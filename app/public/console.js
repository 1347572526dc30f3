/* global document, fetch, AbortSignal, setTimeout, performance, FormData */
// The operators' page: asks an instance for its counters every two seconds, draws them, and carries out a few controls. Nothing is asked for
// while nobody looks, and nothing is kept: the admin token is in a variable of this module.
import { Controls, setAction } from "./modules/console-controls.js";
import { Plot, short } from "./modules/console-plots.js";
import { POLL_MS, Rates } from "./modules/console-rates.js";

const TIMEOUT_MS = 8000;

const element = (id) => document.getElementById(id);

let token;
let rates = new Rates();
let plots;
/** Grows with every sign-in and sign-out: what an answer to a question of before says is nobody's business any more. */
let visit = 0;

const controls = new Controls({ ask, detailOf, said: element("said"), visit: () => visit });

/** An element with text in it; never HTML, because names come from outside. */
function create(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

function ask(method, path, json) {
  const headers = {
    ...(token !== undefined && { Authorization: `Bearer ${token}` }),
    ...(json !== undefined && { "Content-Type": "application/json" }),
  };
  const body = json === undefined ? {} : { body: JSON.stringify(json) };
  return fetch(path, { method, headers, ...body, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
}

async function detailOf(answer) {
  const problem = await answer.json().catch(() => ({}));
  return problem.detail ?? `status ${answer.status}`;
}

function showState(text, className) {
  const state = element("state");
  // Only what changes is read out.
  if (state.textContent !== text) state.textContent = text;
  state.className = `pill ${className}`;
}

function showGuest(reason) {
  visit += 1;
  token = undefined;
  rates = new Rates();
  // What an operator saw stays on no page that somebody else may sit before next.
  for (const { plot } of plots ?? []) plot.remove();
  plots = undefined;
  for (const id of ["instances", "queues", "companies"]) element(id).replaceChildren();
  showState("signed out", "");
  element("about").textContent = "";
  element("said").textContent = "";
  element("refused").textContent = reason;
  element("operator").hidden = true;
  element("sign-out").hidden = true;
  element("guest").hidden = false;
}

/** Shows what an answer says. @param asked when it was asked for. @returns whether to go on asking */
async function show(answer, mine, first, asked) {
  if (answer.status === 401 || answer.status === 403) {
    const reason = first ? "" : answer.status === 401 ? "That was not accepted, or the session has ended." : await detailOf(answer);
    if (mine === visit) showGuest(reason);
    return false;
  }
  if (!answer.ok) {
    const why = answer.status === 404 ? "Operators' requests are answered at another port (ADMIN_PORT)." : await detailOf(answer);
    if (mine === visit) showState(`no figures: ${why}`, "critical");
    return mine === visit;
  }
  const snapshot = await answer.json();
  if (mine !== visit) return false;
  element("guest").hidden = true;
  element("operator").hidden = false;
  element("sign-out").hidden = false;
  // The counters are read when the question comes; the answer may wait two seconds longer for a part that is away.
  rates.add(snapshot, asked);
  draw(rates.totals());
  element("about").textContent = `phase ${snapshot.phase}, version ${snapshot.version}`;
  const missing = rates.instances.some(
    ({ workers, workersWanted }) => workers.filter(({ state }) => state === "ready").length < workersWanted,
  );
  showState(missing ? "workers missing" : "live", missing ? "warning" : "ok");
  return true;
}

async function poll(mine, first = false) {
  if (mine !== visit) return;
  let again = true;
  if (!document.hidden || first) {
    const asked = performance.now();
    try {
      again = await show(await ask("GET", "/api/admin/console"), mine, first, asked);
    } catch (error) {
      if (mine === visit) showState(`unreachable: ${error.message}; trying again`, "critical");
    }
  }
  if (again && mine === visit) setTimeout(() => void poll(mine), POLL_MS);
}

function makePlots() {
  const parent = element("plots");
  const plot = (title, unit, lines, values) => ({ plot: new Plot(parent, title, unit, lines), values });
  return [
    plot("Requests and errors", "per second", ["requests", "4xx", "5xx"], (now) => [now.requests, now.clientErrors, now.serverErrors]),
    plot("Response time", "ms", ["p50", "p95", "p99"], (now) => [now.p50, now.p95, now.p99]),
    plot("Workers ready", "", ["workers"], (now) => [now.workersReady]),
    plot("Memory of all workers", "MiB", ["resident"], (now) => [now.memoryMiB]),
    plot("Database connections", "", ["in use", "waiting", "most"], (now) => [now.poolInUse, now.poolWaiting, now.poolMax]),
    plot("Replica lag, the worst", "ms", ["lag"], (now) => [now.lagMs]),
    plot("Cache hit rate", "%", ["hits"], (now) => [now.hitRate]),
    plot("Job queue depth", "", ["waiting", "active", "failed"], ({ queues }) =>
      ["waiting", "active", "failed"].map((state) => (queues === null ? null : queues.reduce((total, queue) => total + queue[state], 0))),
    ),
    plot("Refused by limits", "per second", ["free", "basic", "professional", "enterprise", "other"], ({ limited }) =>
      Object.values(limited),
    ),
  ];
}

function draw(now) {
  plots ??= makePlots();
  for (const { plot, values } of plots) plot.add(Date.now(), values(now));
  drawInstances(rates.instances);
  drawQueues(now.queues);
  drawCompanies(now.companies);
}

/** Makes the children of a parent fit a list and keeps those that are there: whoever is on a button by keyboard stays there. */
function keyed(parent, items, keyOf, make) {
  const existing = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, index) => {
    const key = String(keyOf(item));
    let child = existing.get(key);
    existing.delete(key);
    if (child === undefined) {
      child = make(item);
      child.dataset.key = key;
    }
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
    child.update(item);
  });
  for (const gone of existing.values()) gone.remove();
}

function row(cells, update) {
  const made = document.createElement("tr");
  made.append(...cells);
  made.update = update;
  return made;
}

const cells = (count) => Array.from({ length: count }, () => document.createElement("td"));

function setTexts(elements, texts) {
  texts.forEach((text, index) => {
    if (elements[index].textContent !== String(text)) elements[index].textContent = String(text);
  });
}

const nameOf = (instance) => instance.slice(0, 8);

function drawInstances(instances) {
  keyed(element("instances"), instances, ({ instance }) => instance, makeInstance);
}

function makeInstance({ instance }) {
  const made = document.createElement("div");
  const head = create("div", "", "instance");
  const title = create("h3");
  const reload = controls.button("Reload workers");
  head.append(title, reload);
  const scroll = create("div", "", "scroll");
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", `Workers of instance ${nameOf(instance)}`);
  const table = document.createElement("table");
  const titles = document.createElement("tr");
  for (const text of ["Slot", "State", "Control", "Uptime", "Memory", "Restarts"]) {
    const heading = create("th", text);
    heading.scope = "col";
    titles.append(heading);
  }
  const tableHead = document.createElement("thead");
  tableHead.append(titles);
  const body = document.createElement("tbody");
  table.append(tableHead, body);
  scroll.append(table);
  made.append(head, scroll);
  made.update = ({ workers, workersWanted, reloading, requests }) => {
    const ready = workers.filter(({ state }) => state === "ready").length;
    const doing = reloading ? ", reloading" : "";
    setTexts(
      [title],
      [`Instance ${nameOf(instance)}: ${ready} of ${workersWanted} workers, ${requests.inFlight} requests in flight${doing}`],
    );
    setAction(reload, { what: `Reload workers of instance ${nameOf(instance)}`, path: "/api/admin/reload", instance }, !reloading);
    keyed(
      body,
      workers,
      ({ id }) => id,
      () => makeWorker(instance),
    );
  };
  return made;
}

function makeWorker(instance) {
  const texts = cells(5);
  const drain = controls.button("Drain");
  const last = document.createElement("td");
  last.append(drain);
  return row([...texts.slice(0, 2), last, ...texts.slice(2)], ({ id, slot, state, uptimeSeconds, memory, restarts }) => {
    const used = memory === null ? "–" : `${Math.round(memory.rssBytes / 1048576)} MiB, ${Math.round(memory.pressure * 100)} %`;
    setTexts(texts, [slot, state, duration(uptimeSeconds), used, restarts]);
    const what = `Drain worker ${slot} of instance ${nameOf(instance)}`;
    setAction(drain, { what, path: `/api/admin/workers/${id}/drain`, instance }, state === "ready");
  });
}

function drawQueues(queues) {
  element("no-queues").hidden = queues !== null;
  keyed(
    element("queues"),
    queues ?? [],
    ({ queue }) => queue,
    () => {
      const texts = cells(6);
      const toggle = controls.button("");
      const last = document.createElement("td");
      last.append(toggle);
      return row([...texts.slice(0, 2), last, ...texts.slice(2)], ({ queue, waiting, active, delayed, failed, paused }) => {
        setTexts(texts, [queue, paused ? "paused" : "runs", waiting, active, delayed, failed]);
        setTexts([toggle], [paused ? "Resume" : "Pause"]);
        const path = `/api/admin/queues/${encodeURIComponent(queue)}/${paused ? "resume" : "pause"}`;
        setAction(toggle, { what: `${paused ? "Resume" : "Pause"} queue ${queue}`, path });
      });
    },
  );
}

function drawCompanies(companies) {
  const none = element("no-companies");
  none.hidden = companies !== null && companies.length > 0;
  none.textContent = companies === null ? "The database does not answer." : "No company has asked for anything in this hour.";
  keyed(
    element("companies"),
    companies ?? [],
    ({ id }) => id,
    () => {
      const texts = cells(6);
      return row(texts, ({ id, name, plan, requests, limited, serverErrors, p95Ms }) =>
        setTexts(texts, [
          name ?? id,
          plan ?? "–",
          short(requests),
          short(limited),
          short(serverErrors),
          p95Ms === null ? "–" : `${p95Ms} ms`,
        ]),
      );
    },
  );
}

function duration(seconds) {
  const parts = [
    [Math.floor(seconds / 86400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [Math.floor(seconds) % 60, "s"],
  ].filter(([amount]) => amount > 0);
  return (
    parts
      .slice(0, 2)
      .map(([amount, unit]) => `${amount} ${unit}`)
      .join(" ") || "0 s"
  );
}

element("by-token").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.currentTarget;
  token = String(new FormData(form).get("token")).trim();
  form.reset();
  element("refused").textContent = "";
  void poll(++visit);
});

element("by-password").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.currentTarget;
  const credentials = Object.fromEntries(new FormData(form));
  element("refused").textContent = "";
  try {
    const answer = await ask("POST", "/api/auth/login", credentials);
    if (answer.ok) {
      form.reset();
      void poll(++visit);
    } else element("refused").textContent = await detailOf(answer);
  } catch (error) {
    element("refused").textContent = `No answer: ${error.message}`;
  }
});

/** Ends the session of this browser. @returns why it did not end; `undefined` when it has */
async function endSession() {
  try {
    const answer = await ask("POST", "/api/auth/logout");
    return answer.ok ? undefined : await detailOf(answer);
  } catch (error) {
    return error.message;
  }
}

element("sign-out").addEventListener("click", async () => {
  const bySession = token === undefined;
  showGuest("");
  element("by-token").querySelector("input").focus();
  if (!bySession) return;
  const mine = visit;
  showState("signing out", "");
  const reason = await endSession();
  if (mine !== visit) return;
  showState(reason === undefined ? "signed out" : "not signed out", reason === undefined ? "" : "critical");
  if (reason === undefined) return;
  // The cookie is still good, and whoever comes next would be let in: it can be tried again.
  element("refused").textContent = `Not signed out: ${reason}`;
  element("sign-out").hidden = false;
});

// Whoever has a session of an operator needs no form.
void poll(++visit, true);
