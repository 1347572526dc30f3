import path from "node:path";
import { type Generator, type LoadSettings, run, type Target } from "./load";
import { measurePair, type PairRuns } from "./pairs";
import { signUp } from "./people";
import { type Server, startApp, startPeer } from "./servers";
import { FAR_LIMITS, SECRETS } from "./settings";

/**
 * Feature C9: the clustered app with a worker for every core, against the usual assembly as it is usually started, in one process. Both
 * may use the whole machine; requests a second are users, at the same behaviour of each.
 */
export async function measureCapacity(
  directory: string,
  options: { readonly generator: Generator; readonly rounds: number; readonly load: LoadSettings; readonly checkpoint: () => void },
): Promise<PairRuns> {
  const servers: Server[] = [];
  try {
    const ours = await startApp(directory, {
      dataDirectory: path.join(directory, "data-capacity"),
      environment: { WORKERS: "auto", ...SECRETS, ...FAR_LIMITS },
      pin: false,
    });
    servers.push(ours);
    const headers = await signUp(ours.url);
    const body = await (await fetch(`${ours.url}/api/session`, { headers })).text();
    const usual = await startPeer(directory, "usual", { BENCH_BODY: body }, false);
    servers.push(usual);
    const subject: Target = { name: "cluster", url: `${ours.url}/api/session`, headers, pid: ours.pid };
    const base: Target = { name: "usual", url: `${usual.url}/api/bench`, pid: usual.pid };
    return await measurePair({ id: "cluster/usual", subject, base }, options.rounds, (target) => {
      options.checkpoint();
      return run(options.generator, target, options.load, false);
    });
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}
