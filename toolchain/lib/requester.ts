import http from "node:http";
import https from "node:https";

/** Sends requests to one address over connections that are kept. */
export interface Requester {
  /** A request with the path as it is: a URL object would tidy it up. */
  request(options: Pick<http.RequestOptions, "path" | "method" | "headers">): http.ClientRequest;
  /** Ends all connections. */
  close(): void;
}

export interface RequesterOptions extends Pick<http.AgentOptions, "maxSockets"> {
  /**
   * Whether the server has to prove its name. A stack on Docker cannot: a generated certificate is signed by nobody, one of the user's is for
   * a name and not for the address the port is published on, and the address is the stack's own.
   * @default false
   */
  readonly checkCertificate?: boolean;
}

/**
 * Requests by the scheme of an address.
 * @param url address without a path, e.g. `https://127.0.0.1:3001`
 */
export function requester(url: string, { checkCertificate = false, ...options }: RequesterOptions = {}): Requester {
  const { protocol, hostname, port } = new URL(url);
  const secure = protocol === "https:";
  const agent = secure
    ? new https.Agent({ ...options, keepAlive: true, rejectUnauthorized: checkCertificate })
    : new http.Agent({ ...options, keepAlive: true });
  const host = hostname.replace(/^\[|\]$/g, "");
  const common = { agent, host, port: port === "" ? (secure ? 443 : 80) : port };
  return {
    request: (given) => (secure ? https : http).request({ ...common, ...given }),
    close: () => agent.destroy(),
  };
}
