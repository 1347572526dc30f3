import { once } from "node:events";
import net from "node:net";
import type { TestApp } from "../http/support";

/** Everything the server sends on one connection until it closes it. */
export async function raw(app: TestApp, text: string | Buffer): Promise<string> {
  const socket = net.connect(app.server.port, "127.0.0.1");
  socket.setEncoding("latin1");
  let received = "";
  socket.on("data", (part: string) => (received += part));
  // A server that refuses while the client is still sending may reset; what it said before counts.
  socket.on("error", () => socket.destroy());
  socket.write(text);
  await once(socket, "close");
  return received;
}

/** Status lines of all answers in what {@link raw} received. */
export function statuses(received: string): number[] {
  return [...received.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status));
}

/** What must never be in an answer: paths, stacks, names of libraries and of the database. */
export const INTERNALS = /node_modules|\.ts:\d|\.js:\d|at \w+ \(|SQLITE_|sqlite_|postgres:\/\/|ENOENT|\/app\/src|zod/i;
