/* global document, fetch, FormData */
// Sign up, log in, create and list orders: the API as a browser uses it, with the session in an HttpOnly cookie.

const PAGE_ROWS = 20;
/** Orders carry whole cents; the form takes units. */
const CENTS = 100;

const element = (id) => document.getElementById(id);
let nextCursor = null;

/** Calls the API; an answer other than success becomes an error with the sentence of its problem document. */
async function call(method, path, body) {
  const answer = await fetch(path, {
    method,
    ...(body !== undefined && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
  });
  if (answer.status === 204) return undefined;
  const result = await answer.json();
  if (answer.ok) return result;
  throw Object.assign(new Error(result.detail), { status: answer.status });
}

function show(me) {
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
  const { data, page } = await call("GET", `/api/orders?limit=${PAGE_ROWS}${after}`);
  const rows = data.map(orderRow);
  if (cursor === undefined) element("orders").replaceChildren(...rows);
  else element("orders").append(...rows);
  nextCursor = page.nextCursor;
  element("more").hidden = nextCursor === null;
}

/** Runs what a button asks for: one at a time, and what went wrong is said above the form. */
async function act(button, work) {
  element("message").textContent = "";
  button.disabled = true;
  try {
    await work();
  } catch (error) {
    if (error.status === 401 && !element("member").hidden) show(undefined);
    element("message").textContent = error.message;
  } finally {
    button.disabled = false;
  }
}

function onSubmit(id, work) {
  element(id).addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.target;
    void act(form.querySelector("button"), () => work(Object.fromEntries(new FormData(form)), form));
  });
}

async function enter(me, form) {
  form.reset();
  show(me);
  await loadOrders();
}

onSubmit("signup", async (fields, form) => enter(await call("POST", "/api/auth/signup", fields), form));
onSubmit("login", async (fields, form) => enter(await call("POST", "/api/auth/login", fields), form));
onSubmit("order", async ({ customerName, total, currency }, form) => {
  await call("POST", "/api/orders", { customerName, totalCents: Math.round(Number(total) * CENTS), currency });
  form.reset();
  await loadOrders();
});
element("logout").addEventListener("click", ({ target }) =>
  act(target, async () => {
    await call("POST", "/api/auth/logout");
    show(undefined);
  }),
);
element("more").addEventListener("click", ({ target }) => act(target, () => loadOrders(nextCursor)));

call("GET", "/api/auth/me").then(
  async (me) => {
    show(me);
    await loadOrders();
  },
  (error) => {
    show(undefined);
    // Not being logged in is how most visits begin.
    if (error.status !== 401) element("message").textContent = error.message;
  },
);
