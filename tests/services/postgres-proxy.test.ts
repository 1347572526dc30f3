import assert from "node:assert/strict";
import { connect } from "node:net";
import { POSTGRES_PROXY_ALIAS, postgresProxyContext, PRIMARY_PORT } from "../../components/local/postgres-proxy";
import { dockerCommand, eventually, type ServiceContainer, serviceImage, serviceName, startService } from "../support/services/container";

const NODES = ["pg-1", "pg-2"] as const;

/** Port on which a test tells a node what it is. */
const CONTROL_PORT = 9000;

/** Says on Patroni's port whether it is primary, as it was told last, and on Postgres' port who it is. */
const NODE = `
  const { createServer } = require("node:http"); let primary = false;
  createServer((request, response) => response.writeHead(request.url === "/primary" && primary ? 200 : 503).end()).listen(8008);
  createServer((request, response) => { primary = request.url === "/yes"; response.end(); }).listen(${CONTROL_PORT});
  require("node:net").createServer((socket) => { socket.on("error", () => {}); socket.end(process.env.NAME); }).listen(5432);`;

describe("A8 F2 the proxy in front of the Postgres nodes", function () {
  this.timeout(120_000);
  const network = serviceName("proxy-network");
  const nodes = new Map<string, ServiceContainer>();
  let proxy: ServiceContainer;

  before(async () => {
    await dockerCommand(["network", "create", "--label", `phased-stack.stack=${network}`, network]);
    await Promise.all(
      NODES.map(async (name) => {
        const create = ["--network", network, "--network-alias", name, "--env", `NAME=${name}`, "--init"];
        const command = ["node", "-e", NODE];
        const options = { kind: "proxy-node", image: "node:24-trixie-slim", internalPort: CONTROL_PORT, create, command };
        nodes.set(name, await startService({ ...options, ready: ({ port }) => told(port, "no") }));
      }),
    );
    const image = await serviceImage(POSTGRES_PROXY_ALIAS, postgresProxyContext({ nodes: NODES }));
    const create = ["--network", network, "--dns-opt", "ndots:1", "--dns-search", "."];
    const options = { kind: POSTGRES_PROXY_ALIAS, image, internalPort: PRIMARY_PORT, create };
    proxy = await startService({ ...options, ready: () => Promise.resolve(true) });
  });

  after(async () => {
    await Promise.all([...nodes.values(), ...(proxy === undefined ? [] : [proxy])].map((service) => service.remove()));
    await dockerCommand(["network", "rm", network]);
  });

  const tell = (name: string, answer: "yes" | "no"): Promise<boolean> => told(nodes.get(name)?.port ?? 0, answer);

  it("A8 leads to who calls itself primary, and to another one once that is", async () => {
    for (const [is, was] of [
      ["pg-1", "pg-2"],
      ["pg-2", "pg-1"],
    ] as const) {
      await tell(was, "no");
      await tell(is, "yes");
      await eventually(`the proxy leads to ${is}`, async () => (await greeting(proxy.port)) === is);
    }
  });

  it("F2 leads nobody anywhere while two nodes call themselves primary, and to the one that is left afterwards", async () => {
    await tell("pg-1", "yes");
    await tell("pg-2", "yes");
    await eventually("the proxy has seen both", async () => (await greeting(proxy.port)) === "");
    const met = await Promise.all(Array.from({ length: 20 }, () => greeting(proxy.port)));
    assert.deepEqual(new Set(met), new Set([""]));
    await tell("pg-2", "no");
    await eventually("the proxy leads to pg-1", async () => (await greeting(proxy.port)) === "pg-1");
  });

  it("F2 a proxy that starts leads nobody to a standby while it does not know yet who is what", async () => {
    await tell("pg-1", "yes");
    await tell("pg-2", "no");
    for (let round = 0; round < 3; round += 1) {
      await proxy.kill();
      await proxy.start();
      const met: string[] = [];
      await eventually("the proxy leads to pg-1", async () => {
        met.push(...(await Promise.all(NODES.map(() => greeting(proxy.port)))));
        return met.includes("pg-1");
      });
      assert.ok(!met.includes("pg-2"), met.join(" "));
    }
  });
});

async function told(port: number, answer: "yes" | "no"): Promise<boolean> {
  return (await fetch(`http://127.0.0.1:${port}/${answer}`)).ok;
}

/** Name of the node a connection to the proxy ends at; empty when it is refused or led nowhere. */
function greeting(port: number): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect({ host: "127.0.0.1", port });
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => (text += chunk));
    // Refused: told by "close" as well.
    socket.on("error", () => undefined);
    socket.once("close", () => resolve(text));
  });
}
