/* global document, CSSStyleSheet, setTimeout, clearTimeout, setInterval, clearInterval */
// Tells people that they were too fast, and lets them try again. It asks the server nothing by itself: no polling, and one request for
// one click, not before the server said it may come.

/** How long the notice is shown when nobody touches it, in milliseconds (feature A5). */
const SHOWN_MS = 8000;

/** How often the countdown is drawn, in milliseconds. */
const DRAW_MS = 250;

/** Assumed when the server sent no usable Retry-After, in milliseconds. */
const UNKNOWN_WAIT_MS = 1000;

const STYLE = `
  :host {
    --text: light-dark(#1c2127, #e6e9ee);
    --card: light-dark(#fff, #1d2228);
    --line: light-dark(#c9a255, #7a5c1e);
    --accent: light-dark(#8a5a00, #e6b04d);
    position: fixed;
    z-index: 1000;
    inset: auto 1rem max(1rem, env(safe-area-inset-bottom)) 1rem;
    display: flex;
    justify-content: center;
    pointer-events: none;
    font: 16px/1.45 system-ui, sans-serif;
  }
  .notice {
    position: relative;
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 0.5rem 0.75rem;
    box-sizing: border-box;
    max-width: 34rem;
    padding: 0.75rem 1rem 0.9rem;
    overflow: hidden;
    border: 1px solid var(--line);
    border-radius: 0.6rem;
    background: var(--card);
    color: var(--text);
    box-shadow: 0 0.4rem 1.5rem rgb(0 0 0 / 0.22);
    pointer-events: auto;
  }
  [hidden] { display: none; }
  p { flex: 1 1 14rem; margin: 0; }
  strong { color: var(--accent); }
  .spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
  .countdown { font-variant-numeric: tabular-nums; }
  .actions { display: flex; gap: 0.5rem; margin-left: auto; }
  button {
    padding: 0.4rem 0.8rem;
    border: 1px solid var(--accent);
    border-radius: 0.4rem;
    background: none;
    color: var(--accent);
    font: inherit;
    cursor: pointer;
  }
  button.retry { background: var(--accent); color: var(--card); }
  button:disabled { cursor: default; opacity: 0.65; }
  :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
  .bar { position: absolute; inset: auto 0 0 0; height: 3px; transform-origin: left; background: var(--accent); }
  @media (prefers-reduced-motion: reduce) { .bar { display: none; } }
`;

/**
 * How long a refused request has to wait, in milliseconds, from its Retry-After header: seconds, or a date (RFC 9110).
 * @param {string | null} header
 * @param {number} [now] milliseconds since 1970
 */
export function retryAfterMs(header, now = Date.now()) {
  const text = (header ?? "").trim();
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? UNKNOWN_WAIT_MS : Math.max(0, date - now);
}

const seconds = (ms) => Math.ceil(ms / 1000);
const within = (ms) => (ms <= 0 ? "now" : seconds(ms) === 1 ? "in 1 second" : `in ${seconds(ms)} seconds`);

/**
 * The notice of one page. It is shown for 8 s. Whoever clicks "Retry" before the server allows it sees the seconds until then, and the
 * request is sent once they are over; until then the notice stays.
 */
export class RateLimitNotice {
  #host = document.createElement("div");
  #box = document.createElement("div");
  #message = document.createElement("p");
  #title = document.createElement("strong");
  #countdown = document.createElement("span");
  #spoken = document.createElement("span");
  #retry = document.createElement("button");
  #bar = document.createElement("div");
  #work = undefined;
  #allowedAt = 0;
  #hideAt = 0;
  #waiting = false;
  #drawing = undefined;
  #sending = undefined;

  /** @param {{ parent?: Node }} [options] parent: where it is put; default the body */
  constructor({ parent = document.body } = {}) {
    const root = this.#host.attachShadow({ mode: "open" });
    const style = new CSSStyleSheet();
    style.replaceSync(STYLE);
    // Not a style element: the content security policy forbids those, and should.
    root.adoptedStyleSheets = [style];
    const dismiss = document.createElement("button");
    const actions = document.createElement("div");
    this.#box.className = "notice";
    this.#box.hidden = true;
    this.#message.setAttribute("role", "status");
    // Screen readers get the sentence once; the ticking seconds are for the eyes.
    this.#spoken.className = "spoken";
    this.#countdown.className = "countdown";
    this.#countdown.setAttribute("aria-hidden", "true");
    this.#message.append(this.#title, " ", this.#countdown, this.#spoken);
    this.#bar.className = "bar";
    this.#bar.setAttribute("aria-hidden", "true");
    actions.className = "actions";
    this.#retry.type = dismiss.type = "button";
    this.#retry.className = "retry";
    this.#retry.textContent = "Retry";
    dismiss.textContent = "Dismiss";
    actions.append(this.#retry, dismiss);
    this.#box.append(this.#message, actions, this.#bar);
    root.append(this.#box);
    parent.append(this.#host);
    this.#retry.addEventListener("click", () => this.#onRetry());
    dismiss.addEventListener("click", () => this.hide());
    this.#box.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.hide();
    });
  }

  /**
   * Shows the notice; one that is shown already takes over the newer request.
   * @param {{ waitMs: number, retry: () => unknown }} refused waitMs: see {@link retryAfterMs}; retry: called at most once
   */
  show({ waitMs, retry }) {
    this.#stopTimers();
    const now = Date.now();
    this.#work = retry;
    this.#allowedAt = now + waitMs;
    this.#hideAt = now + SHOWN_MS;
    this.#waiting = false;
    this.#retry.disabled = false;
    this.#box.hidden = false;
    this.#say("Too many requests.", `You can try again ${within(waitMs)}.`);
    this.#drawing = setInterval(() => this.#draw(), DRAW_MS);
    this.#draw();
  }

  hide() {
    this.#stopTimers();
    this.#work = undefined;
    this.#box.hidden = true;
  }

  /** Whether it is on the screen. */
  get visible() {
    return !this.#box.hidden;
  }

  #onRetry() {
    const left = this.#allowedAt - Date.now();
    if (left <= 0) {
      this.#send();
      return;
    }
    this.#waiting = true;
    this.#retry.disabled = true;
    this.#say("Waiting.", `Trying again ${within(left)}.`);
    this.#sending = setTimeout(() => this.#send(), left);
    this.#draw();
  }

  /** Hidden first: should the request be refused again, the notice comes back for it. */
  #send() {
    const work = this.#work;
    this.hide();
    work?.();
  }

  #draw() {
    const now = Date.now();
    if (!this.#waiting && now >= this.#hideAt) {
      this.hide();
      return;
    }
    const left = this.#allowedAt - now;
    this.#countdown.textContent = `${this.#waiting ? "Trying" : "You can try"} again ${left > 0 ? `in ${seconds(left)} s` : "now"}.`;
    const share = this.#waiting ? 1 : (this.#hideAt - now) / SHOWN_MS;
    this.#bar.style.transform = `scaleX(${share.toFixed(3)})`;
  }

  #say(title, sentence) {
    this.#title.textContent = title;
    this.#spoken.textContent = sentence;
  }

  #stopTimers() {
    clearInterval(this.#drawing);
    clearTimeout(this.#sending);
  }
}
