import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/**
 * Where ports are looked for: above those of known services, and below those that kernels give to connections (from 32768 on Linux, 49152 elsewhere).
 * One of the latter may be taken by somebody's connection between being found and being used, which is more than a minute where images are built.
 */
const [FIRST, LAST] = [20_000, 32_767] as const;
const ATTEMPTS = 100;

/** A TCP port of 127.0.0.1 that was free a moment ago. @throws Error when none of many was */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = randomInt(FIRST, LAST + 1);
    if (await isFree(port)) return port;
  }
  throw new Error(`none of ${ATTEMPTS} ports from ${FIRST} to ${LAST} of 127.0.0.1 is free`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => (error.code === "EADDRINUSE" ? resolve(false) : reject(error)));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
