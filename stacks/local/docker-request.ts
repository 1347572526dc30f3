import { execFile } from "node:child_process";
import http from "node:http";
import https from "node:https";
import type { DockerEndpoint } from "./docker-endpoint";

/** Longest wait for a Docker Engine on this machine or network to answer, ms. A healthy one needs a few. */
const TIMEOUT_MS = 2000;
/** The same over ssh, which has to connect and log in first, ms. */
const SSH_TIMEOUT_MS = 10_000;

/**
 * Asks a Docker Engine by its HTTP API: GET, or POST with a body. Not over ssh, see {@link dockerCommand}.
 * @param timeoutMs longest wait; the engine may have to ask others
 * @throws Error with the reason, in a few words.
 */
export function dockerRequest(endpoint: DockerEndpoint, path: string, body?: object, timeoutMs = TIMEOUT_MS): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { ...requestOptions(path, endpoint), timeout: timeoutMs };
    const content = body === undefined ? undefined : JSON.stringify(body);
    const sent = content === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" } };
    const request = (options.protocol === "https:" ? https : http).request({ ...options, ...sent }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("error", reject);
      response.on("end", () => {
        const { statusCode } = response;
        if (statusCode === 200 || statusCode === 201) resolve(text);
        else
          reject(new Error(`it answered ${statusCode ?? "nothing"} to ${content === undefined ? "GET" : "POST"} ${path}${reasonIn(text)}`));
      });
    });
    // `timeout` of the request counts idle time only; a host that answers byte by byte must not hold the program either.
    const deadline = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs);
    request.on("timeout", () => request.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
    request.on("error", reject);
    request.on("close", () => clearTimeout(deadline));
    request.end(content);
  });
}

/** The engine's own words in an answer of failure, as the end of a sentence; nothing when it gave none. */
function reasonIn(text: string): string {
  const message = /"message":\s*"(?<message>(?:[^"\\]|\\.)*)"/.exec(text)?.groups?.["message"];
  return message === undefined ? "" : `: ${(JSON.parse(`"${message}"`) as string).trim()}`;
}

/** Whether the endpoint is reached by logging in on its host. */
export function isSsh({ host }: DockerEndpoint): boolean {
  return host.startsWith("ssh://");
}

/**
 * Runs a command line in the shell of the Docker host, by ssh.
 * @throws Error with the reason, in a few words.
 */
export function dockerCommand({ host, sshOptions }: DockerEndpoint, command: string): Promise<string> {
  const { username, hostname, port } = new URL(host);
  // A name that starts with a dash would be an option.
  if (hostname === "" || [username, hostname].some((part) => part.startsWith("-")))
    throw new Error("not an ssh address; allowed: ssh://USER@HOST or ssh://USER@HOST:PORT");
  const target = [...(username === "" ? [] : ["-l", decodeURIComponent(username)]), ...(port === "" ? [] : ["-p", port])];
  const options = ["-o", "BatchMode=yes", "-o", `ConnectTimeout=${SSH_TIMEOUT_MS / 1000}`, ...sshOptions];
  return new Promise((resolve, reject) => {
    execFile("ssh", [...options, ...target, "--", hostname, command], { timeout: SSH_TIMEOUT_MS }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else if (error.killed) reject(new Error(`no answer over ssh within ${SSH_TIMEOUT_MS / 1000} s`));
      else if (error.code === "ENOENT") reject(new Error("the ssh client is not installed on this machine"));
      else reject(new Error(stderr.trim().split("\n").at(-1) ?? error.message));
    });
  });
}

function requestOptions(path: string, { host: address, tls }: DockerEndpoint): https.RequestOptions {
  const [scheme = "", rest = ""] = address.split("://", 2);
  const common = { path, timeout: TIMEOUT_MS, agent: false };
  if ((scheme === "unix" || scheme === "npipe") && rest !== "") return { ...common, socketPath: rest };
  if (["tcp", "http", "https"].includes(scheme) && URL.canParse(`http://${rest}`)) {
    const { hostname, port } = new URL(`http://${rest}`);
    const secure = tls !== undefined || scheme === "https";
    const host = hostname.replace(/^\[|\]$/g, "");
    return { ...common, ...tls, protocol: secure ? "https:" : "http:", host, port: port === "" ? (secure ? 2376 : 2375) : port };
  }
  throw new Error("not a Docker address; allowed: unix:///PATH, npipe:////./pipe/NAME, tcp://HOST:PORT, ssh://USER@HOST");
}
