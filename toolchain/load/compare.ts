import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type Docker from "dockerode";
import { LABELS } from "../lib/docker";
import { UserError } from "../lib/errors";
import { freePort } from "../lib/free-port";
import { stopIfInterrupted } from "../lib/interrupt";
import { fail, pass, type Row } from "../verify/types";
import { HttpClient } from "../verify/http";
import { type Person, signUpPeople } from "./people";
import type { Profile } from "./profiles";
import { ProgressBar } from "./progress";
import { assertLocal, type LoadTarget, Sending } from "./run";
import { requestsOf } from "./requests";
import { planOf } from "./schedule";
import { holds, RateSearch } from "./sustained";

/** Least gain of C9. */
const LEAST_GAIN = 2;

/** Longest wait for the single process to answer, in milliseconds. */
const READY_MS = 30_000;

/** A step of the search: 2 s to warm up, 8 s that count. Everything but chat, most of whose time is waiting on purpose. */
const step = (perSecond: number): Profile => ({
  name: `compare-${perSecond}`,
  title: "a step of the search for the rate that is carried",
  stages: [
    { name: "warm-up", seconds: 2, measured: false, perSecond },
    { name: "load", seconds: 8, measured: true, perSecond },
  ],
  mix: { dashboard: 0.3, orders: 0.4, order: 0.2, "new-order": 0.1 },
  companies: 16,
  ownConnections: false,
  targets: [],
});

interface Side {
  readonly name: string;
  readonly http: HttpClient;
  readonly people: readonly Person[];
  readonly search: RateSearch;
}

/**
 * C9: the rate that the stack carries ÷ the one that a single process of the same image carries, on an embedded database and with nothing
 * in front. Both are tried in turn at each rate, so that they see the same machine; the sender takes part of it from both.
 */
export async function compareWithSingle(target: LoadTarget, quiet = false): Promise<Row> {
  assertLocal(target.http.url);
  const started = performance.now();
  const bar = new ProgressBar();
  const [app] = await target.apps();
  if (app === undefined) throw new UserError("no container of the app runs");
  const single = await startSingle(app, target.docker);
  const http = new HttpClient(single.url);
  try {
    await ready(http);
    const sides: Side[] = [];
    for (const [name, client] of [
      ["stack", target.http],
      ["single process", http],
    ] as const) {
      const people = await signUpPeople(client, planOf(step(1)), step(1).companies);
      sides.push({ name, http: client, people, search: new RateSearch() });
    }
    while (sides.some(({ search }) => search.next !== undefined)) {
      for (const side of sides) {
        const rate = side.search.next;
        if (rate === undefined) continue;
        stopIfInterrupted();
        const held = await tryRate(side, rate);
        side.search.tried(rate, held);
        const became = held ? "carried" : side.search.next === rate ? "not carried, tried once more" : "not carried";
        if (!quiet) bar.say(`C9 ${side.name}: ${rate} requests a second ${became}`);
      }
    }
    return rowOf(sides, (performance.now() - started) / 1000);
  } finally {
    http.close();
    await single.container.remove({ force: true, v: true });
  }
}

async function tryRate({ http, people }: Side, rate: number): Promise<boolean> {
  const profile = step(rate);
  const plan = planOf(profile);
  const sending = new Sending(profile, plan, requestsOf(plan, people, http.operator), http.url);
  await sending.done();
  stopIfInterrupted();
  return holds(sending.tally.measured());
}

function rowOf([stack, single]: readonly Side[], seconds: number): Row {
  const [above, below] = [stack?.search.sustained ?? 0, single?.search.sustained ?? 0];
  const bound = (side: Side | undefined): string => (side?.search.isAtMost === true ? "≥ " : "");
  const gain = below === 0 ? 0 : above / below;
  const measured = `${gain.toFixed(2)} (${bound(stack)}${above} ÷ ${bound(single)}${below} req/s)`;
  return {
    id: "C9",
    title: "rate that is carried ÷ that of one unscaled process",
    target: `≥ ${LEAST_GAIN}`,
    ...(gain >= LEAST_GAIN ? pass(measured) : fail(measured)),
    seconds,
  };
}

/** One process of the app's image, with a database of its own and nothing of the stack's. */
async function startSingle(app: Docker.Container, docker: Docker): Promise<{ readonly container: Docker.Container; readonly url: string }> {
  const { Image, Config: config, NetworkSettings: settings } = await app.inspect();
  const [network = ""] = Object.keys(settings.Networks);
  const port = await freePort();
  const container = await docker.createContainer({
    name: `compare-${randomBytes(3).toString("hex")}`,
    Image,
    // Limits would be what is measured; the stack's are passed by as the operator.
    Env: ["NODE_ENV=production", "WORKERS=1", "RATE_LIMITS=off"],
    Labels: { ...config.Labels, [LABELS.service]: "compare" },
    ExposedPorts: { "3001/tcp": {} },
    HostConfig: {
      NetworkMode: network,
      PortBindings: { "3001/tcp": [{ HostIp: "127.0.0.1", HostPort: String(port) }] },
      ReadonlyRootfs: true,
      Tmpfs: { "/tmp": "rw,noexec,nosuid,size=64m" },
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges:true"],
      Memory: 1024 ** 3,
      Ulimits: [{ Name: "nofile", Soft: 8192, Hard: 8192 }],
    },
  });
  try {
    await container.start();
  } catch (error) {
    await container.remove({ force: true, v: true });
    throw error;
  }
  return { container, url: `http://127.0.0.1:${port}` };
}

async function ready(http: HttpClient): Promise<void> {
  const deadline = performance.now() + READY_MS;
  for (;;) {
    stopIfInterrupted();
    const isReady = await http.ask("/ready", { timeoutMs: 1000 }).then(
      ({ status }) => status === 200,
      () => false,
    );
    if (isReady) return;
    if (performance.now() > deadline) throw new UserError(`the single process to compare with is not ready within ${READY_MS / 1000} s`);
    await delay(100);
  }
}
