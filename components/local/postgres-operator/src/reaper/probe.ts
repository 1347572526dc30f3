import { connect } from "node:net";
import { addressesOf } from "../names";
import type { Probe } from "./decide";

/** Longest wait for a connection, ms: less than the pause between two rounds. */
const TIMEOUT_MS = 400;

/** Says that nothing listens, or that there is no machine at this address. */
const MEANING: Readonly<Record<string, Probe>> = {
  ECONNREFUSED: "refused",
  EHOSTUNREACH: "gone",
  ENETUNREACH: "gone",
};

/** Connects to ports of a host, whose name is looked up anew each time. */
export async function probe(host: string, ports: readonly number[], addresses = addressesOf): Promise<Probe[]> {
  let address: string | undefined;
  try {
    [address] = await addresses(host);
  } catch {
    // No answer says nothing: Docker itself may be starting again.
    return ports.map(() => "timeout");
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
