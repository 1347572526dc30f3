import type { Server } from "node:http";
import type { AddressInfo } from "node:net";

/** What every peer answers: the body that ours gives to the same request, so that all send the same content. */
export function body(): Record<string, unknown> {
  return JSON.parse(process.env["BENCH_BODY"] ?? "{}") as Record<string, unknown>;
}

/** Tells the benchmark where this peer listens. It ends with the benchmark, whatever becomes of that. */
export function announce(port: number): void {
  process.on("disconnect", () => process.exit(0));
  process.send?.({ port });
}

/** Lets a peer listen on a free port of this machine. */
export function serve(server: Server): void {
  server.listen(0, "127.0.0.1", () => announce((server.address() as AddressInfo).port));
}
