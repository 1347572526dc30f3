import { type Agent, request } from "node:http";

export interface FloodRequest {
  /** Address with path. */
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface FloodOutcome {
  readonly status: number;
  readonly ms: number;
  readonly body: string;
}

/** One request over a connection of the agent; rejects when the connection fails. */
export function send({ url, method = "GET", headers = {}, body }: FloodRequest, agent: Agent | false = false): Promise<FloodOutcome> {
  const begun = performance.now();
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, headers, agent, timeout: 30_000 }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => (text += part));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, ms: performance.now() - begun, body: text }));
      response.on("error", reject);
    });
    asked.on("timeout", () => asked.destroy(new Error("no answer within 30 s")));
    asked.on("error", reject);
    asked.end(body);
  });
}

/** All at once, each over a connection of its own; answers by status. */
export async function flood(requests: readonly FloodRequest[]): Promise<Readonly<Record<number, number>>> {
  const tally: Record<number, number> = {};
  for (const { status } of await Promise.all(requests.map((one) => send(one)))) tally[status] = (tally[status] ?? 0) + 1;
  return tally;
}

/** Every limit per address switched off: tests come from one. So is overload protection: a busy test machine is none of their business. */
export const NO_ADDRESS_LIMITS: Readonly<Record<string, string>> = {
  RATE_LIMITS: "on",
  RATE_LIMIT_BURST: "off",
  RATE_LIMIT_DDOS: "off",
  RATE_LIMIT_IP: "off",
  RATE_LIMIT_STEADY: "off",
  RATE_LIMIT_PROGRESSIVE: "off",
  RATE_LIMIT_CONCURRENCY: "0",
  OVERLOAD_DELAY_MS: "0",
  MAX_IN_FLIGHT: "100000",
};

/** Attempts to log in that end before a password is compared: 400 when the limit lets them pass. */
export function logins(urls: readonly string[], count: number): FloodRequest[] {
  return Array.from({ length: count }, (_, number) => ({
    url: `${urls[number % urls.length] ?? ""}/api/auth/login`,
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{",
  }));
}

/** A new company with its admin; resolves with a token. */
export async function signUp(url: string): Promise<string> {
  const email = `admin-${Math.random().toString(36).slice(2)}@example.org`;
  const { status, body } = await send({
    url: `${url}/api/auth/signup`,
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ companyName: "Company", name: "Admin", email, password: "correct horse battery" }),
  });
  if (status !== 201) throw new Error(`sign-up answered ${status}: ${body}`);
  return (JSON.parse(body) as { token: string }).token;
}
