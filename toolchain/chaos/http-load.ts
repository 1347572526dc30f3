import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { UserError, messageOf } from "../lib/errors";
import { type Requester, requester } from "../lib/requester";
import type { Recorder } from "./recorder";

const defaults = {
  /** Single orders read for each one that is written. At 40 writes a second both are below what the load balancer lets one client do. */
  readsPerWrite: 0.5,
  /** Companies that share the writes: numbering its orders, each company writes one after the other. */
  companies: 8,
  /** Twice the app's deadline for retries (15 s). */
  timeoutMs: 30_000,
  /** Signing up is no part of what is measured: a stack that is busy is asked again for this long, each time after the pause. */
  signUpWithinMs: 60_000,
  signUpPauseMs: 500,
  /** Requests under way at once. What would be more than that is not sent, and counts as failed. */
  mostUnderWay: 600,
} as const;

/** A company that signed up for one run. */
interface Tenant {
  readonly companyId: string;
  readonly token: string;
  /** An order that existed before the fault. */
  order: string | undefined;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

/**
 * Clients of the app: they sign up, then write orders at a fixed rate, whether or not earlier ones were answered (open loop), and read
 * others. Each order has an `Idempotency-Key` of its own, with which the app can tell after a lost connection whether it was written; the
 * clients themselves never ask twice. An order counts as acknowledged when it was answered 201, with its id.
 */
export class HttpLoad {
  readonly #requester: Requester;
  #tenants: Tenant[] = [];
  #timers: NodeJS.Timeout[] = [];
  #underWay = 0;
  #turn = 0;
  readonly #companies: string[] = [];
  /** Who wrote an order that was acknowledged. */
  readonly #writers = new Map<string, Tenant>();

  /**
   * @param writesPerSecond orders a second.
   * @param headers of every request; the stack's admin token lets a client past the app's limits.
   */
  constructor(
    url: string,
    private readonly recorder: Recorder,
    private readonly writesPerSecond: number,
    private readonly headers: Readonly<Record<string, string>> = {},
  ) {
    this.#requester = requester(url);
  }

  /** Companies that were used so far. */
  get companies(): readonly string[] {
    return this.#companies;
  }

  /**
   * Signs new companies up, which write from now on: a plan allows each only so many orders.
   * @throws UserError when the app does not let them.
   */
  async signUp(): Promise<void> {
    const tenants: Tenant[] = [];
    for (let n = 0; n < defaults.companies; n += 1) tenants.push(await this.#newTenant());
    this.#tenants = tenants;
    this.#companies.push(...tenants.map(({ companyId }) => companyId));
  }

  /** Starts to write and read. */
  start(): void {
    this.#every(1000 / this.writesPerSecond, () => void this.#write());
    this.#every(1000 / (this.writesPerSecond * defaults.readsPerWrite), () => void this.#read());
  }

  /** Reads every order back that was acknowledged so far, a few at a time. @returns ids of those that are not answered 200 */
  async missing(): Promise<string[]> {
    const left = [...this.#writers].values();
    const missing: string[] = [];
    const read = async (): Promise<void> => {
      for (const [id, { token }] of left) {
        const { status } = await this.#ask("GET", `/api/orders/${id}`, { authorization: `Bearer ${token}` });
        if (status !== 200) missing.push(id);
      }
    };
    await Promise.all(Array.from({ length: defaults.companies }, read));
    return missing;
  }

  /** Sends no more and gives up what is under way. */
  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers = [];
    this.#requester.close();
  }

  /** Calls at a fixed rate, also when the event loop was late: then as often as was missed. */
  #every(intervalMs: number, call: () => void): void {
    let due = performance.now();
    const timer = setInterval(() => {
      for (; due <= performance.now(); due += intervalMs) call();
    }, intervalMs / 2);
    this.#timers.push(timer);
  }

