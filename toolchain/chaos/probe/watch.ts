import { Agent, get } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { Member, PrimaryAnswer, PrimaryRound } from "../measure";
import type { ProbeReport } from "./lines";

/** Port of Patroni's REST API, as components/local/postgres has it; this program is bundled by itself. */
const PATRONI_PORT = 8008;
/** From the start of one round of questions to the next, milliseconds. Patroni starts a thread for each: much more often would be a load of its own. */
const ROUND_MS = 200;
/** Every so many rounds the cluster is asked for as well. */
const CLUSTER_EVERY = 2;
/** A node that does not answer within this time says nothing, milliseconds. */
const TIMEOUT_MS = 1000;

/** Asks all nodes whether they are primary, round after round, for ever. */
export async function watchForever(nodes: readonly string[], report: (line: ProbeReport) => void): Promise<never> {
  // Kept open: a connection for each question would cost the nodes more than the answer.
  const agents = new Map(nodes.map((node) => [node, new Agent({ keepAlive: true, maxSockets: 2 })]));
  let lastPrimary = nodes[0] ?? "";
  for (let turn = 0; ; turn += 1) {
    const started = performance.now();
    const round: PrimaryRound = await Promise.all(nodes.map((node) => askPrimary(node, agents.get(node))));
    report({ kind: "round", round });
    lastPrimary = round.find(({ status }) => status === 200)?.node ?? lastPrimary;
    if (turn % CLUSTER_EVERY === 0) {
      const members = await askCluster(lastPrimary, agents.get(lastPrimary));
      if (members !== undefined) report({ kind: "cluster", at: Date.now(), members });
    }
    const claims = round.filter(({ status }) => status === 200).length;
    const rest = ROUND_MS - (performance.now() - started);
    // Two at once: asked again without a pause, see conflicts() in measure.ts.
    if (claims < 2 && rest > 0) await delay(rest);
  }
}

async function askPrimary(node: string, agent: Agent | undefined): Promise<PrimaryAnswer> {
  const sentAt = Date.now();
  const { status } = await ask(node, "/primary", agent);
  return { node, status, sentAt, receivedAt: Date.now() };
}

async function askCluster(node: string, agent: Agent | undefined): Promise<Member[] | undefined> {
  const { status, text } = await ask(node, "/cluster", agent);
  if (status !== 200) return undefined;
  const { members } = JSON.parse(text) as { members: { name: string; role: string; state: string; timeline?: number; lag?: unknown }[] };
  return members.map(({ name, role, state, timeline, lag }) => ({
    ...{ name, role, state, timeline },
    // Patroni writes "unknown" where it does not know.
    lag: typeof lag === "number" ? lag : undefined,
  }));
}

/** Status 0 when there is no answer, for whatever reason: the name may be gone, the port closed, the node frozen. */
function ask(node: string, path: string, agent: Agent | undefined): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve) => {
    const none = (): void => resolve({ status: 0, text: "" });
    const outgoing = get({ host: node, port: PATRONI_PORT, path, agent, family: 4 }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.once("error", none);
      response.once("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    const deadline = setTimeout(() => outgoing.destroy(), TIMEOUT_MS);
    outgoing.once("close", () => {
      clearTimeout(deadline);
      none();
    });
    outgoing.once("error", none);
  });
}
