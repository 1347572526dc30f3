import { Readable, type PassThrough } from "node:stream";
import type Docker from "dockerode";
import { LABELS } from "../../toolchain/lib/docker";
import { HttpClient } from "../../toolchain/verify/http";
import type { Expected, VerifyContext } from "../../toolchain/verify/types";

/** What a command in a container prints; an error is its exit code 1 and standard error. */
export type Answer = (command: readonly string[]) => string | Error;

/** A container as far as checks use one: runs commands, has labels. */
export function fakeContainer(answer: Answer, { node = "", startedAt = "2026-11-22T08:00:00Z" } = {}): Docker.Container {
  const exec = ({ Cmd: command }: { readonly Cmd: readonly string[] }): Promise<unknown> => {
    const said = answer(command);
    const failed = said instanceof Error;
    return Promise.resolve({
      start: () => Promise.resolve(Object.assign(Readable.from([Buffer.from(failed ? said.message : said)]), { failed })),
      inspect: () => Promise.resolve({ ExitCode: failed ? 1 : 0 }),
    });
  };
  const modem = {
    demuxStream: (from: Readable & { readonly failed: boolean }, out: PassThrough, err: PassThrough) =>
      from.pipe(from.failed ? err : out, { end: false }),
  };
  const inspect = () => Promise.resolve({ Config: { Labels: { [LABELS.node]: node } }, State: { StartedAt: startedAt } });
  return { id: "0123456789abcdef", exec, inspect, modem } as unknown as Docker.Container;
}

const EXPECTED: Expected = {
  phase: "database",
  appInstances: 3,
  workers: undefined,
  postgresNodes: 3,
  brokers: 0,
  monitoring: false,
  backups: false,
  apiLimit: { perSecond: 100, burst: 100 },
};

/** What a test says about the stack; whatever a check asks beyond that is an error. */
export interface FakeStack {
  readonly url?: string;
  readonly expected?: Partial<Expected>;
  readonly containers?: Readonly<Record<string, readonly Docker.Container[]>>;
  readonly postgres?: VerifyContext["postgres"];
  readonly adminToken?: string;
}

export function fakeContext({ url, expected, containers = {}, postgres, adminToken = "" }: FakeStack): VerifyContext {
  const nobody = (what: string) => () => Promise.reject(new Error(`nobody is to ask for ${what}`));
  const http = new HttpClient(url ?? "http://127.0.0.1:1", adminToken === "" ? undefined : adminToken);
  return {
    http,
    expected: { ...EXPECTED, ...expected },
    adminToken,
    secrets: [],
    apps: () => Promise.resolve(containers["app"] ?? []),
    containers: (service) => Promise.resolve(service === undefined ? Object.values(containers).flat() : (containers[service] ?? [])),
    operator: nobody("the operator"),
    postgres: postgres ?? nobody("Postgres"),
    session: () => Promise.resolve({ cookie: "sid=test", company: "Verification" }),
  };
}
