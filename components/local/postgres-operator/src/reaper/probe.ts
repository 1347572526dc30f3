import { Resolver } from "node:dns/promises";
import { connect } from "node:net";
import type { Probe } from "./decide";

/** Longest wait for a name and for a connection, ms: less than the pause between two rounds. */
const TIMEOUT_MS = 400;

/** Docker's own DNS is asked, not the system's resolver, which would ask others for a name that is gone and wait for them. */
const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: 1 });

/** Says that there is no such name. */
const NO_NAME = new Set(["ENOTFOUND", "ENODATA"]);

/** Says that nothing listens, or that there is no machine at this address. */
const MEANING: Readonly<Record<string, Probe>> = {
  ECONNREFUSED: "refused",
  EHOSTUNREACH: "gone",
  ENETUNREACH: "gone",
};

/** Connects to ports of a host, whose name is looked up anew each time. */
export async function probe(host: string, ports: readonly number[]): Promise<Probe[]> {
  let address: string | undefined;
  try {
    [address] = await resolver.resolve4(host);
  } catch (error) {
    const gone = NO_NAME.has((error as NodeJS.ErrnoException).code ?? "");
    return ports.map(() => (gone ? "gone" : "timeout"));
  }
  if (address === undefined) return ports.map(() => "gone");
  const target = address;
  return Promise.all(ports.map((port) => probePort(target, port)));
}

function probePort(address: string, port: number): Promise<Probe> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: TIMEOUT_MS });
    const done = (result: Probe): void => {
      socket.destroy();
      resolve(result);
    };
    socket.once("connect", () => done("open"));
    socket.once("timeout", () => done("timeout"));
    socket.once("error", (error: NodeJS.ErrnoException) => done(MEANING[error.code ?? ""] ?? "timeout"));
  });
}
