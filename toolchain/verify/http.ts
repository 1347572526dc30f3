import type { IncomingHttpHeaders } from "node:http";
import { requester, type RequesterOptions } from "../lib/requester";

/** An answer with its body as it came over the wire (compressed, if it was). */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly text: string;
  /** @throws Error naming the request when the body is not JSON. */
  json(): Record<string, unknown>;
}

export interface Ask {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Longest wait; @default 15000 ms */
  readonly timeoutMs?: number;
  /** Held against the limits of app and load balancer like anyone's request. @default false: sent as the operator, whose load is let through */
  readonly limited?: boolean;
}

/** A logged-in user. */
export interface Session {
  readonly cookie: string;
  readonly company: string;
}

/** Requests to one running stack. */
export class HttpClient {
  private readonly requester: ReturnType<typeof requester>;

  /** Headers by which app and load balancer let this client's load through their limits. */
  readonly operator: Readonly<Record<string, string>>;

  /**
   * @param url address without a path, e.g. `http://127.0.0.1:3001`.
   * @param adminToken of the stack; without it all limits for one address and one user apply to everything that is sent.
   * @param options see {@link requester}
   */
  constructor(
    readonly url: string,
    adminToken?: string,
    options: Pick<RequesterOptions, "checkCertificate"> = {},
  ) {
    this.requester = requester(url, { ...options, maxSockets: 64 });
    this.operator = adminToken === undefined ? {} : { "x-rate-limit-bypass": adminToken };
  }

  ask(path: string, { method = "GET", headers = {}, body, timeoutMs = 15_000, limited = false }: Ask = {}): Promise<Answer> {
    const payload = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const typed = {
      // Firewalls in front of a stack refuse who does not say what program it is.
      "user-agent": "phased-stack-verify",
      ...(limited ? {} : this.operator),
      ...(payload === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    };
    return new Promise((resolve, reject) => {
      const describe = (reason: string): Error => new Error(`${method} ${this.url}${path}: ${reason}`);
      // The path goes out as it is: a URL object would tidy it up, and untidy paths are what some checks send.
      const outgoing = this.requester.request({ path, method, headers: typed });
      outgoing.setTimeout(timeoutMs, () => outgoing.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
      outgoing.once("error", (error) => reject(describe(error.message)));
      outgoing.once("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.once("error", (error) => reject(describe(error.message)));
        response.once("end", () => {
          const bytes = Buffer.concat(chunks);
          const text = bytes.toString("utf8");
          const json = (): Record<string, unknown> => {
            try {
              return JSON.parse(text) as Record<string, unknown>;
            } catch {
              throw describe(`answered ${response.statusCode ?? 0} without JSON: ${text.slice(0, 80)}`);
            }
          };
          resolve({ status: response.statusCode ?? 0, headers: response.headers, bytes, text, json });
        });
      });
      outgoing.end(payload);
    });
  }

  /** Signs a company of its own up, so that nothing of a user's data is touched. */
  async signUp(): Promise<Session> {
    const unique = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`;
    const company = `Verification ${unique}`;
    const body = { companyName: company, name: "Verifier", email: `verify-${unique}@example.com`, password: `correct horse ${unique}` };
    const answer = await this.ask("/api/auth/signup", { method: "POST", body });
    if (answer.status !== 201) throw new Error(`POST /api/auth/signup answered ${answer.status}: ${answer.text.slice(0, 200)}`);
    const cookie = (answer.headers["set-cookie"] ?? []).map((line) => line.split(";")[0] ?? "").join("; ");
    if (cookie === "") throw new Error("POST /api/auth/signup set no cookie");
    return { cookie, company };
  }

  close(): void {
    this.requester.close();
  }
}
