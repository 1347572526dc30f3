/** Longest wait for etcd, ms. */
const TIMEOUT_MS = 1000;

/** A key as etcd has it. */
export interface EtcdValue {
  readonly value: string;
  /** Decimal; "0" when the key does not belong to a lease. */
  readonly lease: string;
}

/** The two calls of etcd's v3 JSON gateway that are needed here (https://etcd.io/docs/v3.5/dev-guide/api_grpc_gateway/). */
export class Etcd {
  /** @param urls of the members; the first that answers is asked. */
  constructor(private readonly urls: readonly string[]) {}

  /** The value of a key. @throws Error when no member answers. */
  async get(key: string): Promise<EtcdValue | undefined> {
    const body = await this.#post("/v3/kv/range", { key: Buffer.from(key).toString("base64") });
    const { kvs } = body as { readonly kvs?: readonly { readonly value?: string; readonly lease?: string }[] };
    const found = kvs?.[0];
    if (found === undefined) return undefined;
    return { value: Buffer.from(found.value ?? "", "base64").toString(), lease: found.lease ?? "0" };
  }

  /** Ends a lease and with it every key that belongs to it. One that has ended already is no error. */
  async revoke(lease: string): Promise<void> {
    await this.#post("/v3/lease/revoke", { ID: lease }, "requested lease not found");
  }

  async #post(path: string, body: object, harmless?: string): Promise<unknown> {
    const failures: string[] = [];
    for (const url of this.urls) {
      try {
        const answer = await fetch(`${url}${path}`, {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify(body),
          signal: AbortSignal.timeout(TIMEOUT_MS),
        });
        const text = await answer.text();
        if (answer.ok) return JSON.parse(text) as unknown;
        if (harmless !== undefined && text.includes(harmless)) return {};
        failures.push(`${url}: HTTP ${answer.status} ${text.slice(0, 200)}`);
      } catch (error) {
        failures.push(`${url}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    throw new Error(`etcd does not answer ${path}: ${failures.join("; ")}`);
  }
}
