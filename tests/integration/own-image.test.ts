import assert from "node:assert/strict";
import type { StackStatus } from "../../toolchain/lib/docker-status";
import { everything, runCommand, type Outcome } from "../support/commands";
import { docker, leftovers, runningIds } from "../support/docker";
import { copyProject, freePort, type ProjectCopy } from "../support/project";
import { eventually, serviceImage } from "../support/services/container";
import { startTraffic } from "../support/traffic";

/** Keeps README's contract, and has nothing else of the project's: no `node main.js status`, no `/metrics`. */
const SERVER = `
let draining = false;
const server = require("node:http").createServer((request, response) => {
  if (draining) response.setHeader("Connection", "close");
  response.statusCode = request.url === "/ready" ? (draining ? 503 : 200) : request.url === "/" ? 200 : 404;
  response.end("own");
});
server.listen(Number(process.env.PORT));
process.once("SIGTERM", () => {
  draining = true;
  setTimeout(() => server.close(() => process.exit(0)), 3000);
});
`;

const CHECK = `fetch("http://127.0.0.1:3001/ready").then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))`;

const DOCKERFILE = `FROM node:24-trixie-slim
COPY server.js check.js /srv/
USER 1000
HEALTHCHECK --interval=1s --timeout=10s --start-period=60s CMD ["node", "/srv/check.js"]
CMD ["node", "/srv/server.js"]
`;

/** The commands of README with an image of the user's own. */
describe("npm run up, status, restart with an image of one's own (A11, C7)", function () {
  this.timeout(300_000);
  let project: ProjectCopy;
  let port: number;
  const stack = `${process.env["PHASED_TEST_PREFIX"] ?? "test-local"}-own`;
  const other = `${stack}-other`;
  const run = (name: string, command: string, ...args: readonly string[]): Promise<Outcome> => runCommand(project, name, command, ...args);
  const config = (settings: Readonly<Record<string, string | number>>): string[] =>
    Object.entries(settings).flatMap(([key, value]) => ["--config", `${key}=${value}`]);

  before(async () => {
    project = copyProject();
    port = await freePort();
    const file = (path: string, content: string) => ({ path, content: Buffer.from(content), executable: false });
    const image = await serviceImage("own-app", [file("Dockerfile", DOCKERFILE), file("server.js", SERVER), file("check.js", CHECK)]);
    const outcome = await run(stack, "up", "--yes", ...config({ image, port, appInstances: 2, protect: "false" }));
    assert.equal(outcome.code, 0, everything(outcome));
  });

  after(async () => {
    for (const name of [other, stack]) await run(name, "down", "--yes", "--remove-stack");
    assert.deepEqual([...(await leftovers(stack)), ...(await leftovers(other))], []);
    project.remove();
  });

  it("status goes by the health of its containers", async () => {
    const outcome = await run(stack, "status", "--json");
    assert.equal(outcome.code, 0, everything(outcome));
    const { state, instances, findings, balancer } = JSON.parse(outcome.stdout) as StackStatus;
    assert.deepEqual([state, instances, findings, balancer?.length], ["up", [], [], 2]);

    const [id] = await runningIds(stack, "app");
    const container = docker.getContainer(id ?? "");
    await container.stop({ t: 0 });
    const without = await run(stack, "status");
    assert.equal(without.code, 1, everything(without));
    assert.match(without.stdout, /app-[01]\S* is exited +docs\/runbooks\/app-instance-down\.md/);
    await container.start();
    await eventually("the load balancer leads to both", async () => {
      const all = JSON.parse((await run(stack, "status", "--json")).stdout) as StackStatus;
      return all.state === "up" && all.balancer?.length === 2 && all.balancer.every((server) => server.state.startsWith("UP"));
    });
  });

  it("restart starts one container after the other anew, with no failed request", async () => {
    const ids = await runningIds(stack, "app");
    const startedAt = (): Promise<string[]> =>
      Promise.all(ids.map(async (id) => (await docker.getContainer(id).inspect()).State.StartedAt));
    const before = await startedAt();
    assert.equal(before.length, 2);
    const traffic = startTraffic(`http://127.0.0.1:${port}/`);
    const outcome = await run(stack, "restart");
    const report = await traffic.stop();
    assert.equal(outcome.code, 0, everything(outcome));
    assert.deepEqual(await runningIds(stack, "app"), ids);
    assert.ok(
      (await startedAt()).every((at, index) => at !== before[index]),
      everything(outcome),
    );
    assert.ok(report.requests > 100 && report.failed === 0, JSON.stringify(report));
  });

  it("A13 up of another stack refuses a port of its monitoring that this one has, and names another", async () => {
    const settings = { port: await freePort(), monitoring: "true", prometheusPort: port };
    const outcome = await run(other, "up", "--yes", ...config(settings));
    assert.equal(outcome.code, 1, everything(outcome));
    assert.match(
      outcome.stderr,
      new RegExp(`port ${port} \\(prometheusPort\\) of this machine is already in use by container \\S+ of stack ${stack}`),
    );
    assert.match(outcome.stderr, /--config prometheusPort=\d+/);
    assert.deepEqual(await leftovers(other), []);
  });
});
