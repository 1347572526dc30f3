/* global document, performance, setTimeout */
// What the operators' page can change, and what came of it in words.

/** Behind a load balancer a control reaches any instance; one that was not meant says so, and changes nothing. */
const MISDIRECTED = 421;

/** It is sent again for this long, milliseconds: all of fifty instances are reached in turn, nine of ten where chance decides. */
const REACH_MS = 20_000;

/** Between two attempts, milliseconds; together with what else the page asks that is less than the ten requests a second of RATE_LIMIT_BURST. */
const PAUSE_MS = 150;

/** Makes the buttons, and carries out what they say. */
export class Controls {
  #page;

  /**
   * @param page `ask(method, path)` sends a request, `detailOf(answer)` tells why it was refused, `said` is the element that is read aloud,
   * `visit()` is another number once the operator has signed out.
   */
  constructor(page) {
    this.#page = page;
  }

  /** A button that says what came of it; inactive ones keep the focus. It does what {@link setAction} said last. */
  button(text) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.className = "quiet";
    button.addEventListener("click", () => {
      if (button.getAttribute("aria-disabled") !== "true") void this.#carryOut(button);
    });
    return button;
  }

  async #carryOut(button) {
    const { said, visit } = this.#page;
    const { what, ...target } = button.action;
    const mine = visit();
    const say = (text) => {
      if (mine === visit()) said.textContent = text;
    };
    button.dataset.busy = "true";
    button.setAttribute("aria-disabled", "true");
    say(`${what} …`);
    try {
      say(`${what}: ${await this.#send(target, mine)}`);
    } catch (error) {
      say(`${what}: no answer. ${error.message}`);
    } finally {
      button.dataset.busy = "false";
      button.setAttribute("aria-disabled", "false");
    }
  }

  /** Sends it until the instance that is meant answers. @returns what came of it, in words */
  async #send({ path, instance }, mine) {
    const { ask, detailOf, visit } = this.#page;
    const where = instance === undefined ? path : `${path}?instance=${encodeURIComponent(instance)}`;
    const until = performance.now() + REACH_MS;
    let sent = 0;
    // Nothing is sent in the name of whoever signs in next.
    while (mine === visit()) {
      const answer = await ask("POST", where);
      sent += 1;
      if (answer.status !== MISDIRECTED) return answer.ok ? "accepted." : `refused. ${await detailOf(answer)}`;
      if (performance.now() + PAUSE_MS > until) {
        return `not carried out. In ${REACH_MS / 1000} s other instances answered, ${sent} times. Try again, unless this one is gone.`;
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    return "given up.";
  }
}

/** @param action what the button does now: words, path, and the instance that is meant, if it matters */
export function setAction(button, action, active = true) {
  button.action = action;
  button.setAttribute("aria-label", action.what);
  if (button.dataset.busy !== "true") button.setAttribute("aria-disabled", String(!active));
}
