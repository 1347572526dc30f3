/* global document, fetch, FormData */
// Sign up, log in, create and list orders, upload documents: the API as a browser uses it, with the session in an HttpOnly cookie.

import { ClientCache } from "./modules/client-cache.js";
import { RealtimeClient } from "./modules/realtime.js";
import { RateLimitNotice, retryAfterMs } from "./modules/rate-limit-notice.js";
import { uploadDocument } from "./modules/upload.js";

const PAGE_ROWS = 20;
/** Lists are kept this long, in milliseconds: going back and forth costs no request, and other people's orders appear soon. */
const LIST_TTL_MS = 30_000;
/** Orders carry whole cents; the form takes units. */
const CENTS = 100;

const cache = new ClientCache();
const notice = new RateLimitNotice();
const element = (id) => document.getElementById(id);
let nextCursor = null;
let userId = null;
/** Documents that are shown, the newest first. */
const DOCUMENT_LINES = 5;
/** Lines of the list of what happens now. */
const LIVE_LINES = 5;

const realtime = new RealtimeClient({
  onState: (connected) => (element("live-state").textContent = connected ? "live" : "connecting"),
  onMessage({ type, at, data }) {
    // What others did makes the kept lists old; what this page did is known.
    if (type === "resync" || (data?.order !== undefined && data.order.createdBy !== userId)) cache.invalidate("/api/orders");
    if (data?.order === undefined) return;
    const line = document.createElement("li");
    const what = type === "order.created" ? "created" : data.order.status;
    line.textContent = `${new Date(at).toLocaleTimeString()}: order ${data.order.number} of ${data.order.customerName}, ${what}`;
    const list = element("live");
    list.prepend(line);
    while (list.children.length > LIVE_LINES) list.lastElementChild.remove();
  },
});

/** Calls the API with JSON. */
const call = (method, path, body) =>
  ask(method, path, body === undefined ? {} : { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

/** Asks the API; an answer other than success becomes an error with the sentence of its problem document. */
async function ask(method, path, options) {
  const answer = await fetch(path, { method, ...options });
  if (answer.status === 204) return undefined;
  const result = await answer.json();
  if (answer.ok) return result;
  throw Object.assign(new Error(result.detail), { status: answer.status, waitMs: retryAfterMs(answer.headers.get("Retry-After")) });
}

function show(me) {
  cache.setUser(me?.user.id ?? null);
  // What another user was refused is nothing to try again.
  if (me === undefined) notice.hide();
  userId = me?.user.id ?? null;
  if (me === undefined) {
    realtime.stop();
    element("live").replaceChildren();
  } else realtime.start();
  element("guest").hidden = me !== undefined;
  element("member").hidden = me === undefined;
  if (me !== undefined) element("who").textContent = `${me.user.name}, ${me.company.name}`;
}

function orderRow(order) {
  const row = document.createElement("tr");
  const total = new Intl.NumberFormat(undefined, { style: "currency", currency: order.currency }).format(order.totalCents / CENTS);
  for (const value of [order.number, order.customerName, total, order.status, new Date(order.createdAt).toLocaleString()]) {
    row.insertCell().textContent = String(value);
  }
  return row;
}

async function loadOrders(cursor) {
  const after = cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor)}`;
  const path = `/api/orders?limit=${PAGE_ROWS}${after}`;
  const { data, page } = await cache.getOrLoad(path, () => call("GET", path), LIST_TTL_MS);
  const rows = data.map(orderRow);
  if (cursor === undefined) element("orders").replaceChildren(...rows);
  else element("orders").append(...rows);
  nextCursor = page.nextCursor;
  element("more").hidden = nextCursor === null;
}

function documentLine({ id, name, sizeBytes, status }) {
  const line = document.createElement("li");
  const link = document.createElement("a");
  link.href = `/api/documents/${id}/content`;
  link.textContent = name;
  line.append(link, `, ${sizeBytes.toLocaleString()} bytes, ${status}`);
  return line;
}

async function loadDocuments() {
  const { data } = await call("GET", `/api/documents?limit=${DOCUMENT_LINES}`);
  element("documents").replaceChildren(...data.map(documentLine));
}

/** Runs what a button asks for: one at a time, and what went wrong is said above the form. */
async function act(button, work) {
  element("message").textContent = "";
  button.disabled = true;
  try {
    await work();
  } catch (error) {
    if (error.status === 401 && !element("member").hidden) show(undefined);
    if (error.status === 429) notice.show({ waitMs: error.waitMs, retry: () => act(button, work) });
    else element("message").textContent = error.message;
  } finally {
    button.disabled = false;
    const { entries, maxEntries, hits } = cache.stats();
    element("cache").textContent = `Browser cache: ${entries} of ${maxEntries} entries, ${hits} hits.`;
  }
}

function onSubmit(id, work) {
  element(id).addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.target;
    // What was sent, also when it is sent again.
    const fields = Object.fromEntries(new FormData(form));
    void act(form.querySelector("button"), () => work(fields, form));
  });
}

async function enter(me, form) {
  form.reset();
  show(me);
  await Promise.all([loadOrders(), loadDocuments()]);
}

onSubmit("signup", async (fields, form) => enter(await call("POST", "/api/auth/signup", fields), form));
onSubmit("login", async (fields, form) => enter(await call("POST", "/api/auth/login", fields), form));
onSubmit("order", async ({ customerName, total, currency }, form) => {
  await call("POST", "/api/orders", { customerName, totalCents: Math.round(Number(total) * CENTS), currency });
  cache.invalidate("/api/orders");
  form.reset();
  await loadOrders();
});
onSubmit("document", async ({ file }, form) => {
  // Without a type: the content tells, and a type of something else would be refused.
  const send = (path, body) => ask("POST", path, { headers: { "Content-Type": "application/octet-stream" }, body });
  await uploadDocument(file, { call, send });
  form.reset();
  await loadDocuments();
});
element("logout").addEventListener("click", ({ target }) =>
  act(target, async () => {
    await call("POST", "/api/auth/logout");
    show(undefined);
  }),
);
element("more").addEventListener("click", ({ target }) => act(target, () => loadOrders(nextCursor)));
element("newest").addEventListener("click", ({ target }) => act(target, () => loadOrders()));

async function start() {
  try {
    show(await call("GET", "/api/auth/me"));
  } catch (error) {
    show(undefined);
    // Not being logged in is how most visits begin.
    if (error.status !== 401) throw error;
    return;
  }
  await Promise.all([loadOrders(), loadDocuments()]);
}

void act(element("newest"), start);
