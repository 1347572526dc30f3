/* global WebSocket, location, setTimeout, clearTimeout, document */

/** Pauses between attempts when the server did not say when to come back: first and longest, milliseconds. */
const RETRY_FIRST_MS = 500;
const RETRY_MOST_MS = 15_000;

/** Close code of a session that ended: coming back is of no use before the next login. */
const SESSION_ENDED = 4001;

/** Close reason of a server that leaves, with the time after which to come back (spread by the server, so that not all come at once). */
const HINT = /^reconnect-after-ms=(\d{1,6})$/;

/**
 * Messages of the server as they happen, over one WebSocket that comes back by itself. The session is the page's cookie.
 *
 *     const realtime = new RealtimeClient({ onMessage: ({ type, data }) => console.log(type, data) });
 *     realtime.start();
 */
export class RealtimeClient {
  #url;
  #onMessage;
  #onState;
  #socket = null;
  #timer = null;
  #attempts = 0;
  #wanted = false;

  /**
   * @param {object} options
   * @param {(message: { type: string, at: string, data: object }) => void} options.onMessage `type` "resync": something may have been
   *   missed, load again what is shown.
   * @param {(connected: boolean) => void} [options.onState]
   * @param {string} [options.url] default: `/api/realtime` of this page's server
   */
  constructor({ onMessage, onState = () => undefined, url = `${location.origin.replace(/^http/, "ws")}/api/realtime` }) {
    this.#url = url;
    this.#onMessage = onMessage;
    this.#onState = onState;
  }

  /** Connects and stays connected until {@link stop}; nothing happens when it is started already. */
  start() {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#attempts = 0;
    this.#connect();
  }

  stop() {
    this.#wanted = false;
    clearTimeout(this.#timer);
    this.#socket?.close();
    this.#socket = null;
  }

  #connect() {
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    let opened = false;
    socket.addEventListener("open", () => {
      // Whoever was away has missed what happened meanwhile.
      if (this.#attempts > 0) this.#onMessage({ type: "resync", at: new Date().toISOString(), data: {} });
      opened = true;
      this.#attempts = 0;
      this.#onState(true);
    });
    socket.addEventListener("message", ({ data }) => this.#onMessage(JSON.parse(data)));
    socket.addEventListener("close", ({ code, reason }) => {
      if (socket !== this.#socket) return;
      if (opened) this.#onState(false);
      this.#socket = null;
      if (!this.#wanted) return;
      if (code === SESSION_ENDED) {
        this.#wanted = false;
        return;
      }
      this.#timer = setTimeout(() => this.#connect(), this.#pauseMs(HINT.exec(reason)?.[1]));
      this.#attempts += 1;
    });
  }

  #pauseMs(hint) {
    if (hint !== undefined) return Number(hint);
    const most = Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** Math.min(10, this.#attempts));
    // Nobody looks: there is time.
    const longest = document.hidden ? RETRY_MOST_MS : most;
    return longest * (0.5 + Math.random() / 2);
  }
}
