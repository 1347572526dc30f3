import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { type Requester, requester } from "../../toolchain/lib/requester";

export interface StackAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** What {@link text} was made of. */
  readonly bytes: Buffer;
  readonly body: Record<string, unknown>;
}

interface Ask {
  readonly json?: unknown;
  /** A body of another kind, as it is. */
  readonly content?: Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A browser at a stack's public address: it keeps cookies, and trusts any certificate. */
export class StackClient {
  readonly cookies = new Map<string, string>();
  private readonly requester: Requester;

  constructor(readonly url: string) {
    this.requester = requester(url);
  }

  /** One request with everything that has been set in cookies so far. */
  async ask(method: string, path: string, { json, content, headers = {} }: Ask = {}): Promise<StackAnswer> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const typed = {
      ...(cookie !== "" && { cookie }),
      ...(json !== undefined && { "content-type": "application/json" }),
      ...(content !== undefined && { "content-type": "application/octet-stream" }),
      ...headers,
    };
    const answer = await new Promise<Omit<StackAnswer, "body">>((resolve, reject) => {
      const outgoing = this.requester.request({ path, method, headers: typed });
      outgoing.setTimeout(30_000, () => outgoing.destroy(new Error(`${method} ${path}: no answer within 30 s`)));
      outgoing.once("error", reject);
      outgoing.once("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.once("error", reject);
        response.once("end", () => {
          const bytes = Buffer.concat(chunks);
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text: bytes.toString(), bytes });
        });
      });
      outgoing.end(json === undefined ? content : JSON.stringify(json));
    });
    for (const line of answer.headers["set-cookie"] ?? []) {
      const [name = "", value = ""] = (line.split(";")[0] ?? "").split("=", 2);
      this.cookies.set(name, value);
    }
    return { ...answer, body: isJson(answer) ? (JSON.parse(answer.text) as Record<string, unknown>) : {} };
  }

  /** Signs a company of its own up. */
  async signUp(headers: Readonly<Record<string, string>> = {}): Promise<{ readonly email: string; readonly password: string }> {
    const unique = randomUUID();
    const account = { email: `ada-${unique}@example.com`, password: `correct horse ${unique}` };
    const { status, text } = await this.ask("POST", "/api/auth/signup", {
      json: { companyName: `Company ${unique}`, name: "Ada", ...account },
      headers,
    });
    assert.equal(status, 201, text);
    return account;
  }

  /** Creates an order; returns its id. */
  async order(headers: Readonly<Record<string, string>> = {}): Promise<string> {
    const { status, body, text } = await this.ask("POST", "/api/orders", { json: { customerName: "Customer", totalCents: 1250 }, headers });
    assert.equal(status, 201, text);
    return String(body["id"]);
  }

  /** Forgets the marks of what this browser wrote, as if some minutes had passed: from now on replicas may answer it. */
  forgetWrites(): void {
    for (const name of this.cookies.keys()) if (name.startsWith("wm-")) this.cookies.delete(name);
  }

  close(): void {
    this.requester.close();
  }
}

function isJson({ headers, text }: Omit<StackAnswer, "body">): boolean {
  return text !== "" && /json/.test(headers["content-type"] ?? "");
}