  async #newTenant(): Promise<Tenant> {
    const deadline = performance.now() + defaults.signUpWithinMs;
    for (;;) {
      // Another one for each attempt: one that was refused may have an account all the same.
      const unique = randomUUID();
      const account = { companyName: `Chaos ${unique}`, name: "Chaos", email: `chaos-${unique}@example.com`, password: `pass ${unique}` };
      const answer = await this.#ask("POST", "/api/auth/signup", {}, account);
      if (answer.status === 201) {
        const { token, company } = JSON.parse(answer.text) as { token: string; company: { id: string } };
        return { token, companyId: company.id, order: undefined };
      }
      if (answer.status < 500 || performance.now() > deadline) {
        throw new UserError(`signing a company up was answered ${answer.status}: ${answer.text.slice(0, 200)}`);
      }
      await delay(defaults.signUpPauseMs);
    }
  }

  async #write(): Promise<void> {
    const tenant = this.#next();
    if (tenant === undefined) return;
    const sentAt = Date.now();
    if (this.#underWay >= defaults.mostUnderWay) {
      this.recorder.fail({ channel: "app", at: sentAt, why: `not sent: ${defaults.mostUnderWay} requests are under way` });
      return;
    }
    const fail = (why: string): void => this.recorder.fail({ channel: "app", at: Date.now(), why });
    try {
      const headers = { authorization: `Bearer ${tenant.token}`, "idempotency-key": randomUUID() };
      const { status, text } = await this.#ask("POST", "/api/orders", headers, { customerName: "Chaos", totalCents: 100 });
      if (status !== 201) {
        fail(refusal({ status, text }));
        return;
      }
      const { id } = JSON.parse(text) as { id: string };
      const at = Date.now();
      tenant.order ??= id;
      this.#writers.set(id, tenant);
      this.recorder.acknowledge({ channel: "app", id, at, tookMs: at - sentAt });
    } catch (error) {
      fail(messageOf(error));
    }
  }

  async #read(): Promise<void> {
    const tenant = this.#next();
    if (tenant?.order === undefined || this.#underWay >= defaults.mostUnderWay) return;
    const fail = (why: string): void => this.recorder.fail({ channel: "read", at: Date.now(), why });
    try {
      const { status, text } = await this.#ask("GET", `/api/orders/${tenant.order}`, { authorization: `Bearer ${tenant.token}` });
      if (status !== 200) fail(refusal({ status, text }));
    } catch (error) {
      fail(messageOf(error));
    }
  }

  #next(): Tenant | undefined {
    this.#turn += 1;
    return this.#tenants[this.#turn % this.#tenants.length];
  }

  #ask(method: string, path: string, headers: Readonly<Record<string, string>>, body?: unknown): Promise<Answer> {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const typed = { ...this.headers, ...headers, ...(payload !== undefined && { "content-type": "application/json" }) };
    this.#underWay += 1;
    return new Promise<Answer>((resolve, reject) => {
      const outgoing = this.#requester.request({ path, method, headers: typed });
      // The whole answer, not only a quiet connection.
      const deadline = setTimeout(() => outgoing.destroy(new Error(`no answer within ${defaults.timeoutMs / 1000} s`)), defaults.timeoutMs);
      const fail = (error: Error): void => reject(new Error((error as NodeJS.ErrnoException).code ?? error.message));
      outgoing.once("close", () => clearTimeout(deadline));
      outgoing.once("error", fail);
      outgoing.once("response", (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => (text += chunk));
        response.once("error", fail);
        response.once("end", () => resolve({ status: response.statusCode ?? 0, text }));
      });
      outgoing.end(payload);
    }).finally(() => (this.#underWay -= 1));
  }
}

/** Status, kind and sentence of a problem document, or the beginning of whatever else was answered. */
function refusal({ status, text }: Answer): string {
  const [type, detail] = [/"type":"(?:urn:[^"]*:)?([^":]+)"/, /"detail":"([^"]*)"/].map((field) => field.exec(text)?.[1]);
  return `${status} ${type === undefined ? text.slice(0, 80).replace(/\s+/g, " ") : `${type}: ${detail ?? ""}`}`;
}
