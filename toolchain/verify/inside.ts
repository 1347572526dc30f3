import type Docker from "dockerode";
import { APP_PORT } from "../../components/contract";
import { execIn } from "../lib/docker";

/** What every script may use: requests to one instance, over one connection, as the load balancer would send them. */
const PRELUDE = `
const http = require("node:http");
const read = async () => {
  for await (const line of require("node:readline").createInterface({ input: process.stdin })) return JSON.parse(line);
  throw new Error("nothing came over standard input");
};
const connection = (host) => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const ask = (path, { method = "GET", headers = {}, body } = {}) => new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const all = { ...headers, ...(payload === undefined ? {} : { "content-type": "application/json" }) };
    const request = http.request({ agent, host, port: ${APP_PORT}, path, method, headers: all, timeout: 10000 }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk) => (text += chunk));
      response.on("end", () => resolve({ status: response.statusCode, text }));
    });
    request.on("timeout", () => request.destroy(new Error("no answer within 10 s")));
    request.on("error", reject);
    request.end(payload);
  });
  return { ask, close: () => agent.destroy() };
};
`;

/**
 * Runs a script in an app container, where every instance can be reached by its own address; the load balancer would choose one.
 * @param script body of an async function; `input` and `connection(host)` are there, what it returns is the result.
 * @param input goes over standard input: arguments, which may be seen by whoever sees processes or Docker's events, are no place for headers.
 * @throws Error with the script's own.
 */
export async function insideApp<Result>(app: Docker.Container, script: string, input: object): Promise<Result> {
  const program = `${PRELUDE}(async () => { const input = await read(); ${script} })().then(
    (result) => { process.stdout.write(JSON.stringify(result ?? null)); process.exit(0); },
    (error) => { process.stderr.write(String(error.message)); process.exit(1); });`;
  const { exitCode, stdout, stderr } = await execIn(app, ["node", "-e", program], 45_000, undefined, JSON.stringify(input));
  if (exitCode !== 0) throw new Error(stderr.trim().split("\n").at(-1)?.slice(0, 200) ?? `exit code ${exitCode}`);
  return JSON.parse(stdout) as Result;
}

/** Addresses of containers in the network they share, in the given order. */
export async function addressesOf(containers: readonly Docker.Container[]): Promise<string[]> {
  return await Promise.all(
    containers.map(async (container) => {
      const { NetworkSettings: settings } = await container.inspect();
      const address = Object.values(settings.Networks)[0]?.IPAddress;
      if (address === undefined || address === "") throw new Error("an instance has no address in the network of the stack");
      return address;
    }),
  );
}

/**
 * GET of a server inside its own container, whose image has no HTTP client: bash opens the connection itself.
 * @returns the body
 * @throws Error when it does not answer with 200
 */
export async function getInside(container: Docker.Container, port: number, path: string): Promise<string> {
  const script = `exec 3<>/dev/tcp/127.0.0.1/${port} && printf 'GET %s HTTP/1.0\\r\\n\\r\\n' "$0" >&3 && cat <&3`;
  const { exitCode, stdout, stderr } = await execIn(container, ["bash", "-c", script, path]);
  if (exitCode !== 0) throw new Error(`port ${port} does not answer: ${stderr.trim().slice(0, 200)}`);
  const [, head = "", body = ""] = /^(.*?)\r?\n\r?\n(.*)$/s.exec(stdout) ?? [];
  if (!/^HTTP\/\d\.\d 200\b/.test(head)) throw new Error(`${path} answers ${JSON.stringify(head.split(/\r?\n/, 1)[0] ?? "")}`);
  return body;
}
