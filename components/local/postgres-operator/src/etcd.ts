import { reasonOf } from "./log";

/** Longest wait for a member of etcd, ms. */
const TIMEOUT_MS = 1000;

/** A key as etcd has it. */
export interface EtcdValue {
  readonly value: string;
  /** Decimal; "0" when the key does not belong to a lease. */
  readonly lease: string;
}

/** The calls of etcd's v3 JSON gateway that are needed here (https://etcd.io/docs/v3.5/dev-guide/api_grpc_gateway/). */
export class Etcd {
  #urls: readonly string[];

  /** @param urls of the members: the one that answered last is asked first. */
  constructor(urls: readonly string[]) {
    this.#urls = urls;
  }

  /** The value of a key. @throws Error when no member answers; so do all calls. */
  async get(key: string): Promise<EtcdValue | undefined> {
    const body = await this.#post("/v3/kv/range", { key: base64(key) });
    const { kvs } = body as { readonly kvs?: readonly { readonly value?: string; readonly lease?: string }[] };
    const found = kvs?.[0];
    if (found === undefined) return undefined;
    return { value: Buffer.from(found.value ?? "", "base64").toString(), lease: found.lease ?? "0" };
  }

  /** A new lease that lasts so many seconds unless it is kept alive. */
  async grant(seconds: number): Promise<string> {
    const { ID } = (await this.#post("/v3/lease/grant", { TTL: seconds })) as { readonly ID: string };
    return ID;
  }

  /** Lets a lease last for its whole time again. One that has ended already is no error. */
  async keepAlive(lease: string): Promise<void> {
    await this.#post("/v3/lease/keepalive", { ID: lease });
  }

  /** Sets a key that belongs to a lease, unless it is set. @returns whether it was set. */
  async create(key: string, value: string, lease: string): Promise<boolean> {
    const { succeeded } = (await this.#post("/v3/kv/txn", {
      compare: [{ key: base64(key), target: "CREATE", create_revision: "0", result: "EQUAL" }],
      success: [{ request_put: { key: base64(key), value: base64(value), lease } }],
    })) as { readonly succeeded?: boolean };
    return succeeded === true;
  }

  /** Ends a lease and with it every key that belongs to it. One that has ended already is no error. */
  async revoke(lease: string): Promise<void> {
    await this.#post("/v3/lease/revoke", { ID: lease }, "requested lease not found");
  }

  async #post(path: string, body: object, harmless?: string): Promise<unknown> {
    const failures: string[] = [];
    for (const url of this.#urls) {
      try {
        const answer = await fetch(`${url}${path}`, {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify(body),
          signal: AbortSignal.timeout(TIMEOUT_MS),
        });
        const text = await answer.text();
        if (answer.ok || (harmless !== undefined && text.includes(harmless))) {
          this.#urls = [url, ...this.#urls.filter((other) => other !== url)];
          return answer.ok ? (JSON.parse(text) as unknown) : {};
        }
        failures.push(`${url}: HTTP ${answer.status} ${text.slice(0, 200)}`);
      } catch (error) {
        failures.push(`${url}: ${reasonOf(error)}`);
      }
    }
    throw new Error(`etcd does not answer ${path}: ${failures.join("; ")}`);
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
