import path from "node:path";
import { UserError } from "../../lib/errors";
import { type Generator, type LoadSettings, run, type Target } from "./load";
import { measurePair, type Pair, type PairRuns } from "./pairs";
import { signUp } from "./people";
import { type Server, startApp, startPeer } from "./servers";
import { FAR_LIMITS, REFUSED_BY_ADDRESS, REFUSED_BY_USER, singleProcess } from "./settings";

export interface LadderOptions {
  /** Where the servers were built; data goes below it. */
  readonly directory: string;
  readonly generator: Generator;
  readonly rounds: number;
  readonly load: LoadSettings;
  /** Redis for the two rows that need one; they are left out without. */
  readonly redisUrl: string | undefined;
  readonly onStep: (text: string) => void;
  /** Called between runs; throws to stop. */
  readonly checkpoint: () => void;
}

/** The small JSON route: everything that stands before a route, and nothing behind it. */
const ROUTE = "/api/session";

/** Every server of the ladder, and what is asked of it. */
interface Field {
  readonly servers: Server[];
  readonly targets: ReadonlyMap<string, Target>;
}

/** Which pairs are measured: subject ÷ base. */
const PAIRS: readonly (readonly [subject: string, base: string])[] = [
  ["ours", "bare"],
  ["ours", "express"],
  ["ours", "usual"],
  ["express", "bare"],
  ["fastify", "bare"],
  ["usual", "bare"],
  ["refused", "bare"],
  ["refused-user", "bare"],
  ["probe", "bare"],
  ["ours-redis", "bare"],
  ["usual-redis", "bare"],
  ["ours-redis", "usual-redis"],
];

/** Measures every pair that can be measured here; all servers share one core, the load has the other. */
export async function measureLadder(options: LadderOptions): Promise<PairRuns[]> {
  const { rounds, generator, load, onStep, checkpoint } = options;
  const field: Field & { targets: Map<string, Target> } = { servers: [], targets: new Map() };
  try {
    onStep("starting the servers");
    await startField(options, field.servers, field.targets);
    for (const target of field.targets.values()) await expectAnswer(target);
    const results: PairRuns[] = [];
    for (const [subject, base] of PAIRS) {
      const pair = pairOf(field.targets, subject, base);
      if (pair === undefined) continue;
      onStep(`${subject} ÷ ${base}, ${rounds} pairs`);
      results.push(
        await measurePair(pair, rounds, (target) => {
          checkpoint();
          return run(generator, target, load);
        }),
      );
    }
    return results;
  } finally {
    await Promise.all(field.servers.map((server) => server.stop()));
  }
}

function pairOf(targets: ReadonlyMap<string, Target>, subject: string, base: string): Pair | undefined {
  const [one, other] = [targets.get(subject), targets.get(base)];
  return one === undefined || other === undefined ? undefined : { id: `${subject}/${base}`, subject: one, base: other };
}

async function startField(options: LadderOptions, servers: Server[], targets: Map<string, Target>): Promise<void> {
  const { directory, redisUrl } = options;
  const add = (name: string, server: Server, route: string, rest: Partial<Target> = {}): void => {
    if (!servers.includes(server)) servers.push(server);
    targets.set(name, { name, url: `${server.url}${route}`, pid: server.pid, ...rest });
  };
  const app = (name: string, environment: Readonly<Record<string, string>>): Promise<Server> =>
    startApp(directory, { dataDirectory: path.join(directory, name), environment: singleProcess(environment) });

  const ours = await app("data-ours", FAR_LIMITS);
  const headers = await signUp(ours.url);
  add("ours", ours, ROUTE, { headers });
  add("probe", ours, "/ready");
  const body = await (await fetch(`${ours.url}${ROUTE}`, { headers })).text();

  const byAddress = await app("data-address", REFUSED_BY_ADDRESS);
  add("refused", byAddress, ROUTE, { headers: await signUp(byAddress.url), status: 429 });
  const byUser = await app("data-user", REFUSED_BY_USER);
  add("refused-user", byUser, ROUTE, { headers: await signUp(byUser.url), status: 429 });
  // The one request each of them lets pass.
  for (const name of ["refused", "refused-user"]) await ask(targets.get(name));

  for (const name of ["bare", "express", "fastify", "usual"] as const) {
    add(name, await startPeer(directory, name, { BENCH_BODY: body }), "/api/bench");
  }
  if (redisUrl === undefined) return;
  const withRedis = await app("data-redis", { ...FAR_LIMITS, REDIS_URL: redisUrl });
  add("ours-redis", withRedis, ROUTE, { headers: await signUp(withRedis.url) });
  const usual = await startPeer(directory, "usual", { BENCH_BODY: body, REDIS_URL: redisUrl });
  const cookie = (await fetch(`${usual.url}/login`)).headers.get("set-cookie")?.split(";")[0] ?? "";
  add("usual-redis", usual, "/api/bench", { headers: { Cookie: cookie } });
}

async function ask(target: Target | undefined): Promise<number> {
  if (target === undefined) return 0;
  const answer = await fetch(target.url, { headers: { ...target.headers } });
  await answer.arrayBuffer();
  return answer.status;
}

/** Better here than as a million errors in a table. */
async function expectAnswer(target: Target): Promise<void> {
  const status = await ask(target);
  const expected = target.status ?? 200;
  if (status !== expected) throw new UserError(`${target.name} answers GET ${target.url} with ${status} instead of ${expected}`);
}
