import { createServer, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { RequestHandler, Express } from "express";
import type { AppConfig } from "../config";
import { requireAdminToken } from "./middleware/authenticate";
import { HttpProblem } from "./problem";

/** Connections that came in by the admin port. */
const adminConnections = new WeakSet<Socket>();

/** What operators' clients may leave open between two requests, ms. */
const KEEP_ALIVE_MS = 5000;

/** Whether a request came in by the admin port, which only operators reach. */
export function viaAdminPort(request: IncomingMessage): boolean {
  return adminConnections.has(request.socket);
}

/** The second listener, for operators. */
export interface AdminListener {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves the same app on the admin port, if one is configured: there, and only there, it then answers `/metrics` and `/api/admin`.
 * @throws when the port is taken.
 */
export async function listenForAdmins(config: AppConfig["protection"], app: Express): Promise<AdminListener | undefined> {
  if (config.adminPort === undefined) return undefined;
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, app);
  server.on("connection", (socket) => adminConnections.add(socket));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(config.adminPort, config.adminHost, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The admin server listens on no TCP port.");
  return {
    port: address.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Lets only requests from the admin port pass, if there is one; to all others the path does not exist. */
export function adminPortOnly({ adminPort }: AppConfig["protection"]): RequestHandler {
  return (request, _response, next) => {
    if (adminPort === undefined || viaAdminPort(request)) next();
    else throw new HttpProblem("not-found", `There is no ${request.method} ${request.path.slice(0, 200)}.`);
  };
}

/** What proxies write into the requests that they pass on. A client that writes it itself only loses by it. */
const PASSED_ON = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "via"] as const;

/**
 * Lets whoever asks the port itself pass, as Prometheus does within the network. What a proxy passed on came from outside: it needs the admin
 * token. Load balancers of clouds and clusters hide no path.
 */
export function tokenFromOutside(adminToken: string): RequestHandler {
  const required = requireAdminToken(adminToken);
  return (request, response, next) => {
    if (viaAdminPort(request) || PASSED_ON.every((name) => request.headers[name] === undefined)) next();
    else void required(request, response, next);
  };
}
