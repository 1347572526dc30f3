import { LINES } from "./server";
import type { Settings } from "./settings";
import type { SwitchoverResult } from "./status-types";

/*
 * What people and `npm run` call in the operator's container, beside the operator that serves there: `node main.js status` and
 * `node main.js switchover`.
 */

/** Longest wait for the operator, ms: a switchover takes its pause, its hand-over and its resumption. */
const SWITCHOVER_MS = 40_000;
const STATUS_MS = 10_000;

/** Prints the state as one line of JSON. */
export async function printStatus({ port }: Settings): Promise<number> {
  const answer = await ask(port, "/status", { signal: AbortSignal.timeout(STATUS_MS) });
  process.stdout.write(`${(await answer.text()).trim()}\n`);
  return 0;
}

/** Conducts a switchover: steps on stderr, the result on stdout. @returns 0 when the wanted node is primary now */
export async function printSwitchover({ port, patroni }: Settings, to: string | undefined): Promise<number> {
  const answer = await ask(port, "/switchover", {
    method: "POST",
    headers: { Authorization: `Bearer ${patroni.password}`, Accept: LINES },
    body: JSON.stringify({ to }),
    signal: AbortSignal.timeout(SWITCHOVER_MS),
  });
  if (answer.body === null || answer.headers.get("content-type") !== LINES)
    throw new Error(`the operator answered ${answer.status} ${await answer.text()}`);
  let rest = "";
  let last: SwitchoverResult | undefined;
  for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const told = JSON.parse(line) as { readonly progress: string } | SwitchoverResult;
      if ("progress" in told) process.stderr.write(`${told.progress}\n`);
      else last = told;
    }
  }
  if (last === undefined) throw new Error("the operator ended before it told what came of it");
  process.stdout.write(`${last.message}\n`);
  return last.ok ? 0 : 1;
}

async function ask(port: number, path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(`http://127.0.0.1:${port}${path}`, init);
  } catch (error) {
    throw new Error("the operator in this container does not answer; its log says why", { cause: error });
  }
}
